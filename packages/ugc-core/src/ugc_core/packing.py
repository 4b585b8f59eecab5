"""Packs: concurrent appends of one partition share a record.

A record costs the producer, the broker and the consumer about the same whether it holds one
line or a hundred, so a writer under load joins what waits anyway.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, TypeVar

from msgspec import Struct

from ugc_core.log import Headers


class Pending(Struct, kw_only=True, eq=False):
    """One append that waits to be written.

    Attributes:
        partition: Where its key goes.
        key: Whose lines these are.
        lines: The lines, without line feeds.
        headers: Headers of its record.
        size: Bytes of the lines with their line feeds.
    """

    partition: int
    key: bytes
    lines: Sequence[bytes]
    headers: Headers
    size: int


P = TypeVar("P", bound=Pending)


class Pack(Struct, Generic[P], kw_only=True, eq=False):
    """One record to write, and the appends in it, in order."""

    first: P
    members: list[P]
    lines: int
    size: int

    @property
    def partition(self) -> int:
        """The partition of every member."""
        return self.first.partition

    @property
    def key(self) -> bytes | None:
        """The key of the record: the members' common one, or None."""
        key = self.first.key
        return key if all(member.key == key for member in self.members) else None

    @property
    def headers(self) -> Headers:
        """The members' headers, and how many lines there are."""
        return (*self.first.headers, ("lines", str(self.lines).encode()))

    @property
    def value(self) -> bytes:
        """Every line, joined by line feeds."""
        return b"\n".join([line for member in self.members for line in member.lines])

    def first_lines(self) -> Iterator[tuple[P, int]]:
        """Yield each member and the number of its first line."""
        line = 0
        for member in self.members:
            yield member, line
            line += len(member.lines)


def pack(pending: Iterable[P], *, max_lines: int, max_bytes: int) -> list[Pack[P]]:
    """Join appends of equal partition and headers, without changing a partition's order.

    An append that is larger than the bounds alone gets a pack of its own: bounds are for
    joining, a single call is never split.
    """
    packs: list[Pack[P]] = []
    open_packs: dict[int, Pack[P]] = {}
    for item in pending:
        current = open_packs.get(item.partition)
        if current is not None and _fits(current, item, max_lines, max_bytes):
            current.members.append(item)
            current.lines += len(item.lines)
            current.size += item.size
        else:
            current = Pack(first=item, members=[item], lines=len(item.lines), size=item.size)
            open_packs[item.partition] = current
            packs.append(current)
    return packs


def _fits(current: Pack[P], item: P, max_lines: int, max_bytes: int) -> bool:
    return (
        current.first.headers == item.headers
        and current.lines + len(item.lines) <= max_lines
        and current.size + item.size <= max_bytes
    )
