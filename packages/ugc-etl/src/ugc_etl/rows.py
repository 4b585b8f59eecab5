"""Events as columns of `views_raw`."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import compress

from msgspec import UNSET, Struct

from ugc_core.events import NIL, Event

_FIRST_WINS = 2**44 - 1
_TIE_BITS = 20
_TIE = (1 << _TIE_BITS) - 1
# ClickHouse refuses an insert into more than 100 table partitions (code 252); rows are
# parted by month, so 48 months at a time leave room.
_MONTHS_MS = 48 * 28 * 86_400_000


class Source(Struct, frozen=True, gc=False):
    """Where an event's line lies in the log, and the version that its record names."""

    offset: int
    line: int
    payload: bytes
    schema_version: str = "1"


class Rows:
    """Rows of one partition, with their sources; can be split without decoding again."""

    __slots__ = ("events", "partition", "sources")

    def __init__(self, partition: int, events: Sequence[Event], sources: Sequence[Source]) -> None:
        """Pair each event with its source."""
        self.partition = partition
        self.events = events
        self.sources = sources

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.events)

    def slice(self, start: int, stop: int) -> "Rows":
        """Return some of the rows."""
        return Rows(self.partition, self.events[start:stop], self.sources[start:stop])

    def only(self, wanted: Sequence[bool]) -> "Rows":
        """Return the rows that are wanted, one by one."""
        return Rows(
            self.partition,
            list(compress(self.events, wanted)),
            list(compress(self.sources, wanted)),
        )

    def spans(self) -> Iterator["Rows"]:
        """Yield the rows in groups that touch few enough table partitions for one insert."""
        times = [event.viewed_at + event.clock_offset_ms for event in self.events]
        if not times or max(times) - min(times) < _MONTHS_MS:
            yield self
            return
        groups: dict[int, list[int]] = {}
        for index, at_ms in enumerate(times):
            groups.setdefault(at_ms // _MONTHS_MS, []).append(index)
        for _, chosen in sorted(groups.items()):
            yield Rows(
                self.partition,
                [self.events[index] for index in chosen],
                [self.sources[index] for index in chosen],
            )

    def columns(self) -> Mapping[str, Sequence[object]]:
        """Return the columns of `views_raw`; times are epoch milliseconds."""
        events, sources = self.events, self.sources
        return {
            "event_id": [e.event_id for e in events],
            "film_id": [e.film_id for e in events],
            "user_id": [e.user_id for e in events],
            "profile_id": [e.profile_id or e.user_id for e in events],
            "session_id": [e.session_id or NIL for e in events],
            "seq": [e.seq for e in events],
            # `to_ms`, written out: three calls a row are a twentieth of what a row costs.
            "progress_ms": [int(e.progress * 1000 + 0.5) for e in events],
            "total_ms": [int(e.total * 1000 + 0.5) for e in events],
            "watched_from_ms": [
                None if (start := e.watched_from) is None else int(start * 1000 + 0.5)
                for e in events
            ],
            "event_time": [e.viewed_at + e.clock_offset_ms for e in events],
            "viewed_at": [e.viewed_at for e in events],
            "clock_offset_ms": [e.clock_offset_ms for e in events],
            "kind": [e.kind or "" for e in events],
            "device": [e.device or "" for e in events],
            "extra": ["" if e.extra is UNSET else bytes(e.extra).decode() for e in events],
            "received_at": [e.received_at for e in events],
            "log_partition": [self.partition] * len(events),
            "log_offset": [s.offset for s in sources],
            "log_line": [s.line for s in sources],
            # `version`, written out for the same reason.
            "version": [
                (_FIRST_WINS - e.received_at) << _TIE_BITS | zlib.crc32(s.payload) & _TIE
                for e, s in zip(events, sources, strict=True)
            ],
        }


def version(received_ms: int, line: bytes) -> int:
    """Return the row's version, a UInt64 that falls as `received_ms` rises.

    Two copies that were accepted in the same millisecond and differ are told apart by their
    bytes, so that the same one wins whatever the order of inserts and merges.
    """
    return (_FIRST_WINS - received_ms) << _TIE_BITS | zlib.crc32(line) & _TIE
