"""Which replica to ask next, and when a failed one gets another chance: pure decisions."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from ugc_core.backoff import Backoff
from ugc_core.urls import Node


class _Failure(Struct, frozen=True, kw_only=True):
    """A node that failed `count` times in a row is left alone until `until`, in seconds."""

    count: int
    until: float


class ReplicaHealth:
    """Remembers who failed. A failed node counts as dead until it has answered again.

    Its cool-down doubles with every failure, is capped and jittered; when it is over, the
    node is due for a question that nobody waits for.
    """

    def __init__(self, cool_down: Backoff) -> None:
        """Think well of everyone."""
        self._cool_down = cool_down
        self._failures: dict[Node, _Failure] = {}

    def failed(self, node: Node, *, now: float) -> None:
        """Note a failure."""
        before = self._failures.get(node)
        count = before.count + 1 if before else 1
        self._failures[node] = _Failure(count=count, until=now + self._cool_down.wait_s(count))

    def answered(self, node: Node) -> None:
        """Note that it works."""
        self._failures.pop(node, None)

    def living(self, nodes: Iterable[Node]) -> int:
        """Count those that have not failed since they last answered."""
        return sum(node not in self._failures for node in nodes)

    def due(self, nodes: Iterable[Node], *, now: float) -> list[Node]:
        """Return the failed ones whose cool-down is over."""
        return [
            node for node in nodes if node in self._failures and self._failures[node].until <= now
        ]

    def order(self, nodes: Sequence[Node], *, turn: int = 0) -> list[Node]:
        """Return whom to ask one after the other.

        The living come first, beginning with the one whose turn it is; the dead follow, the
        one whose cool-down ends first before the others: they are better than nobody.
        """
        first = turn % len(nodes) if nodes else 0
        turned = [*nodes[first:], *nodes[:first]]
        return sorted(turned, key=self._rank)  # stable: the living keep their turn

    def _rank(self, node: Node) -> float:
        failure = self._failures.get(node)
        return failure.until if failure else float("-inf")


def quorum(replicas: int, living: int, *, wanted: int) -> int:
    """Return how many replicas must hold an insert before it counts.

    Args:
        replicas: Replicas of the shard.
        living: Those that have not failed lately.
        wanted: What the settings say: a number, or 0 for a majority as long as one lives; with
            fewer, all that are left.
    """
    if wanted:
        return wanted
    majority = replicas // 2 + 1
    return max(1, min(majority, living))
