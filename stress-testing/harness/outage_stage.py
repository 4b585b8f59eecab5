"""The processes of one outage: a warehouse that goes and comes back, a pipeline that is watched."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from chaos.parts import chdb_program, etl_program, told_of, warehouse_url
from msgspec import Struct

from harness import kafka
from harness.acknowledged import Acknowledged, Verdict
from harness.etl_memory import Sample, look
from harness.kafka_pipeline import read_to_the_end, tables, topic
from harness.ledger import ingested
from harness.outage import Standing, caught_up
from ugc_core.bootstrap import open_warehouse
from ugc_core.errors import TransientError
from ugc_core.settings import EtlSection, LogSection, WarehouseSection
from ugc_core.urls import warehouse_target

USUAL = EtlSection()
_LAG_S = 2.0
"""It has caught up when it is no further behind than this much of the live load."""
_ASK_EVERY_S = 0.2
_CATCH_UP_S = 1200.0
_PATIENT_S = 300.0


class Trial(Struct, frozen=True, kw_only=True):
    """One outage.

    Attributes:
        name: What happens to the warehouse.
        words: The same for the chart.
        hangs: Whether it stands still with its connections open, instead of being killed.
        buffered_bytes: The setting that bounds what waits in a partition.
        share: Part of the time that the others take.
    """

    name: str
    words: str
    hangs: bool = False
    buffered_bytes: int = USUAL.max_buffered_bytes
    share: float = 1.0


class Stage:
    """The processes of one trial, and what was seen of the pipeline."""

    def __init__(self, trial: Trial, folder: Path, log: LogSection) -> None:
        """Start nothing yet."""
        self.log = log
        self.samples: list[Sample] = []
        self.port, self._metrics_port = kafka.free_ports(2)
        self.at = WarehouseSection(url=warehouse_url(self.port), read_timeout_s=_PATIENT_S)
        self._hangs = trial.hangs
        self.chdb = chdb_program(folder / "chdb", folder / "warehouse", self.port)
        settings = {
            **told_of(log),
            "UGC_WAREHOUSE__URL": self.at.url,
            "UGC_ETL__METRICS_PORT": str(self._metrics_port),
            "UGC_ETL__MAX_BUFFERED_BYTES": str(trial.buffered_bytes),
        }
        self.etl = etl_program(folder / "etl", settings)

    async def take_away(self) -> None:
        """Let the warehouse be of no use."""
        if self._hangs:
            self.chdb.send(signal.SIGSTOP)
        else:
            await self.chdb.kill()

    async def bring_back(self) -> None:
        """Let it work again, on the same data and port."""
        if self._hangs:
            self.chdb.send(signal.SIGCONT)
        else:
            await self.chdb.start()

    async def watch(self, every_s: float) -> None:
        """Look at the pipeline again and again."""
        pid = self.etl.process.pid
        while True:
            self.samples.append(await asyncio.to_thread(look, pid, self._metrics_port))
            await asyncio.sleep(every_s)

    async def come_back(self, into: Acknowledged, per_s: float) -> Sequence[Standing]:
        """Return how far the pipeline was, from the first answer until it had caught up."""
        way: list[Standing] = []
        async with asyncio.timeout(_CATCH_UP_S), open_warehouse(self.at) as warehouse:
            while not way or not caught_up(way[-1], per_s=per_s, within_s=_LAG_S):
                with suppress(TransientError):  # it may have to open its tables first
                    stored = await ingested(warehouse)
                    now_s = time.monotonic()
                    way.append(Standing(at_s=now_s, stored=stored, acknowledged=into.count))
                await asyncio.sleep(_ASK_EVERY_S)
        return way

    async def verdict(self, into: Acknowledged) -> Verdict:
        """Compare what is stored with what was acknowledged, once everything is read."""
        await read_to_the_end(self.log, within_s=_CATCH_UP_S)
        async with open_warehouse(self.at) as warehouse:
            return await into.compare(warehouse)


@asynccontextmanager
async def staged(trial: Trial, brokers: kafka.Brokers, folder: Path) -> AsyncIterator[Stage]:
    """Start everything in a folder; end it at the end."""
    stage = Stage(trial, folder, await topic(brokers.url, trial.name))
    try:
        await stage.chdb.start()
        await tables(stage.port, warehouse_target(stage.at.url).database)
        await stage.etl.start()
        yield stage
    finally:
        stage.etl.put_away()
        stage.chdb.put_away()
