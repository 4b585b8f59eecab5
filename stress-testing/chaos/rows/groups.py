"""The group, its commits and its partitions: rows 7 and 12."""

import asyncio
import signal
from collections import Counter
from uuid import UUID

import msgspec

from chaos.cluster import cut_off, forget_group
from chaos.judge import Difference
from chaos.log_reading import committed, high_marks, log_records
from chaos.looks import committed_and_missing
from chaos.parts import Parts, running_parts
from chaos.programs import Program, script, until, until_told
from chaos.trial import Stage, Trial, Verdict, trial
from chaos.wire import Weather, Wire
from ugc_cli.setup import apply_topics
from ugc_core.events import Event
from ugc_core.settings import LogSection

_FAILED = 1
_TAKEN_S = 60.0
_MORE_PARTITIONS = 2
_LEAST_WAITING = 2
"""Records: one is removed, and one is left; many reports may share one."""
_TELLING = ("ledger", "verify")
"""What the oracle says of records that were removed unread."""


async def truncated(stage: Stage) -> Verdict:
    """Row 7: unread records are removed; the pipeline stops, until a person goes on past them."""
    async with running_parts(stage.places, stage.environment) as parts:
        await parts.etl.start()
        async with trial(stage, parts) as run:
            await run.share(of=4)
            await run.recovered()
            partition = await _goes_unread(run, parts, forgotten=False)
            await _way_on(run, parts, partition)
            await run.share(of=2)
        return _but_for_the_hole(await run.verdict(), partition)


async def commits_expired(stage: Stage) -> Verdict:
    """Row 7: the group's commits expire while nobody reads.

    Everything that is there is read again, and no row comes twice. The second time the brokers
    have removed unread records, too: without a commit only the ledger can tell, and the
    pipeline stops.
    """
    async with running_parts(stage.places, stage.environment) as parts:
        await parts.etl.start()
        async with trial(stage, parts) as run:
            run.reread = True
            await run.share(of=4)
            await run.recovered()
            await parts.etl.stop()
            await forget_group(parts.settings.log)
            run.expect(that=not await committed(parts.settings.log), what="commits are still there")
            await run.share(of=4)
            async with run.fault():
                await parts.etl.start()
            partition = await _goes_unread(run, parts, forgotten=True)
            await _way_on(run, parts, partition)
            await run.share(of=2)
        return _but_for_the_hole(await run.verdict(), partition)


async def _goes_unread(run: Trial, parts: Parts, *, forgotten: bool) -> int:
    """Have the brokers remove records that the pipeline has not read; return their partition."""
    log = parts.settings.log
    await until_told(lambda: _has_committed(log), "something is committed")
    await parts.etl.stop()
    at = await committed(log)
    # One from which nothing was ever read begins wherever its log does, and that is no loss.
    partition, high = next(iter(at)), await high_marks(log)
    while high[partition] - at[partition] < _LEAST_WAITING:
        await run.share(of=4)
        high = await high_marks(log)
        partition = max(at, key=lambda p: high[p] - at[p])
    start, waiting = at[partition], high[partition] - at[partition]
    low = start + waiting // 2
    run.gone = await _reports(log, partition, start, low)
    run.facts["removed"] = len(run.gone)
    run.expect(that=bool(run.gone), what="nothing unread was removed")
    if forgotten:
        await forget_group(log)
    await cut_off(log, {partition: low})
    before = len(parts.etl.err)
    parts.etl.begin()
    code = await parts.etl.ended()
    said = parts.etl.err[before:]
    run.expect(that=code == _FAILED, what=f"the pipeline ended with {code}")
    for words in (f"[{partition}]", str(low), "were removed", "ugc offsets reset"):
        run.expect(that=words in said, what=f"it does not say {words!r}: {said[-500:]}")
    reached = (await committed(log)).get(partition)
    left = None if forgotten else start
    run.expect(that=reached == left, what=f"{reached} was committed in place of {left}")
    return partition


async def _has_committed(log: LogSection) -> bool:
    return bool(await committed(log))


async def _way_on(run: Trial, parts: Parts, partition: int) -> None:
    """Do what the message says, and find that it works."""
    words = ("offsets", "reset", "--partition", str(partition), "--to", "earliest", "--yes")
    command = Program(
        [script("ugc"), *words],
        output=parts.output / "offsets",
        environment=parts.etl.environment,
        ready="",
    )
    try:
        async with run.fault():
            command.begin()
            code = await command.ended()
            run.expect(that=code == 0, what=f"the move ended with {code}: {command.err}")
            await parts.etl.start()
    finally:
        command.put_away()


async def partitions_added(stage: Stage) -> Verdict:
    """Row 7: partitions are added under traffic; they are read from their beginning."""
    async with running_parts(stage.places, stage.environment) as parts:
        await parts.etl.start()
        log = parts.settings.log
        wider = msgspec.structs.replace(log, partitions=log.partitions + _MORE_PARTITIONS)
        async with trial(stage, parts) as run:
            await run.share()
            pid = parts.etl.process.pid
            async with run.fault():
                await apply_topics(wider)
                await until_told(lambda: _used(log, wider.partitions), "new partitions are used")
            await run.share()
            await run.share()
        run.expect(that=parts.etl.runs and parts.etl.process.pid == pid, what="the pipeline ended")
        return await run.verdict()


async def _used(log: LogSection, partitions: int) -> bool:
    marks = await high_marks(log)
    return len(marks) == partitions and all(marks.values())


async def rebalanced(stage: Stage) -> Verdict:
    """Row 12: a second pipeline joins in mid-insert, leaves, is killed, and falls silent."""
    wire = Wire()
    async with wire.listening() as port:
        # Small batches are many inserts, and so many places for a rebalance to strike.
        environment = {"UGC_ETL__MAX_AGE_S": "0.05", **stage.environment}
        async with running_parts(stage.places, environment, warehouse_port=port) as parts:
            wire.target = parts.warehouse_port
            await parts.etl.start()
            direct = {"UGC_WAREHOUSE__URL": parts.settings.warehouse.url}
            with parts.another_etl(**direct) as second:
                async with trial(stage, parts) as run:
                    await run.share(of=5)
                    await _joins_midway(run, parts, second, wire)
                    await run.share(of=5)
                    async with run.fault():
                        code = await second.stop()
                        run.expect(that=code == 0, what=f"the second one ended with {code}")
                    await _killed(run, parts, second)
                    await run.share(of=5)
                    await _silent(run, parts, second)
                    await run.share(of=5)
                return await run.verdict()


async def _joins_midway(run: Trial, parts: Parts, second: Program, wire: Wire) -> None:
    """Have the first one's inserts wait on the wire while the group shares out anew."""
    async with run.fault():
        wire.weather = Weather.HELD
        await run.traffic.more(50)
        await _starts(second)
        await _expect_nothing_missing(run, parts)
        wire.weather = Weather.FAIR


async def _killed(run: Trial, parts: Parts, second: Program) -> None:
    await _starts(second)
    async with run.fault():
        await second.kill()
        await _expect_nothing_missing(run, parts)


async def _silent(run: Trial, parts: Parts, second: Program) -> None:
    """Stop the second one with all it has in hand; the group goes on without it."""
    await _starts(second)
    async with run.fault():
        second.send(signal.SIGSTOP)
        await asyncio.sleep(1.5 * parts.settings.log.kafka.session_timeout_s)
        await run.recovered()
        second.send(signal.SIGCONT)
        await run.traffic.more(50)
        await _expect_nothing_missing(run, parts)
    run.expect(that=second.runs, what="the one that fell silent has ended")


async def _starts(second: Program) -> None:
    """Start the second one, and wait until it has been given partitions."""
    before = second.err.count("partitions_taken")
    await second.start()
    await until(
        lambda: second.err.count("partitions_taken") > before,
        "the second one has partitions",
        within_s=_TAKEN_S,
    )


async def _expect_nothing_missing(run: Trial, parts: Parts) -> None:
    missing = await committed_and_missing(parts.settings)
    run.expect(that=not missing, what=f"committed, not stored: {missing}")


async def _reports(log: LogSection, partition: int, start: int, end: int) -> set[UUID]:
    """Return the reports in a range of the log."""
    return {
        msgspec.json.decode(line, type=Event).event_id
        for record in await log_records(log, log.topic)
        if record.partition == partition and start <= record.offset < end
        for line in record.value.split(b"\n")
    }


def _but_for_the_hole(verdict: Verdict, partition: int) -> Verdict:
    """Take out what tells of the removed records, and demand that `ugc verify` does."""
    where = f"[{partition}]"
    told = [one for one in verdict.differences if one.kind in _TELLING and where in one.what]
    rest = [one for one in verdict.differences if one not in told]
    kinds = Counter(one.kind for one in told)
    if not kinds["verify"]:
        rest.append(Difference("expectation", "`ugc verify` does not name the hole"))
    return Verdict(figures=verdict.figures | {"hole_named_by": dict(kinds)}, differences=rest)
