"""UUID version 8 made of content (RFC 9562, section 5.8): the same content, the same id."""

import hashlib
from uuid import UUID

_VERSION = 0x8
_VARIANT = 0b10


def make_uuid8(content: bytes) -> UUID:
    """Return the id of `content`: the start of its SHA-256, with version and variant set."""
    number = int.from_bytes(hashlib.sha256(content).digest()[:16], "big")
    number = number & ~(0xF << 76) | _VERSION << 76
    number = number & ~(0b11 << 62) | _VARIANT << 62
    return UUID(int=number)
