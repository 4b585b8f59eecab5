"""Bad lines to the brokers and to the warehouse: rows 5, 6, 10 and 16."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from chaos.log_reading import committed, high_marks
from chaos.looks import committed_and_missing
from chaos.parts import Parts, running_parts
from chaos.produce_requests import OutOfOrder
from chaos.programs import LateError, until
from chaos.rows.brokers import expect_prompt
from chaos.trial import Stage, Trial, Verdict, trial
from chaos.wire import Weather, Wire

_SEEN_S = 90.0
_SPARE = 6
"""Descriptors that come and go: connections to players, and those that are made anew."""
_CLOSED_S = 30.0
_SLOTS = 64
_IMPATIENT_S = 0.3
_BAD = (Weather.DEAF, Weather.LOSSY, Weather.SLOW)


@asynccontextmanager
async def on_detours(
    stage: Stage, environment: Mapping[str, str]
) -> AsyncIterator[tuple[Parts, list[Wire]]]:
    """Run the parts, with a proxy between them and each broker."""
    brokers = stage.brokers.brokers
    wires = [Wire(target=broker.detour[0]) for broker in brokers.members.values()]
    async with AsyncExitStack() as stack:
        for wire, broker in zip(wires, brokers.members.values(), strict=True):
            await stack.enter_async_context(wire.listening(broker.detour[1]))
        url = brokers.detour_url
        running = running_parts(
            stage.places, {**stage.environment, **environment}, api_log=url, etl_log=url
        )
        parts = await stack.enter_async_context(running)
        await parts.etl.start()
        yield parts, wires


async def out_of_order(stage: Stage) -> Verdict:
    """Row 5: the broker refuses batches for their sequence numbers; the producer is made anew."""
    times = 10 if stage.long else 2
    async with on_detours(stage, {}) as (parts, wires):
        wrong = OutOfOrder()
        for wire in wires:
            wire.rewrite = wrong
        async with trial(stage, parts) as run:
            for _ in range(times):
                await run.share(of=times + 1)
                async with run.fault():
                    wrong.wanted = 1
                    await until(lambda: not wrong.wanted, "a batch is refused")
            await run.share(of=times + 1)
        replaced = parts.http.out.count("kafka_producer_replaced")
        replaced += parts.http.err.count("kafka_producer_replaced")
        run.expect(that=replaced >= times, what=f"the producer was replaced {replaced} times")
        run.facts |= {"refused": wrong.changed, "replaced": replaced}
        expect_prompt(run)
        return await run.verdict()


async def bad_line_to_kafka(stage: Stage) -> Verdict:
    """Row 6: half-open, lossy and slow connections to the brokers."""
    async with on_detours(stage, {}) as (parts, wires):
        async with trial(stage, parts) as run:
            await run.share(of=5)
            await run.recovered()
            before = descriptors(parts)
            await _through(run, wires, lasting_s=30.0 if stage.long else 2.5)
            await expect_closed(run, parts, before)
            await run.share(of=5)
        expect_prompt(run)
        return await run.verdict()


async def bad_line_to_warehouse(stage: Stage) -> Verdict:
    """Row 6: the same to the warehouse; players notice nothing."""
    async with on_wire(stage, insert_timeout_s=60.0 if stage.long else 1.0) as (parts, wire):
        async with trial(stage, parts) as run:
            await run.share(of=5)
            await run.recovered()
            before = descriptors(parts)
            await _through(run, [wire], lasting_s=90.0 if stage.long else 1.5)
            await expect_closed(run, parts, before)
            await run.share(of=5)
        run.expect(that=set(run.traffic.statuses) == {202}, what="players noticed")
        return await run.verdict()


async def warehouse_silent(stage: Stage) -> Verdict:
    """Row 16: the warehouse takes connections and never answers."""
    timeout_s = 60.0 if stage.long else 2.0
    async with on_wire(stage, insert_timeout_s=timeout_s) as (parts, wire):
        async with trial(stage, parts) as run:
            await run.recovered()
            taken = parts.etl.err.count("partitions_taken")
            async with run.fault():
                wire.weather = Weather.HELD
                tries = parts.etl.err.count("trying_again")
                await until(
                    lambda: parts.etl.err.count("trying_again") > tries + 1,
                    "the insert's deadline is over, twice",
                    within_s=3 * timeout_s + _SEEN_S,
                )
                await run.share()
                at, high = await committed(parts.settings.log), await high_marks(parts.settings.log)
                run.expect(that=at != high, what="nothing waits")
                missing = await committed_and_missing(parts.settings)
                run.expect(that=not missing, what=f"committed, not stored: {missing}")
                wire.weather = Weather.FAIR
            again = parts.etl.err.count("partitions_taken") - taken
            run.expect(that=not again, what="the group took the partitions away meanwhile")
            await run.share()
        run.expect(that=set(run.traffic.statuses) == {202}, what="players noticed")
        return await run.verdict()


async def clients_leave(stage: Stage) -> Verdict:
    """Row 10: players leave while their reports are on the way to the brokers."""
    async with on_detours(stage, {"UGC_LOG__MAX_IN_FLIGHT": str(_SLOTS)}) as (parts, wires):
        async with trial(stage, parts) as run:
            await run.share()
            await run.recovered()
            before = descriptors(parts)
            waves = 20 if stage.long else 3
            for _ in range(waves):
                async with run.fault():
                    for wire in wires:
                        wire.weather = Weather.HELD
                    await run.traffic.burst(_SLOTS // 2, timeout_s=_IMPATIENT_S)
                    for wire in wires:
                        wire.weather = Weather.FAIR
            await run.share()
            await expect_closed(run, parts, before)
            await run.share()
        left = run.traffic.cut
        run.expect(that=left > _SLOTS, what=f"only {left} players have left")
        run.facts["players_left"] = left
        return await run.verdict()


@asynccontextmanager
async def on_wire(stage: Stage, *, insert_timeout_s: float) -> AsyncIterator[tuple[Parts, Wire]]:
    """Run the parts, with a proxy between pipeline and warehouse."""
    wire = Wire()
    told = {
        "UGC_ETL__MAX_AGE_S": "0.05",
        "UGC_WAREHOUSE__INSERT_TIMEOUT_S": str(insert_timeout_s),
        "UGC_WAREHOUSE__READ_TIMEOUT_S": str(insert_timeout_s),
        **stage.environment,
    }
    async with (
        wire.listening() as port,
        running_parts(stage.places, told, warehouse_port=port) as parts,
    ):
        wire.target = parts.warehouse_port
        await parts.etl.start()
        yield parts, wire


async def _through(run: Trial, wires: list[Wire], *, lasting_s: float) -> None:
    """Let one bad weather come after the other."""
    for weather in _BAD:
        async with run.fault():
            for wire in wires:
                wire.weather = weather
            await asyncio.sleep(lasting_s)
            for wire in wires:
                wire.weather = Weather.FAIR
        await run.share(of=5)


def descriptors(parts: Parts) -> Mapping[str, int]:
    """Return how many files and connections each of our services has open."""
    return {
        name: process.num_fds()
        for name, process in parts.services().items()
        if name != "chdb_server"
    }


async def expect_closed(
    run: Trial, parts: Parts, before: Mapping[str, int], *, within_s: float = _CLOSED_S
) -> None:
    """No service holds more than it did before, but for a few."""

    def settled() -> bool:
        return all(many <= before[name] + _SPARE for name, many in descriptors(parts).items())

    try:
        await until(settled, "descriptors are closed", within_s=within_s)
    except LateError:
        run.expect(that=False, what=f"descriptors: {before}, then {descriptors(parts)}")
    run.facts["descriptors"] = {"before": dict(before), "after": dict(descriptors(parts))}
