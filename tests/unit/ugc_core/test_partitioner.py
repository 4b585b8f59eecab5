"""Keys go where every Kafka client sends them."""

import pytest

from ugc_core.partitioner import murmur2, partition_for


@pytest.mark.parametrize(
    ("data", "signed"),
    [  # Apache Kafka, UtilsTest.testMurmur2
        (b"21", -973_932_308),
        (b"foobar", -790_332_482),
        (b"a-little-bit-long-string", -985_981_536),
        (b"a-little-bit-longer-string", -1_486_304_829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        (b"abc", 479_470_107),
    ],
)
def test_murmur2_agrees_with_apache_kafka(data, signed):
    assert murmur2(data) == signed % 2**32
    assert partition_for(data, 7) == (signed & 0x7FFFFFFF) % 7


@pytest.mark.parametrize("length", range(9))
def test_every_length_of_tail_has_its_own_hash(length):
    assert len({murmur2(bytes([0xFF]) * length + bytes([last])) for last in range(256)}) == 256


@pytest.mark.parametrize("partitions", [1, 4, 12])
def test_users_spread_over_all_partitions(partitions):
    found = {partition_for(b"user-%d" % n, partitions) for n in range(500)}

    assert found == set(range(partitions))
