"""A commit moves on over what is no record, and never over one."""

from hypothesis import given
from hypothesis import strategies as st

from ugc_core.adapters.kafka_positions import Positions
from ugc_core.log import Commit

step = st.one_of(
    st.sampled_from(["record", "hole"]),
    st.tuples(st.just("commit"), st.integers(0, 30)),
    st.tuples(st.just("seek"), st.integers(0, 30)),
)


@given(st.lists(step, max_size=30))
def test_a_commit_is_moved_just_as_far_as_there_is_no_record(steps):
    positions = Positions()
    positions.start(0, 0, lease=1, commit=None)
    log: list[str] = []
    at, commit = 0, None
    for taken in steps:
        if isinstance(taken, str):
            if at == len(log):
                log.append(taken)
            at += 1
            (positions.handed_out if log[at - 1] == "record" else positions.stepped_over)(0, at)
        elif taken[0] == "commit":
            commit = Commit(offset=min(taken[1], len(log)), metadata="a note")
            positions.committed(0, commit)
        else:
            at = min(taken[1], len(log))
            positions.start(0, at, lease=1, commit=None)
        moved = positions.overtaken()

        assert positions.all == {0: at}
        if moved:
            assert commit is not None
            assert moved == {0: Commit(offset=at, metadata="a note")}
            assert set(log[commit.offset : at]) == {"hole"}


def test_where_nothing_but_holes_lies_before_the_reader_the_commit_follows():
    positions = Positions()
    positions.start(0, 4, lease=1, commit=Commit(offset=4, metadata="a note"))

    positions.stepped_over(0, 9)

    assert positions.overtaken() == {0: Commit(offset=9, metadata="a note")}
    positions.committed(0, Commit(offset=9, metadata="a note"))
    assert positions.overtaken() == {}


def test_what_was_handed_out_and_is_not_committed_holds_the_commit():
    positions = Positions()
    positions.start(0, 4, lease=1, commit=Commit(offset=4))

    positions.handed_out(0, 5)
    positions.stepped_over(0, 9)
    assert positions.overtaken() == {}

    positions.committed(0, Commit(offset=5))
    assert positions.overtaken() == {0: Commit(offset=9)}


def test_a_partition_under_another_lease_is_not_held():
    positions = Positions()
    positions.start(0, 4, lease=1, commit=None)
    positions.start(1, 4, lease=2, commit=None)

    assert positions.held() == {0, 1}
    assert positions.held({0: 1, 1: 3}) == {0}
