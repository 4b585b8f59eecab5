"""A backlog of the log brought into a warehouse by one pipeline or several of one group."""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psutil
from chaos.parts import etl_program, told_of
from chaos.programs import Program
from msgspec import Struct
from msgspec.structs import replace

from harness.acknowledged import Acknowledged, Verdict
from harness.kafka_pipeline import cpu_s, read_to_the_end, tables
from harness.turns import turns
from ugc_core.bootstrap import open_warehouse
from ugc_core.settings import LogSection, WarehouseSection
from ugc_core.urls import warehouse_target

_WAIT_S = 600.0
_LEDGER = (
    "SELECT partition, sum(stored), max(ingested_at) FROM ingested FINAL"
    " WHERE topic = {topic:String} GROUP BY partition"
)


class _Kept(Struct, array_like=True):
    """What the ledger has of a partition: its reports, and when the last of them came."""

    partition: int
    stored: int
    last_at: datetime


class UnevenError(Exception):
    """The group shared out its partitions more than once, or not to all: nothing to measure."""


class Drained(Struct, kw_only=True):
    """What one run took.

    Attributes:
        rows: Reports stored.
        seconds: From the moment when all pipelines had their partitions until the last batch was
            in the ledger.
        etl_cpu_s: CPU of each pipeline, without its start.
        server_cpu_s: CPU of the warehouse.
        broker_cpu_s: CPU of the broker.
        largest_share: Part of the rows that the busiest pipeline had.
        ids: Whether what is stored is what was acknowledged.
    """

    rows: int
    seconds: float
    etl_cpu_s: list[float]
    server_cpu_s: float
    broker_cpu_s: float
    largest_share: float
    ids: Verdict

    @property
    def rows_per_s(self) -> float:
        """Reports a second."""
        return self.rows / self.seconds

    @property
    def us_a_row(self) -> float:
        """CPU of the pipelines, for each report."""
        return sum(self.etl_cpu_s) / self.rows * 1e6

    @property
    def cores(self) -> float:
        """Cores that were busy with it, of those that the machine has."""
        return (sum(self.etl_cpu_s) + self.server_cpu_s + self.broker_cpu_s) / self.seconds


class Taking(Struct, kw_only=True):
    """When a pipeline was given partitions, and which, by its own words."""

    at: datetime
    partitions: frozenset[int]


def takings(said: str) -> list[Taking]:
    """Return every time that a pipeline was given partitions, from what it wrote as JSON."""
    found = []
    for line in said.splitlines():
        if line.startswith("{") and (words := json.loads(line))["event"] == "partitions_taken":
            at = datetime.fromisoformat(words["timestamp"])
            found.append(Taking(at=at, partitions=frozenset(words["partitions"])))
    return found


def shared_out(said: Sequence[str], partitions: int) -> list[Taking]:
    """Return what each pipeline was given, once and for all.

    Raises:
        UnevenError: Not each has an equal part, or one was given something twice.
    """
    given = [takings(text) for text in said]
    if any(len(one) != 1 or len(one[0].partitions) * len(said) != partitions for one in given):
        msg = f"{partitions} partitions went to {len(said)} pipelines as {given}"
        raise UnevenError(msg)
    return [one[0] for one in given]


class Bench(Struct, kw_only=True):
    """Where runs take place.

    Attributes:
        folder: For what the pipelines say.
        port: The warehouse's.
        server: The warehouse.
        broker: The broker.
    """

    folder: Path
    port: int
    server: psutil.Process
    broker: psutil.Process

    async def drain(
        self, log: LogSection, into: Acknowledged, *, many: int, share: float | None
    ) -> Drained:
        """Bring the topic in, with tables and a group of its own; drop the tables afterwards.

        Args:
            log: The topic; its group names the tables, too.
            into: What was acknowledged.
            many: How many pipelines.
            share: Part of a core that each may use; None: what it gets.

        Raises:
            UnevenError: The partitions were not shared out once and evenly; it may work again.
        """
        at = await tables(self.port, log.group.replace("-", "_"))
        programs = [self._pipeline(log, at, number) for number in range(many)]
        with ExitStack() as stack:
            for program in programs:
                stack.callback(program.put_away)
                program.begin()
            for program in programs:
                await program.ready()
            processes = [program.process for program in programs]
            before = self._used(processes)
            with turns(processes, share=share):
                await read_to_the_end(log, within_s=_WAIT_S)
                used = [b - a for a, b in zip(before, self._used(processes), strict=True)]
        kept, ids = await self._stored(log, at, into)
        given = shared_out([program.err for program in programs], log.partitions)
        took = max(one.last_at for one in kept) - max(one.at for one in given)
        rows = {one.partition: one.stored for one in kept}
        server_s, broker_s, *etl_s = used
        return Drained(
            rows=sum(rows.values()),
            seconds=took.total_seconds(),
            etl_cpu_s=etl_s,
            server_cpu_s=server_s,
            broker_cpu_s=broker_s,
            largest_share=_largest(rows, [one.partitions for one in given]),
            ids=ids,
        )

    def _used(self, pipelines: Sequence[psutil.Process]) -> list[float]:
        """Return the CPU seconds of the warehouse, of the broker and of each pipeline."""
        # The first two start and end threads, which only the system's own sum still has.
        others = [sum(process.cpu_times()[:2]) for process in (self.server, self.broker)]
        return [*others, *(cpu_s(process.pid) for process in pipelines)]

    async def _stored(
        self, log: LogSection, at: WarehouseSection, into: Acknowledged
    ) -> tuple[list[_Kept], Verdict]:
        """Read and compare what is stored; leave the server no merges for the next run."""
        async with open_warehouse(at, database="default") as outside:
            async with open_warehouse(at) as warehouse:
                rows = (await warehouse.read(_LEDGER, {"topic": log.topic})).rows
                ids = await into.compare(warehouse)
            await outside.execute(f"DROP DATABASE {warehouse_target(at.url).database} SYNC")
        kept = msgspec.convert(rows, list[_Kept])
        return [replace(one, last_at=one.last_at.replace(tzinfo=UTC)) for one in kept], ids

    def _pipeline(self, log: LogSection, at: WarehouseSection, number: int) -> Program:
        settings = {
            **told_of(log),
            "UGC_WAREHOUSE__URL": at.url,
            "UGC_LOGGING__FORMAT": "json",  # its words are read afterwards
        }
        return etl_program(self.folder / f"{log.group}-{number}", settings)


def _largest(rows: Mapping[int, int], given: Sequence[frozenset[int]]) -> float:
    each = [sum(rows.get(partition, 0) for partition in partitions) for partitions in given]
    return max(each) / sum(rows.values())
