"""The oracle against a real system whose tables were changed by hand: it has to say so."""

from collections.abc import Awaitable, Callable

from chaos.judge import Difference, judge
from chaos.parts import Parts, Places, running_parts
from chaos.stored import Stored, read_stored
from chaos.trial import Stage, Trial, trial

from ugc_core.bootstrap import open_warehouse

FIELDS = (
    "film_id, user_id, profile_id, session_id, seq, progress_ms, total_ms, watched_from_ms,"
    " viewed_at, clock_offset_ms, kind, device, extra, received_at, version"
)
ONE = "(SELECT * FROM views_raw WHERE event_id = '{event_id}' LIMIT 1)"


async def test_every_planted_fault_is_found(tmp_path):
    async with running_parts(Places.inside(tmp_path), {}) as parts:
        await parts.etl.start()
        async with trial(Stage(folder=tmp_path, events=60, seed=1), parts) as run:
            await run.share(of=1)
        await run.rest()
        ids = [str(event_id) for event_id in run.journal.events]
        look = _looker(parts, run)
        assert await look() == []

        lost, shifted, doubled = ids[:3]
        await _change(parts, f"DELETE FROM views_raw WHERE event_id = '{lost}'")
        assert _kinds(await look()) >= {"lost"}

        one = ONE.format(event_id=doubled)
        await _change(
            parts,
            f"INSERT INTO views_raw (event_id, event_time, {FIELDS}) SELECT event_id, event_time,"
            f" generateUUIDv4(), {FIELDS.removeprefix('film_id, ')} FROM {one}",
        )
        assert _named(await look(), "doubled") == [f"{doubled}: 2 rows"]

        one = ONE.format(event_id=ids[4])
        await _change(
            parts,
            f"INSERT INTO views_raw (event_id, event_time, {FIELDS})"
            f" SELECT generateUUIDv4(), event_time, {FIELDS} FROM {one}",
        )
        assert len(_named(await look(), "phantom")) == 1

        # A time moved by a second, in the raw table as well as in everything derived.
        one = ONE.format(event_id=shifted)
        await _change(
            parts,
            f"INSERT INTO views_raw (event_id, event_time, {FIELDS}) SELECT event_id, event_time"
            f" - INTERVAL 1 SECOND, {FIELDS.removesuffix(', version')}, version + 1 FROM {one}",
        )
        changed = {what.split(":")[0] for what in _named(await look(), "changed")}
        assert changed == {shifted, doubled}  # the second row of that one is of another film


async def test_a_hole_in_what_is_derived_is_found_though_every_row_is_there(tmp_path):
    async with running_parts(Places.inside(tmp_path), {}) as parts:
        await parts.etl.start()
        async with trial(Stage(folder=tmp_path, events=60, seed=2), parts) as run:
            await run.share(of=1)
        await run.rest()
        look = _looker(parts, run)

        for table, kinds in (
            ("playback", {"playback", "audience"}),
            ("resume_points", {"resume point"}),
            ("ingested", {"ledger"}),
        ):
            await _change(parts, f"TRUNCATE TABLE {table}")
            assert _kinds(await look()) >= kinds
        assert _kinds(await look()) == {"playback", "audience", "resume point", "ledger"}


def _looker(parts: Parts, run: Trial) -> Callable[[], Awaitable[list[Difference]]]:
    films = sorted({event.film_id for event in run.journal.events.values()})
    live_ms = max(event.event_time_ms for event in run.journal.events.values())

    async def look() -> list[Difference]:
        stored: Stored = await read_stored(parts.settings, films, live_ms)
        return judge(run.journal, stored, live_ms=live_ms)

    return look


async def _change(parts: Parts, sql: str) -> None:
    async with open_warehouse(parts.settings.warehouse) as warehouse:
        await warehouse.execute(sql)


def _kinds(found: list[Difference]) -> set[str]:
    return {difference.kind for difference in found}


def _named(found: list[Difference], kind: str) -> list[str]:
    return [difference.what for difference in found if difference.kind == kind]
