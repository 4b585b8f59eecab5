"""Which requests are traced: a share of all, and of those that ask for it no more than so many.

A `traceparent` comes from the public internet. That it says "sampled" is a wish: everybody can say
so in every request. Up to a rate it is granted; beyond, the request is treated like any other.
"""

import re
from collections.abc import Callable
from random import random

from msgspec import Struct

from ugc_core.allowance import Allowance

_FORM = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_LONGEST = 256
_SAMPLED = 1


class Parent(Struct, frozen=True, kw_only=True):
    """The span of somebody else that a request continues (W3C Trace Context).

    Attributes:
        trace_id: Of the whole trace.
        span_id: Of that span.
        sampled: Whether they trace it.
    """

    trace_id: int
    span_id: int
    sampled: bool

    def __bytes__(self) -> bytes:
        """Return it as a header's value."""
        return b"00-%032x-%016x-%02x" % (self.trace_id, self.span_id, self.sampled)


def parse_parent(value: bytes) -> Parent | None:
    """Return what a `traceparent` says, None if it says nothing that can be used."""
    found = _FORM.fullmatch(value) if len(value) <= _LONGEST else None
    if found is None or found[1] == b"ff" or (found[1] == b"00" and found[5] is not None):
        return None
    trace_id, span_id = int(found[2], 16), int(found[3], 16)
    if not trace_id or not span_id:
        return None
    return Parent(trace_id=trace_id, span_id=span_id, sampled=bool(int(found[4], 16) & _SAMPLED))


class Sampling:
    """Decides for one request after the other."""

    def __init__(
        self, ratio: float, wished: Allowance, *, random: Callable[[], float] = random
    ) -> None:
        """Take a share of all, and wishes as far as the allowance goes."""
        self._ratio = ratio
        self._wished = wished
        self._random = random

    def takes(self, parent: Parent | None) -> bool:
        """Say whether a request is traced; a caller who does not trace it decides for us, too."""
        if parent is not None:
            if not parent.sampled:
                return False
            if self._wished.take():
                return True
        return self._random() < self._ratio
