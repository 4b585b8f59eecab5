"""Who is asking: bearer tokens (RFC 6750). Called once a request, and so first of all quick."""

from typing import NamedTuple, NoReturn

from fastapi import Request

from ugc_api.auth.cache import Remembered
from ugc_api.auth.counts import AuthCounts
from ugc_api.auth.identity import Identity
from ugc_api.auth.refusals import KeysUnavailableError, Slug, TokenRefusedError
from ugc_api.auth.tokens import TokenVerifier, Verified
from ugc_api.problems import kinds
from ugc_api.problems.problem import ProblemError
from ugc_core.clock import Clock

_AUTHORIZATION = b"authorization"
_SCHEME = b"Bearer "
_REFUSED_MOST = 1000
_REFUSED_S = 1.0
"""So long a flood of one bad token costs no signature; a token that becomes valid waits for it."""
_KEYS_RETRY_S = 1
"""An issuer that is asked for its keys has answered within a second, or is down."""


class _Refusal(NamedTuple):
    """Words, and not the error itself: it would hold the frames, and the request, it met."""

    until_s: float
    slug: Slug
    reason: str


class Bearer:
    """Tells who asks, and knows tokens again.

    What is known of a token ends with its `exp`, and with the key that it was verified with.

    Attributes:
        counts: What happened.
    """

    def __init__(
        self, verifier: TokenVerifier, clock: Clock, *, remembered: int, counts: AuthCounts
    ) -> None:
        """Verify by `verifier`, and remember at most `remembered` tokens."""
        self.counts = counts
        self._verifier = verifier
        self._now = clock.now
        self._wall_ms = clock.wall_ms
        self._seen: Remembered[Verified] = Remembered(remembered)
        self._refused: Remembered[_Refusal] = Remembered(_REFUSED_MOST)
        self._known = self._seen.entries
        verifier.keys.on_change(self._keys_changed)

    def identify(self, header: bytes | None) -> Identity:
        """Return who asks, by the value of the Authorization header.

        Raises:
            ProblemError: There is no token in it, or it is refused, or its key is not here.
        """
        known = self._known.get(header)
        if known is not None and self._wall_ms() < known[0]:
            self.counts.hits += 1
            return known[1]
        return self._verified(header or b"")

    def of(self, request: Request) -> Identity:
        """Return who asks; two Authorization headers say nothing.

        Raises:
            ProblemError: As above.
        """
        found = [value for name, value in request.scope["headers"] if name == _AUTHORIZATION]
        return self.identify(found[0] if len(found) == 1 else None)

    def _verified(self, header: bytes) -> Identity:
        scheme, _, token = header.partition(b" ")
        if scheme.lower() != b"bearer":
            self._missing()
        token = token.strip()
        # Other spellings of the scheme share the entry: one token cannot fill the memory.
        name = _SCHEME + token
        now_ms = self._wall_ms()
        known = self._known.get(name)
        if known is not None and now_ms < known.until_ms:
            self.counts.hits += 1
            return known.identity
        refusal = self._refused.entries.get(name)
        if refusal is not None and self._now() < refusal.until_s:
            self._refuse(refusal.slug, refusal.reason)
        return self._asked(name, token, now_ms)

    def _asked(self, name: bytes, token: bytes, now_ms: int) -> Identity:
        self.counts.misses += 1
        try:
            found = self._verifier.verify(token, now_ms)
        except KeysUnavailableError:
            self._unavailable()
        except TokenRefusedError as error:
            slug, reason = error.slug, error.reason
        else:
            if now_ms < found.until_ms:  # else it lives on leeway
                self._seen.keep(name, found)
            return found.identity
        self._seen.drop(name)
        self._refused.keep(name, _Refusal(self._now() + _REFUSED_S, slug, reason))
        return self._refuse(slug, reason)

    def _missing(self) -> NoReturn:
        self.counts.failed("missing")
        challenge = {"WWW-Authenticate": 'Bearer realm="ugc"'}
        detail = "Send an access token as `Authorization: Bearer <token>`."
        raise ProblemError(kinds.MISSING_TOKEN, detail, headers=challenge)

    def _refuse(self, slug: Slug, reason: str) -> NoReturn:
        self.counts.failed(slug)
        challenge = {
            "WWW-Authenticate": 'Bearer realm="ugc", error="invalid_token",'
            f' error_description="{reason}"'
        }
        raise ProblemError(kinds.INVALID_TOKEN, reason, headers=challenge)

    def _unavailable(self) -> NoReturn:
        self.counts.failed("keys-unavailable")
        detail = "The key of this token is not known yet. Nothing was kept; send it again."
        headers = {"Retry-After": str(_KEYS_RETRY_S)}
        raise ProblemError(kinds.KEYS_UNAVAILABLE, detail, headers=headers) from None

    def _keys_changed(self) -> None:
        """Forget what a removed key has verified, and what a new key may verify."""
        marks = self._verifier.keys.marks
        self._seen.drop_where(lambda found: found.key.mark not in marks)
        self._refused.drop_where(lambda _: True)
