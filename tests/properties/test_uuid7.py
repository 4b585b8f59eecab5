"""UUIDs of version 7 carry their time."""

from uuid import RFC_4122

from hypothesis import given, settings
from hypothesis import strategies as st

from ugc_core.uuid7 import make_uuid7, uuid7_time_ms

at_ms = st.integers(0, 2**48 - 1)


@settings(max_examples=200, deadline=None)
@given(at_ms=at_ms)
def test_the_time_comes_back(at_ms):
    value = make_uuid7(at_ms)

    assert uuid7_time_ms(value) == at_ms
    assert value.version == 7
    assert value.variant == RFC_4122


@settings(max_examples=200, deadline=None)
@given(earlier=at_ms, later=at_ms)
def test_later_ones_sort_behind(earlier, later):
    if earlier < later:
        assert make_uuid7(earlier) < make_uuid7(later)


@settings(max_examples=200, deadline=None)
@given(value=st.uuids())
def test_another_version_has_no_time(value):
    if value.version != 7:
        assert uuid7_time_ms(value) is None


def test_no_two_of_one_millisecond_are_equal():
    assert len({make_uuid7(5) for _ in range(10_000)}) == 10_000
