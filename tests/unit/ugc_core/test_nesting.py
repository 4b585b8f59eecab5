"""How deep JSON is nested, told without decoding it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ugc_core.nesting import deeper_than

values = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


def depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@given(values, st.integers(0, 6))
def test_it_is_the_depth_of_the_decoded_value(value, most):
    assert deeper_than(most, json.dumps(value).encode()) is (depth(value) > most)


@pytest.mark.parametrize("text", [b'"[[[["', b'{"a": "\\"[[[["}', b'["{{{{"]'])
def test_brackets_within_strings_do_not_count(text):
    assert not deeper_than(1, text)


def test_many_side_by_side_are_not_deep():
    assert not deeper_than(2, b"[" + b"[]," * 1000 + b"[]]")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("end", [b"", b"\\"], ids=["open", "in an escape"])
def test_a_string_that_does_not_end_is_read_once(end):
    """Not once from each of its quotes: that took minutes of the event loop."""
    text = b"{" * 33 + b'"' + b'\\"' * 120_000 + end

    assert deeper_than(32, text)
    assert not deeper_than(33, text)


@given(st.binary(max_size=40) | st.text(alphabet='{["\\]}a', max_size=40).map(str.encode))
def test_what_is_no_json_has_the_depth_of_its_brackets_outside_of_strings(text):
    depth = most = 0
    inside = escaped = False
    for char in text:
        if inside:
            inside, escaped = escaped or char != ord('"'), not escaped and char == ord("\\")
        elif char == ord('"'):
            inside = True
        else:
            depth += (char in b"{[") - (char in b"]}")
            most = max(most, depth)

    assert deeper_than(most, text) is False
    assert most == 0 or deeper_than(most - 1, text) is True
