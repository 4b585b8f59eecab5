"""Who watches in a load test: fresh users with tokens of our own, or those of a file."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import jwt
from msgspec import Struct

from ugc_cli.tokens import Claims, mint
from ugc_core.api_settings import AuthSection
from ugc_core.errors import ConfigError
from ugc_core.uuid7 import make_uuid7

_SPARE_S = 900
"""Tokens outlive the load by this."""


class Viewers(Struct, frozen=True, kw_only=True):
    """The viewers, in order.

    Attributes:
        users: Their ids.
        tokens: Their tokens.
    """

    users: Sequence[UUID]
    tokens: Sequence[str]


def fresh_viewers(many: int, auth: AuthSection, *, duration_s: float, now_ms: int) -> Viewers:
    """Return viewers that nobody has seen before."""
    users = [make_uuid7(now_ms) for _ in range(many)]
    ttl_s = int(duration_s) + _SPARE_S
    tokens = [mint(Claims(user_id=user, ttl_s=ttl_s), auth, now_ms=now_ms) for user in users]
    return Viewers(users=users, tokens=tokens)


def known_viewers(path: Path, many: int | None) -> Viewers:
    """Return the viewers of a file with one token a line; `many` of them, or all.

    Raises:
        ConfigError: It cannot be read, has too few tokens, or a line is none.
    """
    try:
        tokens = path.read_text("utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"cannot read the tokens in {path}: {error}"
        raise ConfigError(msg) from error
    if len(tokens) < (many or 1):
        msg = f"{path} has {len(tokens)} tokens, one a line; {many or 1} viewers need one each"
        raise ConfigError(msg)
    tokens = tokens[:many]
    users = [_user(token, number, path) for number, token in enumerate(tokens, start=1)]
    return Viewers(users=users, tokens=tokens)


def _user(token: str, number: int, path: Path) -> UUID:
    """Return whose token it is; the API checks the signature, we cannot."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
        return UUID(str(claims["sub"]))
    except (jwt.InvalidTokenError, KeyError, ValueError) as error:
        msg = f"token {number} of {path} is no JWT with a user's id as `sub`"
        raise ConfigError(msg) from error
