"""Who is asking: bearer tokens (RFC 6750), JSON Web Tokens by the advice of RFC 8725."""

import hashlib
from typing import TYPE_CHECKING, NoReturn, Protocol
from uuid import UUID

import msgspec
from fastapi import Request
from jwt import PyJWS
from jwt.exceptions import InvalidKeyError, InvalidTokenError
from msgspec import Struct

from ugc_api.auth.identity import Identity
from ugc_api.problems import kinds
from ugc_api.problems.problem import ProblemError
from ugc_core.acceptance import Viewer
from ugc_core.clock import Clock
from ugc_core.errors import ConfigError
from ugc_core.events import NIL
from ugc_core.settings import AuthSection

MIN_SECRET_BYTES = 32
"""RFC 7518, section 3.2: a key at least as long as the hash."""
_ALGORITHMS = ["HS256"]
_MAX_TOKEN_CHARS = 8192
_TYPES = frozenset({None, "jwt", "at+jwt", "application/at+jwt"})
_REMEMBERED = 10_000


class TokenRefusedError(Exception):
    """The token proves nothing.

    Attributes:
        reason: Why, in words that hold nothing of the token.
    """

    def __init__(self, reason: str) -> None:
        """Keep the reason."""
        super().__init__(reason)
        self.reason = reason


class TokenVerifier(Protocol):
    """Tells whose token it is. Keys are at hand: verifying waits for nothing."""

    def verify(self, token: str) -> Identity:
        """Return the owner of a valid access token.

        Raises:
            TokenRefusedError: It is not one.
        """


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
        roles: What else the owner may do.
    """

    sub: UUID
    exp: float
    nbf: float | None = None
    iat: float | None = None
    aud: str | list[str] | None = None
    iss: str | None = None
    type: str | None = None
    profile_id: UUID | None = None
    roles: tuple[str, ...] = ()


_decode_claims = msgspec.json.Decoder(Claims).decode


class Hs256Verifier:
    """Verifies tokens signed with a shared secret; remembers those it has seen."""

    def __init__(
        self, settings: AuthSection, clock: Clock, *, remembered: int = _REMEMBERED
    ) -> None:
        """Take the secret.

        Args:
            settings: The secret, and what else a token has to say.
            clock: Time, for `exp`, `nbf` and `iat`.
            remembered: Most tokens that are known again without a look at their signature.

        Raises:
            ConfigError: The secret is missing or too short.
        """
        self._jws = PyJWS(algorithms=_ALGORITHMS)
        self._secret = _secret(settings, self._jws)
        self._rules = settings
        self._clock = clock
        self._most = remembered
        self._seen: dict[bytes, tuple[float, Identity]] = {}

    def verify(self, token: str) -> Identity:
        """Check signature, header and claims, or find the token among those seen."""
        key = hashlib.sha256(token.encode()).digest()
        now = self._clock.wall_ms() / 1000
        known = self._seen.get(key)
        if known is not None and now < known[0]:
            return known[1]
        claims = self._claims(token)
        _check_claims(claims, self._rules, now)
        viewer = Viewer(user_id=claims.sub, profile_id=claims.profile_id)
        identity = Identity(viewer=viewer, roles=frozenset(claims.roles))
        self._remember(key, claims.exp, identity)
        return identity

    def _claims(self, token: str) -> Claims:
        if len(token) > _MAX_TOKEN_CHARS:
            _refuse("the token is too long")
        try:
            found = self._jws.decode_complete(token, self._secret, algorithms=_ALGORITHMS)
        except InvalidTokenError:
            _refuse("the token's form or signature is wrong")
        _check_header(found["header"])
        try:
            return _decode_claims(found["payload"])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            _refuse("the token's claims are incomplete or malformed")

    def _remember(self, key: bytes, until: float, identity: Identity) -> None:
        """Make room by dropping the oldest entry; an entry never outlives its token."""
        self._seen.pop(key, None)
        if len(self._seen) >= self._most:
            del self._seen[next(iter(self._seen))]
        self._seen[key] = until, identity


def _secret(settings: AuthSection, jws: PyJWS) -> bytes:
    """Return the secret; one that verifies nothing stops the start and not each request."""
    secret = settings.secret.encode()
    if len(secret) < MIN_SECRET_BYTES:
        found = f"has {len(secret)}" if secret else "is missing"
        msg = (
            f"auth.secret {found}; HS256 needs at least {MIN_SECRET_BYTES} bytes: run"
            " `openssl rand -hex 32 > jwt.secret` and set UGC_AUTH__SECRET_FILE=jwt.secret"
        )
        raise ConfigError(msg)
    try:
        jws.get_algorithm_by_name(_ALGORITHMS[0]).prepare_key(secret)
    except InvalidKeyError as error:
        msg = f"auth.secret cannot be a shared secret: {error} Set another UGC_AUTH__SECRET_FILE"
        raise ConfigError(msg) from error
    return secret


def bearer(request: Request, verifier: TokenVerifier) -> Identity:
    """Return who asks.

    Raises:
        ProblemError: There is no token in the Authorization header, or it is refused.
    """
    given = request.headers.getlist("authorization")
    return identify(given[0].encode("latin-1") if len(given) == 1 else None, verifier)


def identify(header: bytes | None, verifier: TokenVerifier) -> Identity:
    """Return who asks, by the value of the Authorization header.

    Raises:
        ProblemError: There is no token in it, or it is refused.
    """
    scheme, _, token = (header or b"").decode("latin-1").partition(" ")
    if scheme.lower() != "bearer":
        challenge = {"WWW-Authenticate": 'Bearer realm="ugc"'}
        detail = "Send an access token as `Authorization: Bearer <token>`."
        raise ProblemError(kinds.MISSING_TOKEN, detail, headers=challenge)
    try:
        return verifier.verify(token.strip())
    except TokenRefusedError as error:
        challenge = {
            "WWW-Authenticate": 'Bearer realm="ugc", error="invalid_token",'
            f' error_description="{error.reason}"'
        }
        raise ProblemError(kinds.INVALID_TOKEN, error.reason, headers=challenge) from error


def _refuse(reason: str) -> NoReturn:
    raise TokenRefusedError(reason)


def _check_header(header: dict[str, object]) -> None:
    if "crit" in header or "b64" in header:
        _refuse("the token needs an extension that is not supported")
    kind = header.get("typ")
    if (kind.lower() if isinstance(kind, str) else kind) not in _TYPES:
        _refuse("the token is of another type")


def _check_claims(claims: Claims, rules: AuthSection, now: float) -> None:
    """Compare with the clock, and with what the settings ask for."""
    if NIL in {claims.sub, claims.profile_id}:
        _refuse("the token names the nil UUID")
    if claims.exp <= now - rules.leeway_s:
        _refuse("the token has expired")
    if max(claims.nbf or 0, claims.iat or 0) > now + rules.leeway_s:
        _refuse("the token is not valid yet")
    if claims.type not in {None, "access"}:
        _refuse("the token is not an access token")
    audience = claims.aud if isinstance(claims.aud, list) else [claims.aud]
    if rules.audience and rules.audience not in audience:
        _refuse("the token is for another audience")
    if rules.issuer and rules.issuer != claims.iss:
        _refuse("the token is from another issuer")


if TYPE_CHECKING:  # mypy proves here that the verifier fits the port
    _verifier: type[TokenVerifier] = Hs256Verifier
