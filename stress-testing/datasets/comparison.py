"""What was compared with the oracle, and what differed."""

from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Comparison:
    """What was compared, and what differed.

    Attributes:
        differences: Each one in words.
        numbers: How many numbers were compared.
        films: How many films.
        viewers: How many viewers.
        points: How many resume points.
        buckets: How many buckets of retention curves.
        reports: How many reports, once each.
    """

    differences: list[str] = field(default_factory=list)
    numbers: int = 0
    films: int = 0
    viewers: int = 0
    points: int = 0
    buckets: int = 0
    reports: int = 0

    def equal(self, what: str, want: object, have: object, *, count: int = 1) -> None:
        """Compare one number, or a list of `count` of them."""
        self.numbers += count
        if want != have:
            self.differences.append(f"{what}: expected {want!r:.200}, found {have!r:.200}")
