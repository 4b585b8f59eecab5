"""What a replay has counted."""

from msgspec import Struct


class Tally(Struct, kw_only=True):
    """Counts of one run; lines = events + dead + erased.

    Attributes:
        records: Records that were read.
        lines: Their lines; of dead letters, those that are open.
        events: Lines that are reports.
        already: Of these, how many the warehouse has already; counted by dry runs alone.
        dead: Lines that are no reports, or that the warehouse refuses.
        erased: Lines of users that are to be forgotten.
        offsets: Offsets that are done with, of those that were to be read.
    """

    records: int = 0
    lines: int = 0
    events: int = 0
    already: int = 0
    dead: int = 0
    erased: int = 0
    offsets: int = 0

    def add(self, other: "Tally") -> None:
        """Add what a batch has."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
