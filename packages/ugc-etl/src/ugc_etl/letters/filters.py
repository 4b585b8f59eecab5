"""Which dead letters are meant."""

from msgspec import Struct

from ugc_etl.letters.line_format import place_of
from ugc_etl.letters.resolutions import Resolution
from ugc_etl.ports import DeadLetter


class Letter(Struct, frozen=True, kw_only=True):
    """A dead letter as it lies in its topic.

    Attributes:
        content: The letter.
        at_ms: When it was set aside, Unix milliseconds.
        resolution: What became of it; None while it is open.
    """

    content: DeadLetter
    at_ms: int
    resolution: Resolution | None = None

    @property
    def key(self) -> str:
        """Its name: topic, partition, offset and line."""
        return place_of(self.content).key


class Filters(Struct, frozen=True, kw_only=True):
    """All of these must hold; what is not given holds for every letter.

    Attributes:
        reason: Part of the reason, in any case.
        partition: Partition of the line.
        since_ms: Set aside at this time or later, Unix milliseconds.
        until_ms: Set aside before this time, Unix milliseconds.
        keys: The letters themselves, by key.
    """

    reason: str | None = None
    partition: int | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    keys: frozenset[str] = frozenset()

    @property
    def everything(self) -> bool:
        """Whether no filter is given."""
        return self == Filters()

    def want(self, letter: Letter) -> bool:
        """Say whether a letter is meant."""
        content = letter.content
        return (
            (not self.keys or letter.key in self.keys)
            and (self.reason is None or self.reason.casefold() in content.reason.casefold())
            and (self.partition is None or content.partition == self.partition)
            and (self.since_ms is None or letter.at_ms >= self.since_ms)
            and (self.until_ms is None or letter.at_ms < self.until_ms)
        )
