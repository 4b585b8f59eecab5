"""What a consumer group has given us, followed through its rebalances.

aiokafka gives every partition up and takes the new ones in one step, beside us. A lease tells
two ownerships of one partition apart: a partition that we held without a break keeps its
lease, one that may have been another member's meanwhile gets a new one.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import Protocol

from aiokafka import ConsumerRebalanceListener, TopicPartition

_leases = count(1)


class Member(Protocol):
    """Who we are in the group just now."""

    generation: int
    member_id: str


class Membership(ConsumerRebalanceListener):  # type: ignore[misc]  # theirs has no types
    """Told by a consumer of what it gives up and takes.

    Attributes:
        leases: By partition that is ours, which ownership of it this is.
        since: When the group began to share out anew, on the loop's clock; None while all
            is settled.
        known_as: The generation in which we were given them, and our name in it. aiokafka
            has the next generation's before it has heard what is ours in that one.
    """

    def __init__(
        self,
        now: Callable[[], float],
        member: Callable[[], Member],
        on_given: Callable[[Mapping[int, bool]], None],
    ) -> None:
        """Hold nothing yet.

        Args:
            now: The loop's clock.
            member: Says who we are.
            on_given: Told, before any record is read, of every partition that is ours, and
                whether it was ours all the time.
        """
        self.leases: dict[int, int] = {}
        self.since: float | None = now()
        self._now = now
        self._member = member
        self._on_given = on_given
        self.known_as: tuple[int, str] = (0, "")

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:  # noqa: ARG002 - aiokafka's own signature
        """Note that the group shares out anew; until it has, nobody else has our partitions."""
        self.since = self._now()

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Take over what is ours now."""
        member = self._member()
        generation, name = self.known_as
        # A member that missed a generation is thrown out and comes back under a new name.
        unbroken = (member.generation, member.member_id) == (generation + 1, name)
        self.known_as = (member.generation, member.member_id)
        ours = sorted(place.partition for place in assigned)
        kept = {p: unbroken and p in self.leases for p in ours}
        self.leases = {p: self.leases[p] if kept[p] else next(_leases) for p in ours}
        self.since = None
        self._on_given(kept)
