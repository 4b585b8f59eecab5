"""Development tokens, signed with the secret that the API verifies with."""

from uuid import UUID

import jwt
from msgspec import Struct

from ugc_core.api_settings import AuthSection


class Claims(Struct, frozen=True, kw_only=True):
    """What a token says.

    Attributes:
        user_id: The `sub`.
        profile_id: The household member, if the token is bound to one.
        roles: What its owner may do beside reporting.
        ttl_s: How long it is valid, in seconds.
    """

    user_id: UUID
    profile_id: UUID | None = None
    roles: tuple[str, ...] = ()
    ttl_s: int = 3600


def mint(claims: Claims, auth: AuthSection, *, now_ms: int) -> str:
    """Return a signed token (HS256).

    Args:
        claims: What it says.
        auth: Secret, audience and issuer.
        now_ms: Unix time in milliseconds.
    """
    now_s = now_ms // 1000
    payload: dict[str, object] = {
        "sub": str(claims.user_id),
        "iat": now_s,
        "exp": now_s + claims.ttl_s,
        "type": "access",
    }
    if claims.profile_id:
        payload["profile_id"] = str(claims.profile_id)
    if claims.roles:
        payload["roles"] = list(claims.roles)
    if auth.audience:
        payload["aud"] = auth.audience
    if auth.issuer:
        payload["iss"] = auth.issuer
    return jwt.encode(payload, auth.secret, algorithm="HS256")
