"""Tokens that travel in a beacon's body, because `navigator.sendBeacon` sends no headers.

This service makes them and this service reads them, so nothing about them is negotiated: the
header of the JSON Web Token is a constant, and is compared, not parsed. They are signed with a
key of their own, of another type and for another audience than access tokens: neither passes for
the other, even where both come from one secret.
"""

import base64
import hmac
from typing import Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from ugc_api.auth.identity import Identity
from ugc_api.auth.secret import MIN_SECRET_BYTES
from ugc_api.problems import kinds
from ugc_api.problems.problem import ProblemError
from ugc_core.acceptance import Viewer
from ugc_core.api_settings import AuthSection
from ugc_core.clock import Clock
from ugc_core.codec import log_key
from ugc_core.errors import ConfigError

_PURPOSE = b"ugc: beacon tokens, version 1"
"""Bound into the key: a secret that is used elsewhere, too, signs nothing for elsewhere here."""
_MAX_TOKEN_CHARS = 1024
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="ugc beacons", error="invalid_token"'}


class Grant(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a beacon may do: write the progress of one viewer in one film.

    Attributes:
        sub: The user.
        profile_id: The household member; absent means the user, and no other member.
        film_id: The film.
        session_id: The playback session; absent means any.
    """

    sub: UUID
    profile_id: UUID | None = None
    film_id: UUID
    session_id: UUID | None = None

    @property
    def identity(self) -> Identity:
        """Who watches; always with a profile, so that a report cannot choose another one."""
        viewer = Viewer(user_id=self.sub, profile_id=self.profile_id or self.sub)
        return Identity(viewer=viewer, log_key=log_key(self.sub))


class _Claims(Grant, frozen=True, kw_only=True):
    type: Literal["beacon"]
    aud: Literal["ugc-beacons"]
    iat: int
    exp: int


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Claims).decode


class BeaconTokens:
    """Makes and reads tokens; it remembers nothing, so any process reads what another made.

    Attributes:
        ttl_s: How long a token is good for, in seconds.
    """

    def __init__(self, secret: str, *, ttl_s: int, clock: Clock) -> None:
        """Sign with a key made of `secret`."""
        self.ttl_s = ttl_s
        self._key = hmac.digest(secret.encode(), _PURPOSE, "sha256")
        self._clock = clock

    def issue(self, grant: Grant) -> str:
        """Return a token for `grant`."""
        now = self._clock.wall_ms() // 1000
        claims = _Claims(
            sub=grant.sub,
            profile_id=grant.profile_id,
            film_id=grant.film_id,
            session_id=grant.session_id,
            type="beacon",
            aud="ugc-beacons",
            iat=now,
            exp=now + self.ttl_s,
        )
        signed = f"{_HEADER}.{_base64url(_encode(claims))}"
        return f"{signed}.{self._signature(signed)}"

    def read(self, token: str) -> Grant:
        """Return what a token allows.

        Raises:
            ProblemError: It is none of ours, or has expired.
        """
        signed, _, signature = token[: _MAX_TOKEN_CHARS + 1].rpartition(".")
        header, _, payload = signed.partition(".")
        # As texts, so that no other spelling of the same bytes passes.
        genuine = hmac.compare_digest(signature.encode(), self._signature(signed).encode())
        if header != _HEADER or not genuine:
            detail = "the beacon token's form or signature is wrong"
            raise ProblemError(kinds.INVALID_TOKEN, detail, headers=_CHALLENGE)
        claims = _decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        if claims.exp <= self._clock.wall_ms() // 1000:
            detail = "the beacon token has expired"
            raise ProblemError(kinds.INVALID_TOKEN, detail, headers=_CHALLENGE)
        return claims

    def _signature(self, signed: str) -> str:
        return _base64url(hmac.digest(self._key, signed.encode(), "sha256"))


def make_beacon_tokens(settings: AuthSection, clock: Clock) -> BeaconTokens | None:
    """Return what makes and reads tokens; None without any secret.

    Raises:
        ConfigError: The secret is too short.
    """
    own = settings.beacon_secret
    if own and len(own.encode()) < MIN_SECRET_BYTES:
        msg = (
            f"auth.beacon_secret has {len(own.encode())} bytes and needs at least"
            f" {MIN_SECRET_BYTES}: run `openssl rand -hex 32 > beacon.secret` and set"
            " UGC_AUTH__BEACON_SECRET_FILE=beacon.secret"
        )
        raise ConfigError(msg)
    secret = own or settings.secret
    return BeaconTokens(secret, ttl_s=settings.beacon_ttl_s, clock=clock) if secret else None


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


_HEADER = _base64url(b'{"alg":"HS256","typ":"beacon+jwt"}')
