"""Records that are no reports: rows 20 and 21."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from uuid import UUID

import apsw

from chaos.cluster import admin
from chaos.log_reading import committed, log_records
from chaos.parts import Parts, running_parts
from chaos.systems import log_path
from chaos.trial import Stage, Verdict, trial
from ugc_cli.setup import apply_topics
from ugc_core.partitioner import partition_for
from ugc_core.urls import SqliteLogTarget, log_target

_ONE_IN = 10_000
_FUSE = 50
_FLOOD = 200
_OWNER = UUID(int=77)
_BLOCKED_S = 1.5
_TOPIC_SHIFT = 56
"""Where a record's id holds its topic: partition and offset take the 56 bits below."""


async def poison(stage: Stage) -> Verdict:
    """Row 20: one record in 10,000 holds no report; then none does, and the pipeline stops."""
    few = max(stage.events // _ONE_IN, 4)
    environment = {"UGC_ETL__MAX_BAD_IN_A_ROW": str(_FUSE), **stage.environment}
    async with running_parts(stage.places, environment) as parts:
        await parts.etl.start()
        async with trial(stage, parts) as run:
            for number in range(few):
                await run.share(of=2 * few)
                await run.put_poison(1, salt=number)
            async with run.fault():
                await run.put_poison(_FLOOD, key=_OWNER, salt=few)
                code = await parts.etl.ended()
                letters = await log_records(parts.settings.log, parts.settings.log.dlq_topic)
                run.expect(that=code == 1, what=f"the pipeline ended with {code}")
                run.expect(
                    that="UGC_ETL__MAX_BAD_IN_A_ROW" in parts.etl.err, what="it did not say why"
                )
                run.expect(that=len(letters) <= few + _FUSE, what=f"{len(letters)} letters")
                await run.share(of=2)
                parts.etl.environment["UGC_ETL__MAX_BAD_IN_A_ROW"] = str(10 * _FLOOD)
                await parts.etl.start()
            await run.share(of=2)
        run.facts["letters_when_stopped"] = len(letters)
        return await run.verdict()


async def letters_refused(stage: Stage) -> Verdict:
    """Row 21: dead letters cannot be written for a while."""
    async with running_parts(stage.places, stage.environment) as parts:
        await parts.etl.start()
        partition = partition_for(str(_OWNER).encode(), parts.settings.log.partitions)
        async with trial(stage, parts) as run:
            await run.share()
            async with run.fault():
                async with no_letters(parts):
                    await run.put_poison(3, key=_OWNER)
                    first = min(place.offset for place in run.poison)
                    await run.share()
                    await asyncio.sleep(_BLOCKED_S)
                    reached = (await committed(parts.settings.log)).get(partition, 0)
                    letters = await log_records(parts.settings.log, parts.settings.log.dlq_topic)
                run.expect(that=reached <= first, what=f"{reached} was committed past {first}")
                run.expect(that=not letters, what=f"{len(letters)} letters were written")
            await run.share()
        return await run.verdict()


@asynccontextmanager
async def no_letters(parts: Parts) -> AsyncIterator[None]:
    """Have the log take no dead letter for as long as the block runs."""
    log = parts.settings.log
    if isinstance(log_target(log.url), SqliteLogTarget):
        with refusing_letters(log_path(parts)):
            yield
        return
    async with admin(log) as client:
        await client.delete_topics([log.dlq_topic])
    try:
        yield
    finally:
        await apply_topics(log)


@contextmanager
def refusing_letters(log: Path) -> Iterator[None]:
    """Have a log in a file refuse every dead letter; everything else goes on."""
    with closing(apsw.Connection(str(log))) as db:
        db.set_busy_timeout(10_000)
        topic = db.execute("SELECT id FROM topic WHERE name = 'views.dlq'").get
        db.execute(
            "CREATE TRIGGER no_letters BEFORE INSERT ON record"
            f" WHEN NEW.id >> {_TOPIC_SHIFT} = {topic:d}"
            " BEGIN SELECT RAISE(ABORT, 'no letters today'); END"
        )
        try:
            yield
        finally:
            db.execute("DROP TRIGGER no_letters")
