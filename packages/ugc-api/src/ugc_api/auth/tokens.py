"""Whose token it is: JSON Web Tokens by the advice of RFC 8725."""

from collections.abc import Callable
from typing import NamedTuple

from ugc_api.auth.claims import check_claims, identity_of, read_claims
from ugc_api.auth.compact import Compact, read
from ugc_api.auth.identity import Identity
from ugc_api.auth.keyring import Keyring
from ugc_api.auth.keys import HS256, Key
from ugc_api.auth.refusals import KeysUnavailableError, refuse
from ugc_core.api_settings import AuthSection


class Verified(NamedTuple):
    """A token that proves something.

    Attributes:
        until_ms: Its end, epoch milliseconds.
        identity: Its owner.
        key: The key that it was signed with.
    """

    until_ms: int
    identity: Identity
    key: Key


class TokenVerifier:
    """Verifies tokens. Keys are at hand: it waits for nothing.

    Attributes:
        keys: The keys that count now.
    """

    def __init__(
        self,
        keys: Keyring,
        *,
        rules: AuthSection,
        algorithms: frozenset[str],
        ask: Callable[[], bool] | None = None,
    ) -> None:
        """Verify by these keys.

        Args:
            keys: The keys.
            rules: What a token has to say.
            algorithms: What may be verified, whether or not its keys are here yet.
            ask: Called when a token may be signed with a key that is not here. Has the keys
                read anew, and says whether an answer is still to come.
        """
        self.keys = keys
        self._rules = rules
        self._algorithms = algorithms
        self._ask = ask

    def verify(self, token: bytes, now_ms: int) -> Verified:
        """Check form, header, signature and claims, in this order.

        Raises:
            TokenRefusedError: It is no valid access token.
            KeysUnavailableError: Its key is not here, and may come.
        """
        found = read(token)
        key = self._key(found)
        claims = read_claims(found.claims)
        check_claims(claims, self._rules, now_ms / 1000)
        return Verified(int(claims.exp * 1000), identity_of(claims), key)

    def _key(self, token: Compact) -> Key:
        """Return the key that the signature was made with."""
        algorithm, kid = token.algorithm, token.kid
        if algorithm not in self._algorithms:
            refuse("algorithm", "the token's algorithm, and so its signature, is not accepted here")
        for key in self.keys.fitting(algorithm, kid):
            if key.verifies(algorithm, token.signed, token.signature):
                return key
        if algorithm == HS256 or self.keys.names(kid):
            refuse("signature", "the token's form or signature is wrong")
        if self._ask is not None and self._ask():  # its key may have been published since
            raise KeysUnavailableError
        return refuse("unknown-key", "the token's signature is of a key that is not known")
