"""What became of every event id, on disk: memory does not grow with the length of the test."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO
from uuid import UUID

from ugc_cli.load_testing.exchanges import ACCEPTED, REFUSED, UNKNOWN, Exchange, Outcome

BUCKETS = 64
"""A viewer's ids are in one of so many files, of which one is looked at at a time."""
_ENTRY_BYTES = 17
_RANKS: Mapping[Outcome, int] = {UNKNOWN: 0, REFUSED: 1, ACCEPTED: 2}
"""An id that was ever accepted stays accepted, whatever a retry was answered."""


class Journal:
    """Event ids and outcomes by bucket; a bucket holds whole viewers."""

    def __init__(self, folder: Path, files: list[IO[bytes]]) -> None:
        """Write to these files of the folder."""
        self._folder = folder
        self._files = files

    @classmethod
    @contextmanager
    def temporary(cls) -> Iterator["Journal"]:
        """Open a journal that is gone at the end."""
        with TemporaryDirectory(prefix="ugc-load-test-") as folder, ExitStack() as stack:
            paths = [Path(folder) / str(number) for number in range(BUCKETS)]
            yield cls(Path(folder), [stack.enter_context(path.open("wb")) for path in paths])

    def note(self, exchange: Exchange) -> None:
        """Write down what became of each report of a request."""
        file = self._files[exchange.viewer % BUCKETS]
        for event_id, outcome in zip(exchange.ids, exchange.outcomes, strict=True):
            file.write(UUID(event_id).bytes + outcome.encode())

    def bucket(self, number: int) -> dict[UUID, Outcome]:
        """Return the ids of one bucket, each with the best that became of it."""
        self._files[number].flush()
        found: dict[UUID, Outcome] = {}
        with (self._folder / str(number)).open("rb") as file:
            while entry := file.read(_ENTRY_BYTES):
                event_id = UUID(bytes=entry[:-1])
                outcome: Outcome = _OUTCOMES[entry[-1:]]
                if _RANKS[outcome] >= _RANKS[found.get(event_id, UNKNOWN)]:
                    found[event_id] = outcome
        return found

    def counts(self) -> Counter[Outcome]:
        """Return how many ids ended how."""
        counted: Counter[Outcome] = Counter()
        for number in range(BUCKETS):
            counted.update(self.bucket(number).values())
        return counted


_OUTCOMES: Mapping[bytes, Outcome] = {outcome.encode(): outcome for outcome in _RANKS}
