"""Faults of whole processes under `ugc up`: rows 8, 9, 25 and 26."""

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import apsw
import psutil

from chaos.judge import Difference
from chaos.programs import LateError, until
from chaos.systems import Up, log_path, running_up, up_program
from chaos.trial import Stage, Trial, Verdict, trial
from ugc_core.bootstrap import open_warehouse

_INSERTS = "SELECT 1 FROM system.processes WHERE query LIKE 'INSERT INTO %views_raw%' LIMIT 1"
_IN_USE = 5
_AGAIN_S = 20.0
_BURST = 100
_MOST_KILLS = 10
_GROUP = 3
"""Records of one transaction: several callers wait for it."""
_HUNG_S = 90.0
_PAUSED_S = 1.0
_BUSY = {"UGC_ETL__MAX_AGE_S": "0.02", "UGC_WAREHOUSE__INSERT_TIMEOUT_S": "10"}
"""Inserts one after the other, so that a fault meets one; and no minute's wait for each."""


async def api_killed(stage: Stage) -> Verdict:
    """Row 8: the API is killed while requests are under way."""
    kills = 4 if stage.long else 2
    async with running_up(stage.folder, stage.environment) as up:
        async with trial(stage, up) as run:
            # On a quick machine everybody may have been answered when the signal comes.
            for number in _strikes(kills, lambda: run.traffic.cut > 0):
                run.facts["kills"] = number
                await run.share(of=kills + 1)
                async with run.fault():
                    child = up.services()["ugc_api"]
                    striking = asyncio.to_thread(strike_at_append, log_path(up), child.kill)
                    await asyncio.gather(striking, run.traffic.burst(_BURST))
                    await _another(up, "ugc_api", child, within_s=_AGAIN_S)
            await run.share(of=kills + 1)
        run.facts["requests_cut"] = run.traffic.cut
        run.expect(that=run.traffic.cut > 0, what="no request was under way")
        verdict = await run.verdict()
        if stage.long and not verdict.figures["copies_in_log"]:
            verdict.differences.append(Difference("expectation", "no retry was a copy"))
        return verdict


async def stopped_under_load(stage: Stage) -> Verdict:
    """Row 9: SIGTERM for the API, the pipeline, and `ugc up` itself."""
    async with running_up(stage.folder, stage.environment) as up:
        async with trial(stage, up) as run:
            for module, name in (("ugc_api", "ugc-api"), ("ugc_etl", "ugc-etl")):
                await run.share(of=4)
                async with run.fault():
                    await _replaced(run, up, module, lambda child: child.terminate())
                codes = re.findall(rf"{name} ended \((.*?)\)", up.program.err)
                run.expect(that=codes == ["exit code 0"], what=f"{name} ended with {codes}")
            await run.share(of=4)
            async with run.fault():
                code = await up.program.stop()
                await up.program.start()
            run.expect(that=code == 0, what=f"`ugc up` ended with {code}")
            await run.share(of=4)
        return await run.verdict()


async def warehouse_killed(stage: Stage) -> Verdict:
    """Row 25: chdb-server is killed, and hangs, in the middle of inserts."""
    kills = 3 if stage.long else 1
    async with running_up(stage.folder, {**_BUSY, **stage.environment}) as up:
        async with trial(stage, up) as run:
            # The insert that was seen may be over when the signal comes.
            for number in _strikes(kills, lambda: _insert_cut(up)):
                run.facts["kills"] = number
                await run.share(of=kills + 2)
                async with run.fault():
                    child = up.services()["chdb_server"]
                    striking = strike_at_insert(up, child.kill)
                    await asyncio.gather(striking, run.traffic.burst(_BURST))
                    await _another(up, "chdb_server", child, within_s=_AGAIN_S)
            await run.share(of=kills + 2)
            async with run.fault():
                await _hang(stage, up, run)
            await run.share(of=kills + 2)
        run.expect(that=_insert_cut(up), what="no insert was under way")
        not_taken = run.traffic.statuses.total() - run.traffic.accepted
        run.expect(that=not not_taken, what=f"{dict(run.traffic.statuses)}: the API noticed")
        return await run.verdict()


def _strikes(least: int, met: Callable[[], bool]) -> Iterator[int]:
    """Number the strikes: so many, and further ones until one has met what it was meant for."""
    for number in range(1, _MOST_KILLS + 1):
        yield number
        if number >= least and met():
            return


def _insert_cut(up: Up) -> bool:
    """Say whether the pipeline has had an insert fail."""
    return "what=insert" in (up.data / "logs" / "ugc-etl.log").read_text("utf-8")


async def _hang(stage: Stage, up: Up, run: Trial) -> None:
    """Stop the warehouse for a while; in the long form until `ugc up` ends it."""
    child = up.services()["chdb_server"]
    child.suspend()
    if stage.long:
        await _another(up, "chdb_server", child, within_s=_HUNG_S)
        run.facts["hung_until"] = "ended by ugc up"
        return
    accepted = run.traffic.accepted
    await asyncio.sleep(_PAUSED_S)
    run.expect(that=run.traffic.accepted > accepted, what="nothing was accepted meanwhile")
    child.resume()


async def second_up(stage: Stage) -> Verdict:
    """Row 26: a second `ugc up` on the directory, then one after a crash has left its lock."""
    async with running_up(stage.folder, stage.environment) as up:
        second, _ = up_program(stage.folder / "second", up.data, stage.environment)
        async with trial(stage, up) as run:
            await run.share()
            try:
                second.begin()
                code = await second.ended()
            finally:
                second.put_away()
            said = second.err
            run.expect(that=code == _IN_USE, what=f"the second one ended with {code}")
            run.expect(
                that=str(up.data) in said and "--data" in said, what=f"the second one said {said}"
            )
            run.expect(that=up.program.runs, what="the first one has ended")
            await run.share()
            async with run.fault():
                await up.program.kill()
                run.expect(that=(up.data / "up.lock").exists(), what="no lock was left behind")
                await up.program.start()
            await run.share()
        return await run.verdict()


async def strike_at_insert(up: Up, act: Callable[[], None]) -> None:
    """Act while the warehouse is at work on an insert of reports."""
    async with open_warehouse(up.settings.warehouse) as warehouse, asyncio.timeout(_AGAIN_S):
        while not (await warehouse.read(_INSERTS)).rows:
            pass  # an insert is over in milliseconds: ask without a pause
        act()


def strike_at_append(log: Path, act: Callable[[], None]) -> None:
    """Act as soon as a group of appends is durable, before all of its callers can have heard."""
    with closing(apsw.Connection(str(log))) as db:
        db.set_busy_timeout(10_000)
        high = "SELECT sum(high) FROM lane"
        before = now = int(db.execute(high).get)
        deadline = time.monotonic() + _AGAIN_S
        while now - before < _GROUP and time.monotonic() < deadline:
            before, now = now, int(db.execute(high).get)
    act()


async def _replaced(run: Trial, up: Up, module: str, act: Callable[[psutil.Process], None]) -> None:
    """Do something to a service, and wait until another process is in its place."""
    child = up.services()[module]
    await asyncio.sleep(
        run.traffic.players.rng.uniform(0, 0.03)
    )  # anywhere between two requests, or within one
    act(child)
    await _another(up, module, child, within_s=_AGAIN_S)


async def _another(up: Up, module: str, child: psutil.Process, *, within_s: float) -> None:
    def found() -> bool:
        if not up.program.runs:
            msg = f"`ugc up` has ended: {up.program.err[-1000:]}"
            raise LateError(msg)
        now = up.services().get(module)
        return now is not None and now.pid != child.pid

    await until(found, f"{module} runs again", within_s=within_s)
