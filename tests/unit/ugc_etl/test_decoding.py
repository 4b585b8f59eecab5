"""From the records of a batch to rows and dead letters."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.ugc_etl.builders import batch, event, line, record
from ugc_etl.decoding import Decoded, decode, refused_letters
from ugc_etl.ports import DeadLetter
from ugc_etl.rows import Source

BAD = b"{no report}"


def where(letters: list[DeadLetter]) -> list[tuple[int, int]]:
    return [(letter.offset, letter.line) for letter in letters]


def test_every_good_line_is_a_row_with_its_source():
    found = decode(batch(record(3, line(1), line(2)), record(5, line(3))))

    assert found.rows.events == [event(1), event(2), event(3)]
    assert found.rows.sources == [
        Source(3, 0, line(1)),
        Source(3, 1, line(2)),
        Source(5, 0, line(3)),
    ]
    assert (found.lines, found.dead) == (3, [])


def test_a_bad_line_is_a_dead_letter_and_costs_no_neighbour():
    found = decode(batch(record(3, line(1), BAD, line(2)), record(4, b"", line(3))))

    assert found.rows.events == [event(1), event(2), event(3)]
    assert where(found.dead) == [(3, 1), (4, 0)]
    assert found.lines == 5


def test_a_dead_letter_says_where_it_was_what_it_is_and_why():
    [letter] = decode(batch(record(3, line(1), BAD, partition=2))).dead

    assert (letter.topic, letter.partition, letter.offset, letter.line) == ("views", 2, 3, 1)
    assert letter.payload == BAD
    assert "malformed" in letter.reason
    assert letter.schema_version == "1"


def test_a_record_of_an_unknown_schema_is_dead_line_by_line():
    headers = (("schema_version", b"\xff2 and more than twenty bytes of it"),)

    found = decode(batch(record(3, line(1), line(2), headers=headers)))

    assert where(found.dead) == [(3, 0), (3, 1)]
    assert len(found.rows) == 0
    assert found.dead[0].schema_version == "\ufffd2 and more than twe"


def test_a_record_of_the_replaced_system_is_decoded():
    old = (
        b'{"film_id": "00000000-0000-0000-0000-000000000007",'
        b' "user_id": "00000000-0000-0000-0000-000000000001",'
        b' "progress": 12, "total": 60, "created_at": "2026-01-01T00:00:00"}'
    )

    found = decode(batch(record(0, old, headers=())))

    assert found.dead == []
    assert [e.progress_ms for e in found.rows.events] == [12_000]


def test_an_empty_record_is_one_dead_line():
    found = decode(batch(record(3, b"")))

    assert where(found.dead) == [(3, 0)]
    assert found.lines == 1


# --- streaks


def test_records_in_a_row_without_a_good_line_are_counted():
    found = decode(batch(record(0, BAD), record(1, BAD, BAD), record(2, line(1)), record(3, BAD)))

    assert found.longest_streak == 2
    assert found.streak == 1


def test_one_good_line_ends_a_streak():
    found = decode(batch(record(0, BAD, BAD, line(1))), streak=5)

    assert (found.streak, found.longest_streak) == (0, 0)


def test_a_streak_goes_on_from_batch_to_batch():
    first = decode(batch(record(0, line(1)), record(1, BAD)))
    second = decode(batch(record(2, BAD), record(3, BAD)), streak=first.streak)
    third = decode(batch(record(4, BAD), record(5, line(2))), streak=second.streak)

    assert [found.streak for found in (first, second, third)] == [1, 3, 0]
    assert third.longest_streak == 4


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=4), min_size=1, max_size=6))
def test_every_line_is_either_a_row_or_a_dead_letter(records):
    lines = [[line(n) if good else BAD for n, good in enumerate(found)] for found in records]

    found = decode(batch(*(record(offset, *each) for offset, each in enumerate(lines))))

    rows = {(source.offset, source.line) for source in found.rows.sources}
    dead = set(where(found.dead))
    assert rows.isdisjoint(dead)
    assert rows | dead == {(o, n) for o, each in enumerate(lines) for n in range(len(each))}
    assert found.lines == len(rows) + len(dead)


def test_rows_that_the_warehouse_refuses_become_dead_letters_one_each():
    rows = decode(batch(record(3, line(1), line(2), partition=2))).rows

    letters = refused_letters("views", rows, "does not fit")

    assert where(list(letters)) == [(3, 0), (3, 1)]
    assert [letter.payload for letter in letters] == [line(1), line(2)]
    assert {letter.reason for letter in letters} == {"does not fit"}
    assert {letter.partition for letter in letters} == {2}


LINES = st.sampled_from([line(1), line(2), line(3), BAD, b"", b'{"a":1}{"b":2}'])
HEADERS = st.sampled_from([(), (("schema_version", b"1"),), (("schema_version", b"9"),)])
RECORDS = st.lists(
    st.tuples(st.lists(LINES, min_size=1, max_size=4), HEADERS, st.booleans()),
    min_size=1,
    max_size=8,
)


@given(RECORDS, st.integers(0, 3))
def test_records_that_are_decoded_together_become_what_each_becomes_alone(made, streak):
    records = []
    for offset, (lines, headers, ended) in enumerate(made):
        whole = record(offset, *lines, headers=headers)
        value = whole.value + b"\n" if ended else whole.value
        records.append(msgspec.structs.replace(whole, value=value))

    together = decode(batch(*records), streak=streak)

    alone: list[Decoded] = []
    for each in records:
        alone.append(decode(batch(each), streak=alone[-1].streak if alone else streak))
    assert together.rows.events == [event for found in alone for event in found.rows.events]
    assert together.rows.sources == [place for found in alone for place in found.rows.sources]
    assert together.dead == [letter for found in alone for letter in found.dead]
    assert together.lines == sum(found.lines for found in alone)
    assert together.streak == (alone[-1].streak if alone else streak)
    assert together.longest_streak == max((found.longest_streak for found in alone), default=0)
