"""Tokens by the header that they came in, with a bound on their number and their bytes."""

from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")
_TYPICAL_BYTES = 1024


class Remembered(Generic[Value]):
    """The latest entries; the oldest make room.

    Attributes:
        entries: What is remembered, for a lookup without a call.
    """

    def __init__(self, most: int) -> None:
        """Remember nothing yet; `most` entries, and a kilobyte for each of them on average."""
        self.entries: dict[bytes | None, Value] = {}
        self._most = most
        self._most_bytes = most * _TYPICAL_BYTES
        self._bytes = 0

    def keep(self, name: bytes, value: Value) -> None:
        """Remember an entry."""
        self.drop(name)
        while self.entries and (
            len(self.entries) >= self._most or self._bytes + len(name) > self._most_bytes
        ):
            self.drop(next(iter(self.entries)))
        if len(name) <= self._most_bytes:
            self.entries[name] = value
            self._bytes += len(name)

    def drop(self, name: bytes | None) -> None:
        """Forget an entry, if it is there."""
        if self.entries.pop(name, None) is not None:
            self._bytes -= len(name or b"")

    def drop_where(self, ended: Callable[[Value], bool]) -> None:
        """Forget every entry of which `ended` says so."""
        for name in [name for name, value in self.entries.items() if ended(value)]:
            self.drop(name)
