"""Packs hold every line once, in order, within their bounds."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ugc_core.codec import split_lines
from ugc_core.packing import Pending, pack

headers = st.sampled_from([(), (("schema_version", b"1"),), (("traceparent", b"x"),)])
line = st.binary(min_size=1, max_size=12).map(lambda raw: raw.replace(b"\n", b"-"))


@st.composite
def pendings(draw):
    found = []
    for _ in range(draw(st.integers(0, 30))):
        lines = draw(st.lists(line, min_size=1, max_size=4))
        found.append(
            Pending(
                partition=draw(st.integers(0, 2)),
                key=draw(st.sampled_from([b"a", b"b"])),
                lines=lines,
                headers=draw(headers),
                size=sum(map(len, lines)) + len(lines),
            )
        )
    return found


bounds = st.tuples(st.integers(1, 12), st.integers(1, 80))


def packed(pending, limits):
    return pack(pending, max_lines=limits[0], max_bytes=limits[1])


@settings(max_examples=200, deadline=None)
@given(pending=pendings(), limits=bounds)
def test_every_append_is_in_one_pack_and_its_partition_keeps_its_order(pending, limits):
    packs = packed(pending, limits)

    for partition in range(3):
        members = [m for p in packs if p.partition == partition for m in p.members]
        assert members == [item for item in pending if item.partition == partition]


@settings(max_examples=200, deadline=None)
@given(pending=pendings(), limits=bounds)
def test_only_a_single_append_exceeds_the_bounds(pending, limits):
    max_lines, max_bytes = limits
    for found in packed(pending, limits):
        assert found.lines == sum(len(member.lines) for member in found.members)
        assert found.size == sum(member.size for member in found.members)
        if len(found.members) > 1:
            assert found.lines <= max_lines
            assert found.size <= max_bytes


@settings(max_examples=200, deadline=None)
@given(pending=pendings(), limits=bounds)
def test_a_record_says_what_all_of_its_appends_say(pending, limits):
    for found in packed(pending, limits):
        keys = {member.key for member in found.members}
        assert found.key == (keys.pop() if len(keys) == 1 else None)
        assert {member.headers for member in found.members} == {found.headers[:-1]}
        assert found.headers[-1] == ("lines", b"%d" % found.lines)


@settings(max_examples=200, deadline=None)
@given(pending=pendings(), limits=bounds)
def test_first_lines_leads_to_each_append(pending, limits):
    for found in packed(pending, limits):
        lines = split_lines(found.value)
        assert len(lines) == found.lines
        for member, first in found.first_lines():
            assert lines[first : first + len(member.lines)] == member.lines
