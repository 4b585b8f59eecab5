"""A warehouse that is there, and refuses: row 17."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chaos.log_reading import committed, high_marks
from chaos.looks import committed_and_missing
from chaos.parts import Parts
from chaos.programs import until
from chaos.proxy import Proxy
from chaos.rows.pipeline import behind_proxy, sprung
from chaos.traps import Moment, Trap
from chaos.trial import Stage, Trial, Verdict, trial
from ugc_core.bootstrap import open_warehouse

_SEEN_S = 60.0
_READ_ONLY = ("table_readonly = 1", 774)
_TOO_MANY_PARTS = ("parts_to_delay_insert = 1, parts_to_throw_insert = 1", 252)


async def warehouse_refuses(stage: Stage) -> Verdict:
    """Row 17: read-only, too many parts, and the memory limit, one after the other.

    The first two are the engine's own. The third is forged on the wire: a limit that fails
    inserts alone cannot be set on an engine that works.
    """
    proxy = Proxy()
    async with behind_proxy(stage, proxy) as parts:
        async with trial(stage, parts) as run:
            for settings, code in (_READ_ONLY, _TOO_MANY_PARTS):
                await run.share(of=4)
                async with run.fault(), _set(parts, settings):
                    await _expect_wait(run, parts, code)
            async with run.fault():
                await sprung(proxy, Trap(Moment.REFUSE))
            run.expect(that="code 241" in parts.etl.err, what="nothing said code 241")
            await run.share(of=2)
        run.expect(that=set(run.traffic.statuses) == {202}, what="players noticed")
        return await run.verdict()


async def _expect_wait(run: Trial, parts: Parts, code: int) -> None:
    """The pipeline tries again and again, and commits nothing that is not stored."""
    said = parts.etl.err.count(f"code {code}")
    await until(
        lambda: parts.etl.err.count(f"code {code}") > said + 1,
        f"the refusal with code {code} is noticed",
        within_s=_SEEN_S,
    )
    await run.share(of=4)
    log = parts.settings.log
    run.expect(that=await committed(log) != await high_marks(log), what="nothing waits")
    missing = await committed_and_missing(parts.settings)
    run.expect(that=not missing, what=f"committed, not stored: {missing}")


@asynccontextmanager
async def _set(parts: Parts, settings: str) -> AsyncIterator[None]:
    """Change settings of the raw table for as long as the block runs."""
    names = ", ".join(one.split(" = ")[0] for one in settings.split(", "))
    await _execute(parts, "SYSTEM STOP MERGES views_raw")
    await _execute(parts, f"ALTER TABLE views_raw MODIFY SETTING {settings}")
    try:
        yield
    finally:
        await _execute(parts, f"ALTER TABLE views_raw RESET SETTING {names}")
        await _execute(parts, "SYSTEM START MERGES views_raw")


async def _execute(parts: Parts, sql: str) -> None:
    async with open_warehouse(parts.settings.warehouse) as warehouse:
        await warehouse.execute(sql)
