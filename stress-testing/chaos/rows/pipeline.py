"""Faults between the log and the warehouse: rows 11, 13, 14, 15, 19, 25."""

import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec

from chaos.parts import Parts, running_parts
from chaos.programs import until
from chaos.proxy import Proxy
from chaos.traps import Insert, Moment, Trap
from chaos.trial import Stage, Trial, Verdict, trial
from ugc_core.bootstrap import open_warehouse

_TRAPPED_S = 30.0
_PUSHING = 2


@asynccontextmanager
async def behind_proxy(stage: Stage, proxy: Proxy) -> AsyncIterator[Parts]:
    """Run the parts, with a proxy between pipeline and warehouse."""
    async with proxy.listening() as port:
        # Small batches are many inserts, and so many places for a fault to strike.
        environment = {"UGC_ETL__MAX_AGE_S": "0.05", **stage.environment}
        async with running_parts(stage.places, environment, warehouse_port=port) as parts:
            proxy.port = parts.warehouse_port
            await parts.etl.start()
            yield parts


async def everything_three_times(stage: Stage) -> Verdict:
    """Row 11: every report three times, in other orders, some days late."""
    async with running_parts(stage.places, stage.environment) as parts:
        await parts.etl.start()
        async with trial(stage, parts, copies=3) as run:
            await run.share(of=1)
        made, repeats = len(run.journal.events), run.journal.repeats
        run.facts["sent"] = made + repeats
        run.expect(that=repeats >= 2 * made, what="too few copies were sent")
        return await run.verdict()


async def killed_before_commit(stage: Stage) -> Verdict:
    """Row 13: the pipeline is killed after an insert or a ledger entry, before the commit."""
    proxy, kills = Proxy(), 20 if stage.long else 3
    async with behind_proxy(stage, proxy) as parts:
        async with trial(stage, parts) as run:
            for number in range(kills):
                await run.share(of=kills + 1)
                table = "ingested" if number % 3 == 2 else "views_raw"
                async with run.fault():
                    trap = Trap(Moment.ANSWER, table, lambda: parts.etl.send(signal.SIGKILL))
                    insert = await sprung(proxy, trap)
                    await parts.etl.ended()
                    await parts.etl.start()
                if stage.tokens:
                    _expect_repeat(run, proxy, insert)
            await run.share(of=kills + 1)
        run.facts["kills"] = kills
        return await run.verdict()


async def answer_lost(stage: Stage) -> Verdict:
    """Row 14: the connection is cut after the server has the rows, before it can say so."""
    return await _led_astray(stage, Moment.ANSWER)


async def progress_then_exception(stage: Stage) -> Verdict:
    """Row 15: the server reports progress, then fails the insert."""
    return await _led_astray(stage, Moment.REFUSE)


async def warehouse_killed_midway(stage: Stage) -> Verdict:
    """Row 25: chdb-server is killed with half of an insert's rows on their way."""
    proxy, kills = Proxy(), 10 if stage.long else 2
    async with behind_proxy(stage, proxy) as parts:
        async with trial(stage, parts) as run:
            for _ in range(kills):
                await run.share(of=kills + 1)
                async with run.fault():
                    trap = Trap(Moment.MIDWAY, act=lambda: parts.chdb.send(signal.SIGKILL))
                    insert = await sprung(proxy, trap)
                    await parts.chdb.ended()
                    await parts.chdb.start()
                if stage.tokens:
                    _expect_repeat(run, proxy, insert)
            await run.share(of=kills + 1)
        run.facts["kills"] = kills
        return await run.verdict()


async def _led_astray(stage: Stage, moment: Moment) -> Verdict:
    proxy, times = Proxy(), 20 if stage.long else 4
    async with behind_proxy(stage, proxy) as parts:
        async with trial(stage, parts) as run:
            for _ in range(times):
                await run.share(of=times + 1)
                async with run.fault():
                    insert = await sprung(proxy, Trap(moment))
                if stage.tokens:
                    _expect_repeat(run, proxy, insert)
            await run.share(of=times + 1)
        run.facts["inserts_led_astray"] = times
        return await run.verdict()


async def past_the_window(stage: Stage) -> Verdict:
    """Row 19: the same batch comes again after its token was forgotten."""
    proxy = Proxy()
    async with behind_proxy(stage, proxy) as parts:
        async with trial(stage, parts) as run:
            await run.share()
            trap = Trap(Moment.ANSWER, act=lambda: parts.etl.send(signal.SIGKILL))
            insert = await sprung(proxy, trap)
            await parts.etl.ended()
            await _forget_tokens(parts)
            rows = await _raw_rows(parts)
            await run.share()
            async with run.fault():
                await parts.etl.start()
            await run.share()
        if stage.tokens:
            _expect_repeat(run, proxy, insert)
        await run.rest()
        doubled = await _raw_rows(parts) - len(run.journal.events) - _PUSHING
        run.facts |= {"raw_rows_at_fault": rows, "raw_rows_doubled_before_merge": doubled}
        run.expect(
            that=doubled > 0, what="the repeated batch was hidden: its token was still known"
        )
        return await run.verdict()


async def _forget_tokens(parts: Parts) -> None:
    """Let the warehouse remember one token only, and no merge hide what that brings."""
    async with open_warehouse(parts.settings.warehouse) as warehouse:
        await warehouse.execute("SYSTEM STOP MERGES views_raw")
        await warehouse.execute(
            "ALTER TABLE views_raw MODIFY SETTING non_replicated_deduplication_window = 1"
        )
        for number in range(_PUSHING):  # newer tokens push the older ones out
            await warehouse.execute(
                "INSERT INTO views_raw SELECT * FROM views_raw LIMIT 1",
                settings={"insert_deduplication_token": f"another {number}"},
            )


async def _raw_rows(parts: Parts) -> int:
    async with open_warehouse(parts.settings.warehouse) as warehouse:
        answer = await warehouse.read("SELECT count() FROM views_raw")
    return msgspec.convert(answer.rows[0][0], int)


def _expect_repeat(run: Trial, proxy: Proxy, insert: Insert) -> None:
    """The same range comes again with the same token."""
    if insert.table == "views_raw":
        again = proxy.after(insert)
        said = f"{insert.token} was followed by {again.token if again else 'nothing'}"
        run.expect(that=again is not None and again.batch == insert.batch, what=said)
        return
    at = proxy.inserts.index(insert)
    known = _batches(proxy.inserts[:at])
    what = "no range was repeated after its ledger entry"
    run.expect(that=bool(known & _batches(proxy.inserts[at:])), what=what)


def _batches(inserts: Sequence[Insert]) -> set[str]:
    return {insert.batch for insert in inserts if insert.table == "views_raw"}


async def sprung(proxy: Proxy, trap: Trap) -> Insert:
    """Set a trap, and wait until it has closed."""
    count = len(proxy.sprung)
    proxy.traps.append(trap)
    await until(lambda: len(proxy.sprung) > count, f"{trap.moment}", within_s=_TRAPPED_S)
    return proxy.sprung[count]
