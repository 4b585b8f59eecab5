"""Which nodes a cluster has, and which of them take a partition's rows: pure decisions.

One partition feeds one shard. With P partitions and S shards, a user's partition is
murmur2(user) mod P and the user's shard murmur2(user) mod S, as the Distributed tables have
it; because P is a multiple of S, that shard is the partition mod S.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from ugc_core.errors import ConfigError
from ugc_core.urls import Node


class ClusterRow(Struct, frozen=True, kw_only=True):
    """A row of `system.clusters`.

    Attributes:
        cluster: Name of its cluster.
        shard_num: Its shard, from 1.
        shard_weight: Share of the rows that a Distributed table gives to the shard.
        replica_num: Its place among the shard's replicas, from 1.
        host_name: Where the node is.
        port: Port of the native protocol.
    """

    cluster: str
    shard_num: int
    shard_weight: int
    replica_num: int
    host_name: str
    port: int


class Topology(Struct, frozen=True, kw_only=True):
    """The shards of a cluster, in the order in which Distributed tables number them.

    Attributes:
        cluster: Name of the cluster.
        shards: The replicas of each shard.
    """

    cluster: str
    shards: tuple[tuple[Node, ...], ...]

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Every node."""
        return tuple(node for replicas in self.shards for node in replicas)

    def shard_for(self, partition: int) -> int:
        """Return the number of the shard, from 0, that a partition of the log feeds."""
        return partition % len(self.shards)

    def turn_for(self, partition: int) -> int:
        """Return which replica a partition starts with: a shard's partitions take turns."""
        return partition // len(self.shards)


def topology_of(cluster: str, rows: Iterable[ClusterRow]) -> Topology:
    """Read the shards of a cluster.

    Raises:
        ConfigError: There is no such cluster, or one whose rows would not go where we say.
    """
    every = [*rows]
    ours = sorted(
        (row for row in every if row.cluster == cluster),
        key=lambda row: (row.shard_num, row.replica_num),
    )
    if not ours:
        known = ", ".join(sorted({row.cluster for row in every})) or "none"
        msg = (
            f"the server knows no cluster {cluster!r} (it knows {known}): correct ?cluster= in"
            " UGC_WAREHOUSE__URL, or add the cluster to the server's remote_servers"
        )
        raise ConfigError(msg)
    shards: dict[int, list[Node]] = {}
    for row in ours:
        shards.setdefault(row.shard_num, []).append(Node(row.host_name, row.port))
    _refuse_odd(cluster, ours, shards)
    return Topology(cluster=cluster, shards=tuple(map(tuple, shards.values())))


def refuse_partitions(partitions: int, shards: int, *, cluster: str) -> None:
    """Hold the log's partitions to a multiple of the shards.

    Raises:
        ConfigError: One partition would feed several shards.
    """
    if partitions % shards:
        above = partitions + shards - partitions % shards
        msg = (
            f"log.partitions is {partitions}, and cluster {cluster} has {shards} shards: one"
            " partition must feed one shard, so partitions are a multiple of the shards; set"
            f" UGC_LOG__PARTITIONS={above}"
        )
        raise ConfigError(msg)


def _refuse_odd(cluster: str, rows: Sequence[ClusterRow], shards: dict[int, list[Node]]) -> None:
    """Refuse what a Distributed table would spread in another way than partitions do."""
    where = f"cluster {cluster} in the servers' remote_servers"
    if [*shards] != [*range(1, len(shards) + 1)]:
        msg = f"{where}: shards {[*shards]} are not numbered from 1: a shard has no replica"
        raise ConfigError(msg)
    if uneven := sorted({row.shard_num for row in rows if row.shard_weight != 1}):
        msg = (
            f"{where}: shards {uneven} have another weight than 1; a user's rows would lie on"
            " another shard than the one that the user's partition feeds: remove the weights"
        )
        raise ConfigError(msg)
    nodes = [node for replicas in shards.values() for node in replicas]
    if twice := sorted({str(node) for node in nodes if nodes.count(node) > 1}):
        msg = f"{where}: {', '.join(twice)} is listed more than once"
        raise ConfigError(msg)
