"""What a move of the pipeline's group skips and repeats."""

import pytest

from ugc_cli.positions import Move, Standing, move, standings
from ugc_core.errors import OffsetOutOfRangeError
from ugc_core.log import Commit, Watermarks
from ugc_etl.replay.spans import Span


def span(start: int, end: int, partition: int = 0) -> Span:
    return Span(partition=partition, start=start, end=end)


def standing(
    *, low: int = 0, committed: int | None = 10, high: int = 20, stored: list[Span] | None
) -> Standing:
    commits = {} if committed is None else {0: Commit(offset=committed)}
    [found] = standings({0: Watermarks(low=low, high=high)}, commits, stored)
    return found


def moved(to: int, **changes) -> Move:
    found = move("views", standing(**{"stored": [span(0, 10)]} | changes), to)
    assert found is not None
    return found


def test_forward_skips_what_is_not_stored():
    found = moved(15)

    assert (found.at, found.to) == (10, 15)
    assert (found.skipped, found.gone, found.repeated) == ((span(10, 15),), 0, 0)
    assert [*found.left] == [span(10, 15)]


def test_what_the_ledger_has_beyond_the_position_is_not_skipped():
    # A crash after the ledger's row and before the commit.
    assert moved(15, stored=[span(0, 12)]).skipped == (span(12, 15),)
    assert moved(15, stored=[span(0, 10), span(11, 13)]).skipped == (span(10, 11), span(13, 15))


def test_back_repeats_what_is_stored_and_skips_nothing():
    found = moved(4)

    assert (found.skipped, found.repeated) == ((), 6)


def test_a_gap_from_before_is_not_repeated():
    assert moved(0, stored=[span(0, 3), span(5, 10)]).repeated == 8


def test_what_has_left_the_log_is_skipped_and_gone():
    found = moved(15, low=13)

    assert (found.skipped, found.gone) == ((span(10, 15),), 3)
    assert [*found.left] == [span(13, 15)]


def test_a_group_without_a_position_would_begin_where_its_ledger_ends():
    # Its commits have expired, and the log begins after the ledger: what lies between is lost.
    found = moved(15, low=15, committed=None, stored=[span(0, 12)])

    assert (found.at, found.skipped, found.gone) == (None, (span(12, 15),), 3)


def test_a_group_without_a_position_would_repeat_what_the_log_still_has():
    found = moved(3, low=3, committed=None, stored=[span(0, 12)])

    assert (found.at, found.skipped, found.repeated) == (None, (), 9)


def test_without_a_ledger_everything_below_the_position_counts_as_stored():
    assert moved(15, stored=None).skipped == (span(10, 15),)
    assert moved(4, stored=None).repeated == 6


def test_an_empty_ledger_has_nothing_to_repeat():
    assert moved(0, stored=[]).repeated == 0


@pytest.mark.parametrize("to", [4, 21])
def test_an_offset_that_is_not_in_the_log_is_refused(to):
    with pytest.raises(OffsetOutOfRangeError, match=rf"offset {to} .* 5 to 20; nothing was moved"):
        moved(to, low=5)


def test_a_group_that_stands_there_is_not_moved():
    assert move("views", standing(stored=[]), 10) is None


def test_each_partition_has_its_own_part_of_the_ledger():
    ends = {0: Watermarks(low=0, high=5), 1: Watermarks(low=2, high=9)}
    commits = {1: Commit(offset=7, metadata="intent=7-8")}

    first, second = standings(ends, commits, [span(0, 4), span(2, 7, partition=1)])

    assert (first.committed, first.ledger, first.lag, first.note) == (None, 4, 5, "")
    assert (second.committed, second.ledger, second.lag) == (7, 7, 2)
    assert second.note == "intent=7-8"
