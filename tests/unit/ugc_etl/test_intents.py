"""The next batch's range, kept as metadata of the commit before it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ugc_core.log import MAX_METADATA_BYTES, Commit
from ugc_etl.intents import intent_of, with_intent
from ugc_etl.ports import Range

offsets = st.integers(0, 2**63 - 1)


@given(st.lists(offsets, min_size=3, max_size=3).map(sorted))
def test_what_is_announced_is_read_back(numbers):
    offset, first, last = numbers
    span = Range(first=first, last=last)

    commit = with_intent(offset, span)

    assert commit.offset == offset
    assert len(commit.metadata.encode()) <= MAX_METADATA_BYTES
    assert intent_of(commit) == span


@given(offsets)
def test_a_commit_without_a_successor_announces_nothing(offset):
    assert intent_of(with_intent(offset, None)) is None


@pytest.mark.parametrize(
    "note",
    [
        "",
        "made by another consumer",
        "intent=",
        "intent=5",
        "intent=5-",
        "intent=-5-7",
        "intent=5-7 ",
        " intent=5-7",
        "intent=5-7\nintent=8-9",
        "INTENT=5-7",
        "intent=0x5-0x7",
        "intent=5-99999999999999999999",
    ],
)
def test_metadata_that_is_not_ours_announces_nothing(note):
    assert intent_of(Commit(offset=5, metadata=note)) is None


@pytest.mark.parametrize("note", ["intent=4-7", "intent=7-6"])
def test_a_range_that_cannot_follow_the_commit_announces_nothing(note):
    assert intent_of(Commit(offset=5, metadata=note)) is None


@given(st.text(), offsets)
def test_no_metadata_whatsoever_is_an_error(note, offset):
    found = intent_of(Commit(offset=offset, metadata=note))

    assert found is None or offset <= found.first <= found.last
