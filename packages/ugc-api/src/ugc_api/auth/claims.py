"""What a token says of its owner, compared with the clock and the settings."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from ugc_api.auth.identity import Identity
from ugc_api.auth.refusals import TokenRefusedError, refuse
from ugc_core.acceptance import Viewer
from ugc_core.api_settings import AuthSection
from ugc_core.codec import log_key
from ugc_core.events import NIL

_MAX_ROLES = 64
_LAST_S = 253_402_300_799
"""The end of the year 9999: what is later is no time."""
_MALFORMED = "the token's claims are incomplete or malformed"
Role = Annotated[str, Meta(min_length=1, max_length=200)]
Seconds = Annotated[float, Meta(ge=-_LAST_S, le=_LAST_S)]


class Claims(Struct, frozen=True, kw_only=True):
    """What a token has to say, and what it may say, in seconds of Unix time.

    Attributes:
        sub: The user.
        exp: When the token ends.
        nbf: When it begins.
        iat: When it was made.
        aud: Whom it is for.
        iss: Who made it.
        type: `access`, or absent.
        profile_id: The household member; absent means the user.
        roles: What else the owner may do: a list, or words in one string.
    """

    sub: UUID
    exp: Seconds
    nbf: Seconds | None = None
    iat: Seconds | None = None
    aud: str | list[str] | None = None
    iss: str | None = None
    type: str | None = None
    profile_id: UUID | None = None
    roles: (
        Annotated[str, Meta(max_length=8192)]
        | Annotated[tuple[Role, ...], Meta(max_length=_MAX_ROLES)]
    ) = ()


_decode = msgspec.json.Decoder(Claims).decode


def read_claims(data: bytes) -> Claims:
    """Decode claims.

    Raises:
        TokenRefusedError: One is missing, or is not what it should be.
    """
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TokenRefusedError(_MALFORMED, slug="claims") from error


def check_claims(claims: Claims, rules: AuthSection, now_s: float) -> None:
    """Compare with the clock, and with what the settings ask for.

    Raises:
        TokenRefusedError: The token is not valid now, or not here.
    """
    if NIL in {claims.sub, claims.profile_id}:
        refuse("claims", "the token names the nil UUID")
    if claims.exp <= now_s - rules.leeway_s:
        refuse("expired", "the token has expired")
    if max(claims.nbf or 0, claims.iat or 0) > now_s + rules.leeway_s:
        refuse("not-yet", "the token is not valid yet")
    if claims.type not in {None, "access"}:
        refuse("not-access", "the token is not an access token")
    audience = claims.aud if isinstance(claims.aud, list) else [claims.aud]
    if rules.audience and rules.audience not in audience:
        refuse("audience", "the token is for another audience")
    if rules.issuer and rules.issuer != claims.iss:
        refuse("issuer", "the token is from another issuer")


def identity_of(claims: Claims) -> Identity:
    """Return the owner.

    Raises:
        TokenRefusedError: There are too many roles.
    """
    roles = claims.roles.split() if isinstance(claims.roles, str) else claims.roles
    if len(roles) > _MAX_ROLES:
        refuse("claims", _MALFORMED)
    return Identity(
        viewer=Viewer(user_id=claims.sub, profile_id=claims.profile_id),
        log_key=log_key(claims.sub),
        roles=frozenset(roles),
    )
