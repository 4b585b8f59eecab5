"""What the log says should be stored: one pass over it, for a share of the event ids."""

import struct
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

import msgspec
from msgspec import Struct

from ugc_core.codec import decode_line, decode_lines, is_erasure, schema_version, split_lines
from ugc_core.errors import MalformedLineError
from ugc_core.events import Event
from ugc_core.log import Receipt, Record
from ugc_etl.erasures import ErasedUsers
from ugc_etl.rows import version
from ugc_etl.verification.fingerprints import bucket_of, digest_of, identity_of

_PACKED = struct.Struct(">QQHQI")
BYTES_EACH = 280
"""Memory of one held identity: its 64 bytes, what is packed beside it, and the dictionary."""


class Copy(NamedTuple):
    """One accepted copy of a report. The greatest one wins: it was accepted first."""

    version: int
    digest: int
    partition: int
    offset: int
    line: int

    @property
    def receipt(self) -> str:
        """Where it lies, as `ugc trace` takes it."""
        return f"{self.partition}:{self.offset}:{self.line}"


class DeadLine(NamedTuple):
    """A line that is no report."""

    receipt: Receipt
    payload: bytes
    reason: str


class _EventId(Struct):
    """The one field that says whether a line is this pass's."""

    event_id: UUID


_ids = msgspec.json.Decoder(_EventId)


@dataclass(kw_only=True)
class Copies:
    """The copies of one pass.

    Attributes:
        share: Which buckets are of this pass: those with this rest when divided by `of`.
        of: How many passes there are.
        erased: Users whose reports are dropped.
        buried: Where the dead letters come from.
        first: Of each identity the copy that wins, packed.
        others: Copies with other content than the winner's, of the identities that have such.
        dead_lines: How many lines are no report.
        unburied: Those of them that are not among the dead letters.
        lines: Lines of this pass that are to be stored, repeated copies included.
        hidden: Lines of this pass that are dropped because their user is erased.
    """

    share: int
    of: int
    erased: ErasedUsers
    buried: Container[tuple[int, int, int]] = frozenset()
    first: dict[bytes, bytes] = field(default_factory=dict)
    others: dict[bytes, set[bytes]] = field(default_factory=dict)
    dead_lines: int = 0
    unburied: list[DeadLine] = field(default_factory=list)
    lines: int = 0
    hidden: int = 0

    def take(self, record: Record) -> None:
        """Take this pass's lines out of a record."""
        if is_erasure(record.headers):
            return
        lines = split_lines(record.value)
        wanted = self._wanted(record, lines)
        if wanted is None:
            self._take_slowly(record, lines)
            return
        for number in wanted:
            try:
                self._keep(decode_line(lines[number]), record, number, lines[number])
            except MalformedLineError as error:
                self._bury(record, number, lines[number], error)

    def _wanted(self, record: Record, lines: list[bytes]) -> list[int] | None:
        """Return the numbers of this pass's lines; None where a quick look cannot tell.

        As in `decode_lines`: a stream of as many values as lines has one value a line only if
        none can span two.
        """
        with suppress(MalformedLineError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            if schema_version(record.headers) == 0:
                return None
            if record.value.count(b"}\n{") != len(lines) - 1:
                return None
            found = _ids.decode_lines(record.value)
            if len(found) == len(lines):
                return [n for n, line in enumerate(found) if self._ours(line.event_id)]
        return None

    def _take_slowly(self, record: Record, lines: list[bytes]) -> None:
        """Decode every line; those that are no report are the first pass's."""
        decoded = decode_lines(record.value, record.headers)
        for number, (line, found) in enumerate(zip(lines, decoded, strict=True)):
            if isinstance(found, MalformedLineError):
                if self.share == 0:
                    self._bury(record, number, line, found)
            elif self._ours(found.event_id):
                self._keep(found, record, number, line)

    def _ours(self, event_id: UUID) -> bool:
        return self.of == 1 or bucket_of(event_id) % self.of == self.share

    def _keep(self, event: Event, record: Record, number: int, line: bytes) -> None:
        if self.erased and self.erased.hides(
            event, partition=record.partition, offset=record.offset
        ):
            self.hidden += 1
            return
        self.lines += 1
        identity = identity_of(event)
        digest = digest_of(identity, event)
        place = (record.partition, record.offset, number)
        packed = _PACKED.pack(version(event.received_at, line), digest, *place)
        before = self.first.setdefault(identity, packed)
        if before is packed:
            return
        won = unpack(before).version < unpack(packed).version
        if won:
            self.first[identity] = packed
        if unpack(before).digest != digest:
            self.others.setdefault(identity, set()).add(before if won else packed)

    def _bury(self, record: Record, number: int, line: bytes, error: MalformedLineError) -> None:
        receipt = Receipt(partition=record.partition, offset=record.offset, line=number)
        self.dead_lines += 1
        if (receipt.partition, receipt.offset, receipt.line) not in self.buried:
            self.unburied.append(DeadLine(receipt, line, error.reason))

    def conflicts(self) -> Iterator[tuple[bytes, list[Copy]]]:
        """Yield the identities with copies of other content, the winner first."""
        for identity, packed in self.others.items():
            winner = unpack(self.first[identity])
            yield identity, [winner, *map(unpack, sorted(packed, reverse=True))]


def unpack(packed: bytes) -> Copy:
    """Return what was packed."""
    return Copy(*_PACKED.unpack(packed))


def passes(lines: int, *, at_once: int) -> int:
    """Return how many passes hold at most about `at_once` identities each."""
    return max(-(-lines // at_once), 1)


def only(copies: Mapping[bytes, bytes], wanted: Callable[[bytes], bool]) -> dict[bytes, Copy]:
    """Return some of the winners, unpacked."""
    return {identity: unpack(packed) for identity, packed in copies.items() if wanted(identity)}
