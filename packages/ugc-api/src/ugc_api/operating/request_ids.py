"""The name of a request: in its answer, and in every log line about it."""

import re
from random import SystemRandom

from ugc_core.clock import Clock

HEADER = b"x-request-id"
_SANE = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_COUNT_BITS = 48
_COUNT = (1 << _COUNT_BITS) - 1
_PROCESS_BITS = 12
_random = SystemRandom()


class _Series:
    """Ids of this process: the form of a UUID version 7, from one random start counted up.

    They need to be unique and not secret, and a random number for each would be a system call.
    """

    def __init__(self) -> None:
        self._process = _random.getrandbits(_PROCESS_BITS)
        self._count = _random.getrandbits(_COUNT_BITS)
        self._at_ms = -1
        self._head = b""

    def make(self, at_ms: int) -> bytes:
        if at_ms != self._at_ms:
            time = b"%012x" % (at_ms & ((1 << 48) - 1))
            self._at_ms = at_ms
            self._head = b"%s-%s-7000-8%03x-" % (time[:8], time[8:], self._process)
        self._count += 1
        return b"%s%012x" % (self._head, self._count & _COUNT)


_series = _Series()


def request_id(given: bytes | None, clock: Clock) -> bytes:
    """Return the client's own id if it is fit for headers and log lines, else a new one."""
    if given is not None and _SANE.fullmatch(given):
        return given
    return _series.make(clock.wall_ms())
