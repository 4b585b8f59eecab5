"""The oracle of the chaos suite: silent where all is well, and every planted fault is found."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar
from uuid import UUID

import pytest
from chaos.journal import Journal, Outcome
from chaos.judge import Difference, audience_numbers, judge, playback
from chaos.log_reading import Letter, Place
from chaos.players import Players
from chaos.stored import Entry, Stored, facts
from oracle.metrics import resume_points

from ugc_core.log import Watermarks

NOW_MS = 1_767_225_600_000
POISON = Place(0, 3, 0)
Plant = Callable[[Stored], Stored]
Key = TypeVar("Key")
T = TypeVar("T")


@pytest.fixture
def journal() -> Journal:
    players = Players(1, users=3, now_ms=NOW_MS)
    found = Journal()
    for user in players.users * 3:
        events = players.reports(user, 10)
        found.sending(events)
        for event in events:
            found.heard(event.event_id, Outcome.OK)
    return found


@pytest.fixture
def stored(journal: Journal) -> Stored:
    """A system that holds exactly what its journal says."""
    events = [*journal.events.values()]
    films = {event.film_id for event in events}
    return Stored(
        rows=[facts(event) for event in events],
        playback=playback(events),
        resume=resume_points(events),
        films=audience_numbers(events, films, NOW_MS),
        ledger=[Entry("views", 0, 0, 1, 60, 60, 0, 0), Entry("views", 0, 2, 3, 31, 30, 1, 0)],
        letters=[Letter("views", *POISON, "not an event")],
        ends={0: Watermarks(low=0, high=4)},
        committed={0: 4},
        log_lines=91,
    )


def found(journal: Journal, stored: Stored) -> list[Difference]:
    return judge(journal, stored, live_ms=NOW_MS, poison=[POISON])


def kinds(differences: list[Difference]) -> set[str]:
    return {difference.kind for difference in differences}


def with_row(stored: Stored, number: int, **changes: Any) -> Stored:
    rows = [*stored.rows]
    rows[number] = rows[number]._replace(**changes)
    return replace(stored, rows=rows)


def with_first(table: Mapping[Key, T], change: Callable[[T], T]) -> dict[Key, T]:
    key = next(iter(table))
    return {**table, key: change(table[key])}


def test_a_system_that_holds_what_was_accepted_has_no_difference(journal, stored):
    assert found(journal, stored) == []


def test_a_lost_row_is_named(journal, stored):
    gone = stored.rows[0].event_id

    differences = found(journal, replace(stored, rows=stored.rows[1:]))

    assert Difference("lost", str(gone)) in differences


def test_a_lost_row_that_a_phantom_replaces_is_found_though_the_counts_agree(journal, stored):
    differences = found(journal, with_row(stored, 0, event_id=UUID(int=1)))

    assert kinds(differences) >= {"lost", "phantom"}


def test_a_doubled_row_is_named(journal, stored):
    twice = stored.rows[0]

    differences = found(journal, replace(stored, rows=[*stored.rows, twice]))

    assert differences == [Difference("doubled", f"{twice.event_id}: 2 rows")]


@pytest.mark.parametrize("first", [True, False])
def test_of_two_rows_the_one_that_differs_is_named_whichever_is_read_first(journal, stored, first):
    row = stored.rows[0]
    other = row._replace(film_id=UUID(int=1))
    rows = [other, *stored.rows] if first else [*stored.rows, other]

    differences = found(journal, replace(stored, rows=rows))

    assert kinds(differences) == {"doubled", "changed"}


def test_a_report_that_was_refused_and_is_stored_is_a_phantom(journal, stored):
    refused = stored.rows[0].event_id
    journal.outcomes[refused] = Outcome.FAILED

    assert Difference("phantom", str(refused)) in found(journal, stored)


def test_an_unknown_outcome_may_be_stored_or_not(journal, stored):
    row = stored.rows[0]
    journal.outcomes[row.event_id] = Outcome.UNKNOWN
    events = [event for name, event in journal.events.items() if name != row.event_id]
    without = replace(
        stored,
        rows=stored.rows[1:],
        playback=playback(events),
        resume=resume_points(events),
        films=audience_numbers(events, stored.films, NOW_MS),
    )

    assert found(journal, stored) == []
    assert found(journal, without) == []


@pytest.mark.parametrize(
    "field", ["event_time_ms", "viewed_ms", "progress_ms", "total_ms", "clock_offset_ms"]
)
def test_a_row_whose_content_has_shifted_is_named(journal, stored, field):
    row = stored.rows[0]

    differences = found(journal, with_row(stored, 0, **{field: getattr(row, field) + 1}))

    assert kinds(differences) == {"changed"}
    assert differences[0].what.startswith(f"{row.event_id}: {field}")


@pytest.mark.parametrize(
    "change",
    [
        lambda watched: watched._replace(seconds=watched.seconds | {99_999}),
        lambda watched: watched._replace(first_ms=watched.first_ms - 1),
        lambda watched: watched._replace(last_ms=watched.last_ms + 1),
        lambda watched: watched._replace(device="another"),
    ],
    ids=["second", "first time", "last time", "device"],
)
def test_a_wrong_playback_ledger_is_found(journal, stored, change):
    wrong = replace(stored, playback=with_first(stored.playback, change))

    assert kinds(found(journal, wrong)) == {"playback"}


def test_a_missing_and_a_foreign_sitting_are_found(journal, stored):
    key, watched = next(iter(stored.playback.items()))
    moved = {**stored.playback, key._replace(day=key.day + 1): watched}
    del moved[key]

    assert len(found(journal, replace(stored, playback=moved))) == 2


def test_a_wrong_resume_point_is_found(journal, stored):
    wrong = with_first(stored.resume, lambda point: point._replace(at_ms=point.at_ms + 1))

    assert kinds(found(journal, replace(stored, resume=wrong))) == {"resume point"}


def test_a_wrong_audience_number_is_found(journal, stored):
    wrong = with_first(stored.films, lambda numbers: numbers._replace(live=numbers.live + 1))

    assert kinds(found(journal, replace(stored, films=wrong))) == {"audience"}


@pytest.mark.parametrize(
    "plant",
    [
        lambda stored: replace(stored, ledger=stored.ledger[1:]),
        lambda stored: replace(stored, ledger=stored.ledger[:1]),
        lambda stored: replace(stored, ledger=[stored.ledger[0], *stored.ledger]),
        lambda stored: replace(
            stored, ledger=[stored.ledger[0]._replace(stored=59), stored.ledger[1]]
        ),
        lambda stored: replace(stored, committed={0: 3}),
        lambda stored: replace(stored, committed={}),
        lambda stored: replace(stored, ends={0: Watermarks(low=0, high=5)}),
    ],
    ids=["hole", "end", "overlap", "sum", "behind", "nothing committed", "not delivered"],
)
def test_a_ledger_that_does_not_tile_up_to_the_commit_is_found(journal, stored, plant: Plant):
    assert kinds(found(journal, plant(stored))) == {"ledger"}


@pytest.mark.parametrize(
    "letters",
    [
        [],
        [Letter("views", 0, 3, 1, "not an event"), Letter("views", *POISON, "not an event")],
        [Letter("views", *POISON, "")],
    ],
    ids=["missing", "of a good line", "without a reason"],
)
def test_a_wrong_dead_letter_is_found(journal, stored, letters):
    assert kinds(found(journal, replace(stored, letters=letters))) == {"dead letter"}


def test_a_letter_that_was_written_twice_counts_once(journal, stored):
    assert found(journal, replace(stored, letters=[*stored.letters, *stored.letters])) == []


def test_what_was_to_be_erased_and_is_there_is_a_phantom(journal, stored):
    name = stored.rows[0].event_id

    differences = judge(journal, stored, live_ms=NOW_MS, poison=[POISON], foreign=[name])

    assert Difference("phantom", str(name)) in differences
    assert "lost" not in kinds(differences)
