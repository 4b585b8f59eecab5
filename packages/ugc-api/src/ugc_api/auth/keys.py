"""A key and the algorithms that it may be used with: the token has no say in it (RFC 8725, 3.1)."""

from typing import Final

from jwt.algorithms import Algorithm, get_default_algorithms
from msgspec import Struct

from ugc_core.setting_types import TokenAlgorithm

HS256: Final = "HS256"
_SUPPORTED: tuple[TokenAlgorithm, ...] = (HS256, "RS256", "PS256", "ES256", "EdDSA")
ALGORITHMS: Final = frozenset[str](_SUPPORTED)
"""All that is ever verified. HS256 belongs to the shared secret, the others to public keys."""
PUBLIC: Final = ALGORITHMS - {HS256}
_BY_NAME: Final[dict[str, Algorithm]] = {
    name: algorithm for name, algorithm in get_default_algorithms().items() if name in ALGORITHMS
}


class Key(Struct, frozen=True, kw_only=True):
    """What signatures are verified with.

    Attributes:
        kid: Its name, if the issuer gave it one.
        algorithms: All that it may be used with, from its type, curve and `alg`.
        mark: Tells it from every other key; the same for the same key read again.
        material: The secret, or the public key.
    """

    kid: str | None
    algorithms: frozenset[str]
    mark: str
    material: object

    def verifies(self, algorithm: str, signed: bytes, signature: bytes) -> bool:
        """Say whether the signature is this key's."""
        return algorithm in self.algorithms and _BY_NAME[algorithm].verify(
            signed, self.material, signature
        )
