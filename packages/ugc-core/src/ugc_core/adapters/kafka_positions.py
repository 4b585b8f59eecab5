"""Where a reader is in each partition that it holds, and what it need not read again."""

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from ugc_core.log import Commit


@dataclass(kw_only=True)
class _Place:
    """One partition.

    Attributes:
        lease: Under which ownership we hold it.
        at: Where reading goes on.
        seen: The offset after the last record that was handed out, or where reading began.
        commit: What the group has committed, as far as we know.
    """

    lease: int
    at: int
    seen: int
    commit: Commit | None


class Positions:
    """The partitions of one reader.

    Marks of transactions and aborted records occupy offsets, and nobody is ever given them. A
    commit that waited before such offsets for the next record would be out of range, as if
    records had gone unread, once retention has taken what it points to. So it moves on.
    """

    def __init__(self) -> None:
        """Hold nothing."""
        self._places: dict[int, _Place] = {}

    @property
    def all(self) -> Mapping[int, int]:
        """Where each partition is read on."""
        return {partition: place.at for partition, place in self._places.items()}

    def held(self, leases: Mapping[int, int] | None = None) -> frozenset[int]:
        """Return the partitions that are here, or those of them whose lease still stands."""
        return frozenset(
            partition
            for partition, place in self._places.items()
            if leases is None or leases.get(partition) == place.lease
        )

    def start(self, partition: int, offset: int, *, lease: int, commit: Commit | None) -> None:
        """Begin to read a partition, or go on elsewhere in it."""
        before = self._places.get(partition)
        known = commit or (before.commit if before else None)
        self._places[partition] = _Place(lease=lease, at=offset, seen=offset, commit=known)

    def drop(self, partition: int) -> None:
        """Forget a partition."""
        del self._places[partition]

    def handed_out(self, partition: int, following: int) -> None:
        """Note that records were handed out up to, not including, an offset."""
        place = self._places[partition]
        place.at = place.seen = following

    def stepped_over(self, partition: int, following: int) -> None:
        """Note that there is no record from where reading stood up to an offset."""
        place = self._places[partition]
        place.at = max(place.at, following)

    def committed(self, partition: int, commit: Commit) -> None:
        """Note what the group has committed."""
        self._places[partition].commit = commit

    def overtaken(self) -> Mapping[int, Commit]:
        """Return the commits that no record keeps where they are, moved on, with their notes.

        Where the group has none there is nothing to move: what it has not read of such a
        partition is for others to judge.
        """
        return {
            partition: replace(place.commit, offset=place.at)
            for partition, place in self._places.items()
            if place.commit is not None and place.seen <= place.commit.offset < place.at
        }
