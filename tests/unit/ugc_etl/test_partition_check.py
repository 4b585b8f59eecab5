"""The topic's partitions are a multiple of the shards, at the start and when some are added."""

import pytest

from ugc_core.errors import ConfigError
from ugc_etl.partition_check import PartitionCheck


class FakeShards:
    """A cluster of which only the number of shards is known."""

    def __init__(self, shards: int) -> None:
        self._shards = shards

    async def shards(self) -> int:
        return self._shards


class Topic:
    """Counts its partitions, and how often it was asked."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self.asked = 0

    async def count(self) -> int:
        self.asked += 1
        return self.partitions


def check(topic: Topic, *, shards: int) -> PartitionCheck:
    return PartitionCheck(FakeShards(shards), topic.count, cluster="ours")  # type: ignore[arg-type]


async def test_known_partitions_are_not_counted_again():
    topic = Topic(4)
    fits = check(topic, shards=2)
    for partition in (0, 3, 1, 2):
        await fits(partition)

    assert topic.asked == 1


async def test_partitions_that_do_not_fit_are_refused_with_the_number_that_would():
    with pytest.raises(ConfigError, match="UGC_LOG__PARTITIONS=6"):
        await check(Topic(5), shards=2)(0)


async def test_a_partition_that_appears_later_is_looked_at_before_its_rows_are_written():
    topic = Topic(4)
    fits = check(topic, shards=2)
    await fits(0)
    topic.partitions = 6
    await fits(5)
    topic.partitions = 7
    await fits(5)
    with pytest.raises(ConfigError):
        await fits(6)


async def test_on_one_server_any_number_fits():
    await check(Topic(5), shards=1)(4)


async def test_a_topic_that_is_not_there_yet_is_no_mistake():
    await check(Topic(0), shards=2)(0)
