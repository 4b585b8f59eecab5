"""`ugc token`: a development token."""

from typing import Annotated
from uuid import UUID

import typer

from ugc_cli import console
from ugc_cli.data_dir import DataDir
from ugc_cli.options import AsJson, Data
from ugc_cli.resolve import load_settings
from ugc_cli.tokens import Claims, mint
from ugc_core.api_settings import AuthSection
from ugc_core.clock import SystemClock
from ugc_core.environment import environment
from ugc_core.errors import ConfigError
from ugc_core.sources import Loaded, load, variable


def token(
    user: Annotated[UUID, typer.Option("--user", metavar="UUID", help="The `sub`: whose token.")],
    profile: Annotated[
        UUID | None,
        typer.Option("--profile", metavar="UUID", help="Bind it to a household member."),
    ] = None,
    role: Annotated[
        list[str] | None, typer.Option("--role", help="A role such as analyst; may be repeated.")
    ] = None,
    ttl: Annotated[
        int, typer.Option("--ttl", metavar="SECONDS", min=1, help="How long it is valid.")
    ] = 3600,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Print a token signed with the development secret.

    Works with UGC_AUTH__SECRET_FILE, or with the secret of the data directory, whether or
    not `ugc up` runs on it.

    Example: ugc token --user 01900000-0000-7000-8000-000000000001 --role analyst
    """
    auth = _auth(load_settings(data))
    now_ms = SystemClock().wall_ms()
    claims = Claims(user_id=user, profile_id=profile, roles=tuple(role or ()), ttl_s=ttl)
    minted = mint(claims, auth, now_ms=now_ms)
    if as_json:
        console.emit_json({"token": minted, "expires_at": now_ms // 1000 + ttl})
        return
    typer.echo(minted)


def _auth(loaded: Loaded) -> AuthSection:
    if loaded.settings.auth.secret:
        return loaded.settings.auth
    path = DataDir.at(loaded.settings.data_dir).token_secret
    if not path.exists():
        msg = (
            f"there is no secret to sign with: {path} does not exist. Start `ugc up` once, name"
            f" its directory (--data DIR), or set {variable('auth.secret_file')}"
        )
        raise ConfigError(msg)
    return load(environment(), {"auth.secret_file": str(path)}).settings.auth
