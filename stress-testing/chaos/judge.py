"""The oracle: compares a system at rest with its senders' journal, by sets of ids.

Nothing here asks the system how it is: the journal and brute force in plain Python
(`oracle.metrics`) say what has to be there.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar
from uuid import UUID

from oracle.metrics import (
    DAY_MS,
    NIL,
    film_metrics,
    live_viewers,
    resume_points,
    seconds_of,
    viewer_of,
)

from chaos.journal import Journal, Outcome
from chaos.log_reading import Place
from chaos.stored import (
    BUCKET_S,
    Facts,
    FilmNumbers,
    Sitting,
    Stored,
    Watched,
    facts,
)
from ugc_core.audience import Audience
from ugc_core.events import Event

Key = TypeVar("Key")


class Difference(NamedTuple):
    """One thing that is not as it has to be.

    Attributes:
        kind: lost, phantom, doubled, changed, playback, resume point, audience, ledger,
            dead letter, or what a scenario itself has seen.
        what: Which one, and how it differs.
    """

    kind: str
    what: str


def judge(
    journal: Journal,
    stored: Stored,
    *,
    live_ms: int,
    poison: Iterable[Place] = (),
    foreign: Iterable[UUID] = (),
    reread: bool = False,
) -> list[Difference]:
    """Return every difference.

    Args:
        journal: What the senders know.
        stored: The system at rest.
        live_ms: The moment for which live viewers were counted.
        poison: Lines that were put into the log and are no reports.
        foreign: Ids that the journal knows and that must not be stored any more.
        reread: Whether the log was read again from its beginning, so that ranges overlap.
    """
    gone = frozenset(foreign)
    stored_ids = {row.event_id for row in stored.rows}
    wanted = journal.only(Outcome.OK).keys() - gone
    possible = (wanted | journal.only(Outcome.UNKNOWN).keys()) - gone
    found = [Difference("lost", str(event_id)) for event_id in wanted - stored_ids]
    found += [Difference("phantom", str(event_id)) for event_id in stored_ids - possible]
    found += _doubled(stored.rows)
    events = [journal.events[event_id] for event_id in stored_ids & possible]
    found += _changed(events, stored.rows)
    found += _unequal("playback", playback(events), stored.playback)
    found += _unequal("resume point", resume_points(events), stored.resume)
    found += _unequal("audience", audience_numbers(events, stored.films, live_ms), stored.films)
    found += ledger_gaps(stored, reread=reread)
    found += misplaced_letters(stored, frozenset(poison))
    return found


def playback(events: Iterable[Event]) -> Mapping[Sitting, Watched]:
    """Return the playback ledger, recomputed."""
    by_key: dict[Sitting, list[Event]] = defaultdict(list)
    for event in events:
        viewer = viewer_of(event)
        day = event.event_time_ms // DAY_MS
        key = Sitting(event.film_id, day, *viewer, event.session_id or NIL)
        by_key[key].append(event)
    return {key: _watched(own) for key, own in by_key.items()}


def _watched(events: Sequence[Event]) -> Watched:
    latest = max(events, key=lambda e: (e.event_time_ms, e.seq or 0, e.event_id.bytes))
    times = [event.event_time_ms for event in events]
    return Watched(
        seconds=frozenset().union(*map(seconds_of, events)),
        first_ms=min(times),
        last_ms=max(times),
        total_ms=max(event.total_ms for event in events),
        device=latest.device or "",
    )


def audience_numbers(
    events: Sequence[Event], films: Iterable[UUID], live_ms: int
) -> Mapping[UUID, FilmNumbers]:
    """Return the audience numbers of films, recomputed."""
    by_film: dict[UUID, list[Event]] = {film_id: [] for film_id in films}
    for event in events:
        by_film.setdefault(event.film_id, []).append(event)
    return {film_id: _numbers(own, live_ms) for film_id, own in by_film.items()}


def _numbers(events: Sequence[Event], live_ms: int) -> FilmNumbers:
    found = film_metrics(events, BUCKET_S)
    numbers = Audience(
        length_s=found.length_s,
        reach=found.reach,
        plays=found.plays,
        watch_time_s=found.watch_time_s,
        unique_s=found.unique_s,
        completed=found.completed,
    )
    return FilmNumbers(numbers, list(found.curve), live_viewers(events, live_ms))


def ledger_gaps(stored: Stored, *, reread: bool = False) -> list[Difference]:
    """Say where the pipeline's ledger does not tile up to the commits, or does not add up."""
    found = []
    reached = {partition: ends.low for partition, ends in stored.ends.items()}
    for entry in stored.ledger:
        where = f"{entry.topic}[{entry.partition}] {entry.first}-{entry.last}"
        before = reached[entry.partition]
        if entry.first > before or (entry.first < before and not reread):
            found.append(Difference("ledger", f"{where} follows {before}"))
        reached[entry.partition] = max(before, entry.last + 1) if reread else entry.last + 1
        if entry.lines != entry.stored + entry.dead + entry.erased:
            found.append(Difference("ledger", f"{where} does not add up"))
    for partition, ends in stored.ends.items():
        committed = stored.committed.get(partition, ends.low)
        if not committed == reached[partition] == ends.high:
            what = f"[{partition}] log {ends.high}, committed {committed}, {reached[partition]}"
            found.append(Difference("ledger", what))
    return found


def misplaced_letters(stored: Stored, poison: frozenset[Place]) -> list[Difference]:
    """Say which lines are missing among the dead letters, or should not be there."""
    letters = {Place(a.partition, a.offset, a.line): a.reason for a in stored.letters}
    found = [Difference("dead letter", f"missing {place}") for place in poison - letters.keys()]
    for place, reason in letters.items():
        if place not in poison:
            found.append(Difference("dead letter", f"of a good line {place}: {reason}"))
        elif not reason:
            found.append(Difference("dead letter", f"without a reason {place}"))
    return found


def _doubled(rows: Sequence[Facts]) -> list[Difference]:
    counts = Counter(row.event_id for row in rows)
    return [Difference("doubled", f"{name}: {n} rows") for name, n in counts.items() if n > 1]


def _changed(events: Iterable[Event], rows: Sequence[Facts]) -> list[Difference]:
    """Compare every row with its report: of two rows with one id either may be wrong."""
    wanted = {event.event_id: facts(event) for event in events}
    found = []
    for row in rows:
        want = wanted.get(row.event_id, row)
        wrong = [
            f"{name} {getattr(row, name)} for {value}"
            for name, value in want._asdict().items()
            if getattr(row, name) != value
        ]
        if wrong:
            found.append(Difference("changed", f"{row.event_id}: {', '.join(wrong)}"))
    return found


def _unequal(kind: str, want: Mapping[Key, object], have: Mapping[Key, object]) -> list[Difference]:
    return [
        Difference(kind, f"{key}: expected {want.get(key)}, found {have.get(key)}")
        for key in {*want, *have}
        if want.get(key) != have.get(key)
    ]
