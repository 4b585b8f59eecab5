"""Which appends share a record; the general rules are in tests/properties."""

from ugc_core.packing import Pending, pack

V1 = (("schema_version", b"1"),)


def pending(*lines, partition=0, key=b"a", headers=V1):
    size = sum(map(len, lines)) + len(lines)
    return Pending(partition=partition, key=key, lines=lines, headers=headers, size=size)


def values(items, *, max_lines=100, max_bytes=1000):
    return [found.value for found in pack(items, max_lines=max_lines, max_bytes=max_bytes)]


def test_nothing_makes_no_pack():
    assert values([]) == []


def test_appends_of_one_partition_share_a_record():
    assert values([pending(b"1", b"2"), pending(b"3")]) == [b"1\n2\n3"]


def test_appends_of_two_partitions_do_not():
    assert values([pending(b"1"), pending(b"2", partition=1), pending(b"3")]) == [b"1\n3", b"2"]


def test_appends_with_other_headers_do_not_and_keep_their_order():
    items = [pending(b"1"), pending(b"2", headers=()), pending(b"3")]

    assert values(items) == [b"1", b"2", b"3"]


def test_a_record_of_several_keys_has_none():
    [one_key] = pack([pending(b"1"), pending(b"2")], max_lines=9, max_bytes=99)
    [two_keys] = pack([pending(b"1"), pending(b"2", key=b"b")], max_lines=9, max_bytes=99)

    assert (one_key.key, two_keys.key) == (b"a", None)


def test_a_record_says_how_many_lines_it_has():
    [found] = pack([pending(b"1", b"2"), pending(b"3")], max_lines=9, max_bytes=99)

    assert found.headers == (*V1, ("lines", b"3"))
    assert [first for _, first in found.first_lines()] == [0, 2]


def test_a_record_is_filled_to_its_bounds_and_no_further():
    items = [pending(b"12"), pending(b"34"), pending(b"5")]

    assert values(items, max_lines=3, max_bytes=8) == [b"12\n34\n5"]
    assert values(items, max_lines=2) == [b"12\n34", b"5"]
    assert values(items, max_bytes=7) == [b"12\n34", b"5"]


def test_a_smaller_append_never_overtakes_a_larger_one():
    items = [pending(b"1"), pending(b"x" * 50), pending(b"2")]

    assert values(items, max_bytes=10) == [b"1", b"x" * 50, b"2"]


def test_a_single_append_is_never_split():
    items = [pending(*(b"%d" % n for n in range(20)))]

    assert len(values(items, max_lines=5)) == 1
