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
