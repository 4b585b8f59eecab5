"""The name of a request: in its answer, and in every log line about it."""

import re
from random import SystemRandom

from ugc_core.clock import Clock

HEADER = b"x-request-id"
_SANE = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_RANDOM_BITS = 60
_VARIANT = 0x8 << _RANDOM_BITS
_random = SystemRandom()


class _Series:
    """Ids of this process: the form of a UUID version 7, from one random start counted up.

    They need to be unique and not secret, and a random number for each would be a system call.
    """

    def __init__(self) -> None:
        self._next = _random.getrandbits(_RANDOM_BITS)

    def make(self, at_ms: int) -> bytes:
        self._next = (self._next + 1) & ((1 << _RANDOM_BITS) - 1)
        low = b"%016x" % (_VARIANT | self._next)
        high = b"%012x" % (at_ms & ((1 << 48) - 1))
        return b"%s-%s-7000-%s-%s" % (high[:8], high[8:], low[:4], low[4:])


_series = _Series()


def request_id(given: bytes | None, clock: Clock) -> bytes:
    """Return the client's own id if it is fit for headers and log lines, else a new one."""
    if given is not None and _SANE.fullmatch(given):
        return given
    return _series.make(clock.wall_ms())
