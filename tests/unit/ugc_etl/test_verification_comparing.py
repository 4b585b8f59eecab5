"""Copies in the log against rows of the warehouse: what is planted is found, nothing else."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.unit.ugc_etl.builders import event, record
from ugc_core.codec import encode_event
from ugc_core.events import Event
from ugc_core.log import Record
from ugc_etl.erasures import ErasedUser, ErasedUsers
from ugc_etl.verification.comparing import Compared, compare
from ugc_etl.verification.copies import Copies, passes, unpack
from ugc_etl.verification.findings import Kind
from ugc_etl.verification.fingerprints import identity_of
from ugc_etl.verification.stored_rows import Horizon, Row

HORIZON = Horizon(lows=[0], ends=[1000])


def copies(records: Iterable[Record], *, share: int = 0, of: int = 1, erased=()) -> Copies:
    found = Copies(share=share, of=of, erased=ErasedUsers(erased))
    for each in records:
        found.take(each)
    return found


def rows_of(found: Copies) -> list[Row]:
    """Return what a pipeline without fault has stored."""
    rows = []
    for identity, packed in found.first.items():
        copy = unpack(packed)
        rows.append(
            Row(identity, copy.digest, copy.version, copy.partition, copy.offset, copy.line)
        )
    return rows


def verdicts(
    found: Copies,
    shown: Sequence[Row],
    stored: Sequence[Row] | None = None,
    horizon: Horizon = HORIZON,
) -> dict[bytes, set[Kind]]:
    due = {identity: unpack(packed) for identity, packed in found.first.items()}
    others = {one: [unpack(each) for each in packed] for one, packed in found.others.items()}
    compared = Compared(due, others, shown, shown if stored is None else stored)
    kinds: dict[bytes, set[Kind]] = {}
    for verdict in compare(compared, horizon):
        kinds.setdefault(verdict.identity, set()).add(verdict.kind)
    return kinds


REPORTS = st.lists(
    st.tuples(st.integers(1, 12), st.sampled_from([1.0, 2.0, 3.0]), st.integers(0, 3)), max_size=30
)


def as_records(reports: Sequence[tuple[int, float, int]]) -> list[Record]:
    """Return records of one report each; equal numbers are copies, maybe with other content."""
    return [
        record(offset, encode_event(event(number, progress=progress, received_at=received)))
        for offset, (number, progress, received) in enumerate(reports)
    ]


@given(reports=REPORTS)
def test_a_pipeline_without_fault_has_no_finding(reports):
    found = copies(as_records(reports))

    assert verdicts(found, rows_of(found)) == {}


@given(reports=REPORTS.filter(bool), data=st.data())
def test_every_planted_fault_is_found_and_nothing_else(reports, data):
    found = copies(as_records(reports))
    rows = rows_of(found)
    wanted: dict[bytes, set[Kind]] = {}
    shown: list[Row] = []
    for row in rows:
        match data.draw(st.sampled_from(["good", "good", "lost", "doubled", "altered"])):
            case "lost":
                wanted[row.identity] = {Kind.MISSING}
            case "doubled":
                shown += [row, row]
                wanted[row.identity] = {Kind.DOUBLED}
            case "altered":
                shown.append(row._replace(digest=row.digest ^ 1))
                wanted[row.identity] = {Kind.ALTERED}
            case _:
                shown.append(row)
    for number in range(data.draw(st.integers(0, 2))):
        phantom = identity_of(event(900 + number))
        shown.append(Row(phantom, 1, 1, 0, number, 0))
        wanted[phantom] = {Kind.FOREIGN}

    assert verdicts(found, shown) == wanted


@given(reports=REPORTS, of=st.integers(1, 7))
def test_passes_together_hold_what_one_pass_holds(reports, of):
    records = as_records(reports)
    whole = copies(records)
    parts = [copies(records, share=share, of=of) for share in range(of)]

    held = [identity for part in parts for identity in part.first]
    assert sorted(held) == sorted(whole.first)
    assert {k: v for part in parts for k, v in part.first.items()} == whole.first
    assert sum(part.lines for part in parts) == whole.lines


def test_a_bad_line_is_met_in_one_pass_only():
    good = encode_event(event(1))
    broken = [record(0, good, b"no json", good), record(1, b'{"event_id":"x"}'), record(2, b"")]

    met = [copies(broken, share=share, of=4).dead_lines for share in range(4)]

    assert sum(met) == 4 - 1


def test_the_number_of_passes_bounds_what_is_held():
    assert [passes(lines, at_once=100) for lines in (0, 1, 100, 101, 1000)] == [1, 1, 1, 2, 10]


def test_of_conflicting_copies_the_first_accepted_one_is_due():
    late = event(1, progress=5.0, received_at=20)
    first = event(1, progress=6.0, received_at=10)
    found = copies([record(0, encode_event(late)), record(1, encode_event(first))])

    ((identity, (winner, loser)),) = found.conflicts()
    assert (winner.receipt, loser.receipt) == ("0:1:0", "0:0:0")
    stored_late = Row(identity, loser.digest, loser.version, 0, 0, 0)
    assert verdicts(found, [stored_late]) == {identity: {Kind.ALTERED}}


def test_conflicting_copies_of_two_months_are_no_doubles():
    found = copies(
        [
            record(0, encode_event(event(1))),
            record(1, encode_event(event(1, viewed_at=event(1).viewed_at + 40 * 86_400_000))),
        ]
    )
    (identity,) = found.first
    both = [
        Row(identity, copy.digest, copy.version, 0, copy.offset, 0)
        for _, pair in found.conflicts()
        for copy in pair
    ]
    shown = [row for row in both if row.digest == unpack(found.first[identity]).digest]

    assert verdicts(found, shown, both) == {}
    strange = both[1]._replace(digest=7)
    assert verdicts(found, shown, [both[0], strange]) == {identity: {Kind.DOUBLED}}


def test_what_lies_outside_of_the_log_is_not_judged():
    found = copies([record(5)])
    ((identity, packed),) = found.first.items()
    narrow = Horizon(lows=[5], ends=[6])
    older = Row(identity, unpack(packed).digest ^ 1, 1, 0, 4, 0)
    newer = Row(identity_of(event(77)), 1, 1, 0, 6, 0)

    assert verdicts(found, [older, newer], horizon=narrow) == {}
    nowhere = newer._replace(partition=3)
    assert verdicts(found, [older, nowhere], horizon=narrow) == {newer.identity: {Kind.FOREIGN}}


def test_reports_of_an_erased_user_are_not_due():
    user = UUID(int=1)
    erasure = ErasedUser(user_id=user, partition=0, offset=1, requested_ms=0)

    found = copies([record(0), record(1), record(2)], erased=[erasure])

    assert (found.hidden, found.lines, len(found.first)) == (1, 2, 2)


def test_content_counts_and_what_differs_between_copies_does_not():
    plain = event(1)

    def digest(one: Event) -> int:
        (packed,) = copies([record(0, encode_event(one))]).first.values()
        return unpack(packed).digest

    same = [replace(plain, received_at=5), replace(plain, session_id=UUID(int=0))]
    other = [
        replace(plain, progress=1.0),
        replace(plain, total=5401.0),
        replace(plain, watched_from=1.0),
        replace(plain, viewed_at=plain.viewed_at + 1),
        replace(plain, session_id=UUID(int=2)),
        replace(plain, seq=0),
        replace(plain, kind="end"),
        replace(plain, device="end"),
    ]
    assert {digest(one) for one in same} == {digest(plain)}
    assert len({digest(one) for one in [plain, *other]}) == 1 + len(other)
