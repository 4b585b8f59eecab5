"""UUID version 7: a millisecond timestamp and randomness (RFC 9562, section 5.7)."""

import secrets
from uuid import UUID

_RANDOM_BITS = 74
_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62
_FORM = 0xF << 76 | 0b11 << 62
"""The bits of version and variant."""


def make_uuid7(at_ms: int) -> UUID:
    """Return a fresh UUID of version 7 made at `at_ms`, Unix time in milliseconds."""
    random = secrets.randbits(_RANDOM_BITS)
    high, low = random >> 62, random & ((1 << 62) - 1)
    return UUID(int=((at_ms & (1 << 48) - 1) << 80) | _VERSION | (high << 64) | _VARIANT | low)


def uuid7_time_ms(value: UUID) -> int | None:
    """Return the Unix time in milliseconds inside `value`; None unless it is version 7."""
    number = value.int  # UUID.version is computed in Python code
    return number >> 80 if number & _FORM == _VERSION | _VARIANT else None
