"""Which shard a partition feeds, and which clusters cannot keep that rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ugc_core.errors import ConfigError
from ugc_core.partitioner import murmur2, partition_for
from ugc_core.topology import ClusterRow, Topology, refuse_partitions, topology_of
from ugc_core.urls import Node


def row(shard: int, replica: int, *, weight: int = 1, host: str = "", cluster: str = "ours"):
    return ClusterRow(
        cluster=cluster,
        shard_num=shard,
        shard_weight=weight,
        replica_num=replica,
        host_name=host or f"s{shard}r{replica}",
        port=9000,
    )


FOUR = [row(1, 1), row(1, 2), row(2, 1), row(2, 2)]


def test_shards_and_replicas_stand_in_the_servers_order_whatever_the_rows_order():
    found = topology_of("ours", [*reversed(FOUR), row(1, 1, cluster="another")])

    assert [[node.host for node in replicas] for replicas in found.shards] == [
        ["s1r1", "s1r2"],
        ["s2r1", "s2r2"],
    ]
    assert found.nodes[0] == Node("s1r1", 9000)


def test_a_cluster_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(ConfigError, match=r"no cluster 'other' \(it knows ours\).*\?cluster="):
        topology_of("other", FOUR)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([row(1, 1), row(3, 1)], r"shards \[1, 3\] are not numbered from 1"),
        ([row(1, 1, weight=2), row(2, 1)], r"shards \[1\] have another weight than 1"),
        ([row(1, 1, weight=2), row(2, 1, weight=2)], r"shards \[1, 2\] have another weight"),
        ([row(1, 1, host="a"), row(2, 1, host="a")], "a:9000 is listed more than once"),
    ],
)
def test_a_cluster_that_would_spread_rows_in_another_way_is_refused(rows, reason):
    with pytest.raises(ConfigError, match=reason):
        topology_of("ours", rows)


@given(st.binary(max_size=40), st.integers(1, 8), st.integers(1, 8))
def test_the_shard_of_a_users_partition_is_the_users_shard(key, shards, times):
    """What a Distributed table computes: the hash modulo the shards, as Kafka makes it positive."""
    cluster = Topology(cluster="ours", shards=((Node("a", 1),),) * shards)

    shard = cluster.shard_for(partition_for(key, shards * times))

    assert shard == (murmur2(key) & 0x7FFFFFFF) % shards


@given(st.integers(1, 64), st.integers(1, 8))
def test_partitions_are_a_multiple_of_the_shards_or_the_setting_that_fits_is_named(
    partitions, shards
):
    if partitions % shards == 0:
        refuse_partitions(partitions, shards, cluster="ours")
        return
    with pytest.raises(ConfigError, match=r"set UGC_LOG__PARTITIONS=(\d+)") as refused:
        refuse_partitions(partitions, shards, cluster="ours")

    proposed = int(str(refused.value).rpartition("=")[2])
    assert partitions < proposed < partitions + shards
    refuse_partitions(proposed, shards, cluster="ours")


def test_the_partitions_of_one_shard_start_with_different_replicas():
    cluster = topology_of("ours", FOUR)

    assert [(cluster.shard_for(p), cluster.turn_for(p)) for p in range(4)] == [
        (0, 0),
        (1, 0),
        (0, 1),
        (1, 1),
    ]
