"""The comparison of the movielens sittings can fail, and says what differs."""

from datasets.comparison import Comparison


def test_what_is_equal_is_counted_and_no_difference():
    found = Comparison()

    found.equal("reach", 3, 3)
    found.equal("curve", [1, 2], [1, 2], count=2)

    assert (found.numbers, found.differences) == (3, [])


def test_what_differs_is_named_with_both_values():
    found = Comparison()

    found.equal("reach of a film", 3, 4)

    assert found.differences == ["reach of a film: expected 3, found 4"]
