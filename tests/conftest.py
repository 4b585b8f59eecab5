"""Fixtures every kind of test may use, and async tests without a plugin."""

import asyncio
import inspect
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple, Protocol
from uuid import UUID

import pytest
from harness.kafka import Brokers, running

from tests.events import uuid7, valid_event
from tests.kafka_logs import kafka_ports, require_kafka
from tests.requirements import lacking
from ugc_core.adapters.memory_log import (
    MemoryLog,
    MemoryLogAdmin,
    MemoryLogOperator,
    MemoryLogReader,
    MemoryLogScanner,
    MemoryLogScrubber,
    MemoryLogWriter,
)
from ugc_core.adapters.sqlite_log_admin import SqliteLogAdmin
from ugc_core.adapters.sqlite_log_operator import SqliteLogOperator
from ugc_core.adapters.sqlite_log_reader import SqliteLogReader
from ugc_core.adapters.sqlite_log_scanner import SqliteLogScanner
from ugc_core.adapters.sqlite_log_scrubber import SqliteLogScrubber
from ugc_core.adapters.sqlite_log_writer import SqliteLogWriter
from ugc_core.bootstrap import LogConsumer, topics
from ugc_core.clock import Clock, ManualClock
from ugc_core.codec import split_lines
from ugc_core.events import Event
from ugc_core.log import LogAdmin, LogScanner, LogScrubber, LogWriter, Record
from ugc_core.log_operator import LogOperator
from ugc_core.settings import LogSection

MakeEvent = Callable[..., Event]
MakeReport = Callable[..., dict[str, object]]


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an `async def` test on an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in wanted}
    asyncio.run(pyfuncitem.obj(**arguments), debug=False)
    return True


@pytest.fixture(scope="session")
def needs() -> Callable[[str], str]:
    """Return a program's path; skip without it, or fail where `UGC_REQUIRE` names it."""

    def find(program: str) -> str:
        return shutil.which(program) or lacking(
            program, f"{program} is not installed (Debian's package of that name)"
        )

    return find


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def make_event() -> MakeEvent:
    """Build valid events that differ only in what the test names.

    Ids count up instead of being random, so a failure reads the same every time.
    """
    ids = count(1)

    def make(*, user: int = 1, film: int = 7, **changes: object) -> Event:
        named = {"user_id": UUID(int=user), "film_id": UUID(int=film)}
        return valid_event(uuid7(next(ids)), **(named | changes))

    return make


@pytest.fixture
def make_report() -> MakeReport:
    """Build the JSON object of a valid report: what a player sends, with a fresh id."""
    ids = count(1)

    def make(**changes: object) -> dict[str, object]:
        fields = {"event_id": str(uuid7(next(ids))), "progress": 120, "total": 5400}
        return fields | changes

    return make


class OpenedLog(NamedTuple):
    """One log, seen through all of its ports."""

    writer: LogWriter
    reader: LogConsumer
    admin: LogAdmin
    scanner: LogScanner
    scrubber: LogScrubber
    operator: LogOperator
    section: LogSection

    @property
    def topic(self) -> str:
        """The topic of the reports."""
        return self.section.topic

    @property
    def group(self) -> str:
        """The reader's group."""
        return self.section.group

    async def records(self, *, at_once: int = 1000) -> dict[int, list[Record]]:
        """Poll until nothing comes any more; return the records by partition."""
        found: dict[int, list[Record]] = {}
        while polled := await self.reader.poll(max_records=at_once, timeout_s=0):
            for partition, records in polled.items():
                found.setdefault(partition, []).extend(records)
        return found

    async def lines(self, *, at_once: int = 1000) -> dict[int, list[bytes]]:
        """Poll until nothing comes any more; return the lines by partition."""
        found = await self.records(at_once=at_once)
        return {
            partition: [line for record in records for line in split_lines(record.value)]
            for partition, records in found.items()
        }


class OpenSqliteLog(Protocol):
    """Opens the log in a file; a second call opens it again, as a restart would."""

    def __call__(
        self, path: Path, section: LogSection, clock: Clock
    ) -> AbstractAsyncContextManager[OpenedLog]: ...


class OpenMemoryLog(Protocol):
    """Opens the log in memory; a second call opens it again, as a restart would."""

    def __call__(
        self, memory: MemoryLog, section: LogSection
    ) -> AbstractAsyncContextManager[OpenedLog]: ...


class OpenKafkaLog(Protocol):
    """Opens the log in a broker; a second call opens it again, as a restart would."""

    def __call__(
        self, section: LogSection, clock: Clock
    ) -> AbstractAsyncContextManager[OpenedLog]: ...


@pytest.fixture(scope="session")
def open_sqlite_log() -> OpenSqliteLog:
    @asynccontextmanager
    async def opened(path: Path, section: LogSection, clock: Clock) -> AsyncIterator[OpenedLog]:
        async with AsyncExitStack() as stack:
            admin = await stack.enter_async_context(SqliteLogAdmin.open(path, section))
            await admin.apply(await admin.plan(topics(section)))
            writer = await stack.enter_async_context(
                SqliteLogWriter.open(path, section.topic, section, clock=clock)
            )
            reader = await stack.enter_async_context(
                SqliteLogReader.open(path, section.topic, section.group, section, clock=clock)
            )
            scanner = await stack.enter_async_context(SqliteLogScanner.open(path, section))
            scrubber = await stack.enter_async_context(SqliteLogScrubber.open(path, section))
            operator = await stack.enter_async_context(SqliteLogOperator.open(path, section))
            yield OpenedLog(writer, reader, admin, scanner, scrubber, operator, section)

    return opened


@pytest.fixture(scope="session")
def open_memory_log() -> OpenMemoryLog:
    @asynccontextmanager
    async def opened(memory: MemoryLog, section: LogSection) -> AsyncIterator[OpenedLog]:
        admin = MemoryLogAdmin(memory)
        await admin.apply(await admin.plan(topics(section)))
        writer = MemoryLogWriter(memory, section.topic, max_in_flight=section.max_in_flight)
        reader = MemoryLogReader(memory, section.topic, section.group)
        scanner, scrubber = MemoryLogScanner(memory), MemoryLogScrubber(memory)
        operator = MemoryLogOperator(memory)
        try:
            yield OpenedLog(writer, reader, admin, scanner, scrubber, operator, section)
        finally:
            reader.leave()

    return opened


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    """One real broker until the last test; every test has topics of its own."""
    require_kafka()
    with running(tmp_path_factory.mktemp("kafka")) as brokers:
        yield brokers


@pytest.fixture(scope="session")
def open_kafka_log() -> OpenKafkaLog:
    @asynccontextmanager
    async def opened(section: LogSection, clock: Clock) -> AsyncIterator[OpenedLog]:
        async with kafka_ports(section, clock) as ports:
            # Kafka's copies end with the retention: there is nothing that takes lines out.
            nothing = MemoryLogScrubber(MemoryLog())
            yield OpenedLog(
                writer=ports.writer,
                reader=ports.reader,
                admin=ports.admin,
                scanner=ports.scanner,
                scrubber=nothing,
                operator=ports.operator,
                section=section,
            )

    return opened
