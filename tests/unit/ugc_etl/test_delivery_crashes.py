"""A crash after any effect of a delivery changes nothing in the end."""

from collections.abc import Sequence

import pytest

from tests.unit.ugc_etl.builders import BAD, MONTH_MS, NOW_MS, TOPIC, batch, event, line
from tests.unit.ugc_etl.fakes import (
    ChoosyStore,
    Countdown,
    CountedLetters,
    CountedReader,
    CountedStore,
    CrashError,
    PromptReader,
    World,
    assert_tiled,
    places,
    step_until,
)

LAST_EFFECT = 21
"""Effects of the work in the crash tests: the last one ends it."""


def fill(world: World) -> None:
    """Append what needs every kind of effect: good lines, bad ones, refused ones, old ones."""
    for n in range(6):
        world.append(line(2 * n), line(2 * n + 1, viewed_at=NOW_MS - n * 24 * MONTH_MS))
    world.append(BAD, line(50))
    world.append(line(51))


class Everything(CountedStore, ChoosyStore):
    """Counts its effects, and refuses one event."""

    def __init__(self, countdown: Countdown) -> None:
        super().__init__(countdown)
        self.disliked = {event(3).event_id}


async def run(world: World, countdown: Countdown) -> None:
    """Work as a new process until everything is committed, or until the crash."""
    world.store.countdown = world.letters.countdown = countdown
    reader = CountedReader(world.log, world.clock, countdown)
    pipeline = world.pipeline(reader, max_rows=5, max_age_s=0.1)
    await step_until(pipeline, lambda: world.caught_up)


async def crash_after(effects: int) -> World:
    """Fill a log and work on it, the first process crashing after so many effects."""
    world = World(store=Everything(Countdown()), letters=CountedLetters(Countdown()))
    fill(world)
    with pytest.raises(CrashError):
        await run(world, Countdown(effects))
    await run(world, Countdown())
    return world


async def all_effects() -> Sequence[str]:
    countdown = Countdown()
    world = World(store=Everything(countdown), letters=CountedLetters(countdown))
    fill(world)
    await run(world, countdown)
    return countdown.effects


@pytest.mark.parametrize("effects", range(1, LAST_EFFECT))
async def test_a_crash_after_any_single_effect_changes_nothing_in_the_end(effects):
    world = await crash_after(effects)

    assert {e.event_id for e in world.store.events} == {
        event(n).event_id for n in [*range(12), 50, 51] if n != 3
    }
    assert places(world) == [(1, 1), (6, 0)]
    assert_tiled(world)
    entries = world.store.ledger.values()
    assert sum(entry.lines for entry in entries) == 15
    assert all(entry.lines == entry.stored + entry.dead for entry in entries)


async def test_the_crashes_are_after_every_effect_there_is():
    assert len(await all_effects()) == LAST_EFFECT


@pytest.mark.parametrize("effects", range(1, LAST_EFFECT))
async def test_after_a_crash_the_same_range_has_the_same_token(effects):
    world = await crash_after(effects)

    by_range: dict[str, set[str]] = {}
    for token in world.store.tokens:
        _, _, span, content_hash, _ = token.split(":")
        by_range.setdefault(span, set()).add(content_hash)
    assert {*by_range} == {f"{span.first}-{span.last}" for span in world.tiles()}
    assert all(len(hashes) == 1 for hashes in by_range.values())


@pytest.mark.parametrize("effects", range(1, LAST_EFFECT))
async def test_a_second_crash_at_the_same_place_changes_nothing_either(effects):
    world = World(store=Everything(Countdown()), letters=CountedLetters(Countdown()))
    fill(world)
    for _ in range(2):
        try:
            await run(world, Countdown(effects))
        except CrashError:
            continue
    await run(world, Countdown())

    assert len(world.store.events) == 13
    assert_tiled(world)


async def test_without_tokens_a_repeat_still_keeps_every_event_once():
    """The identity is the guarantee: other cuts of the same records make other tokens."""
    world = World()
    world.append_each([event(n) for n in range(6)])
    records = world.log.records[TOPIC, 0]

    for size in (6, 1, 4):
        for start in range(0, 6, size):
            await world.delivery().deliver(batch(*records[start : start + size]), None)

    assert sorted(e.event_id for e in world.store.events) == [event(n).event_id for n in range(6)]


async def test_a_reader_that_starts_anew_finds_what_was_not_committed(clock):
    world = World(clock=clock)
    world.append_each([event(1), event(2)])
    found = batch(world.log.records[TOPIC, 0][0])

    await world.delivery().deliver(found, None)

    polled = await PromptReader(world.log, clock).poll(max_records=10, timeout_s=0)
    assert [record.offset for record in polled[0]] == [1]
