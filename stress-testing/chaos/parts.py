"""The product's programs without `ugc up` around them: each can be stopped, or led astray."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from chaos.programs import Program, free_port, script
from chaos.systems import SERVICES
from ugc_cli.setup import apply
from ugc_core.api_settings import AuthSection
from ugc_core.settings import LogSection, Settings, WarehouseSection
from ugc_core.urls import warehouse_target

_SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - of a system that lives for a minute


@dataclass(kw_only=True)
class Parts:
    """The same programs without their supervisor: each can be stopped, or led astray.

    Attributes:
        api: Root of the HTTP service.
        settings: The settings; the warehouse's URL leads to the warehouse itself.
        chdb: The warehouse.
        http: The HTTP service.
        etl: The pipeline; not started yet.
        output: Where its programs write what they say.
    """

    api: str
    settings: Settings
    chdb: Program
    http: Program
    etl: Program
    output: Path

    @property
    def warehouse_port(self) -> int:
        """Where the warehouse itself listens."""
        return warehouse_target(self.settings.warehouse.url).port

    def services(self) -> Mapping[str, psutil.Process]:
        """Its processes that run now."""
        programs = dict(zip(SERVICES, (self.chdb, self.http, self.etl), strict=True))
        return {name: program.process for name, program in programs.items() if program.runs}

    @contextmanager
    def another_etl(self, **changes: str) -> Iterator[Program]:
        """Have one more pipeline, for the caller to start; end it at the end.

        Args:
            changes: Variables that are not as the first one's.
        """
        etl = etl_program(self.output / "etl-2", {**self.etl.environment, **changes})
        try:
            yield etl
        finally:
            etl.put_away()


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where a system of parts keeps what it has.

    Attributes:
        output: What its programs say.
        log: Folder of the log.
        warehouse: Folder of the warehouse.
        section: The log, where it is no file in that folder.
        shared: URL of a warehouse that is there already, and of a database that is not.
    """

    output: Path
    log: Path
    warehouse: Path
    section: LogSection | None = None
    shared: str = ""

    @classmethod
    def inside(
        cls, folder: Path, *, section: LogSection | None = None, shared: str = ""
    ) -> "Places":
        """Everything in one folder, but for what is there already."""
        return cls(
            output=folder,
            log=folder / "log",
            warehouse=folder / "warehouse",
            section=section,
            shared=shared,
        )


@asynccontextmanager
async def running_parts(
    places: Places,
    environment: Mapping[str, str],
    *,
    api_command: tuple[str, ...] = (),
    warehouse_port: int | None = None,
    api_log: str = "",
    etl_log: str = "",
) -> AsyncIterator[Parts]:
    """Start warehouse and API; the pipeline is the caller's to start.

    Args:
        places: Where.
        environment: More `UGC_` variables for API and pipeline.
        api_command: Another program in the API's place.
        warehouse_port: Where the pipeline finds the warehouse; by default where it is.
        api_log: Where the API finds the log; by default where it is.
        etl_log: Where the pipeline finds it.
    """
    api_port, chdb_port = free_port(), free_port()
    url = places.shared or warehouse_url(chdb_port)
    settings = Settings(
        log=places.section or LogSection(url=f"sqlite:///{places.log / 'log.db'}"),
        warehouse=WarehouseSection(url=url, read_timeout_s=120),
        auth=AuthSection(secret=_SECRET),
    )
    told = {
        **told_of(settings.log),
        "UGC_AUTH__SECRET": _SECRET,
        "UGC_API__PORT": str(api_port),
        "UGC_LIMITS__USER_REPORTS_PER_S": "0",  # a few players send as fast as it goes
        **environment,
    }
    direct = {"UGC_WAREHOUSE__URL": settings.warehouse.url}
    around = {"UGC_WAREHOUSE__URL": _by_way_of(warehouse_port, url)}
    if api_log:
        direct["UGC_LOG__URL"] = api_log
    if etl_log:
        around["UGC_LOG__URL"] = etl_log
    chdb = chdb_program(places.output / "chdb", places.warehouse, chdb_port)
    http = Program(
        api_command or [script("ugc-api")],
        output=places.output / "api",
        environment={**told, **direct},
        ready="ready on",
    )
    etl = etl_program(places.output / "etl", {**told, **around})
    try:
        if not places.shared:
            await chdb.start()
        await apply(settings)
        await http.start()
        yield Parts(
            api=f"http://127.0.0.1:{api_port}",
            settings=settings,
            chdb=chdb,
            http=http,
            etl=etl,
            output=places.output,
        )
        for program in (etl, http, chdb):
            if program.runs:
                await program.stop()
    finally:
        await asyncio.to_thread(_put_away, etl, http, chdb)


def etl_program(output: Path, environment: Mapping[str, str]) -> Program:
    """Return a pipeline that is not started yet."""
    return Program([script("ugc-etl")], output=output, environment=environment, ready="ready:")


def told_of(section: LogSection) -> dict[str, str]:
    """Return what makes a program see a log as these settings do."""
    told, usual = {"UGC_LOG__URL": section.url}, LogSection()
    for name in section.__struct_fields__:
        value = getattr(section, name)
        if name not in {"url", "kafka"} and value != getattr(usual, name):
            told[f"UGC_LOG__{name.upper()}"] = str(value)
    for name in section.kafka.__struct_fields__:
        value = getattr(section.kafka, name)
        if value != getattr(usual.kafka, name):
            told[f"UGC_LOG__KAFKA__{name.upper()}"] = str(value)
    return told


def _put_away(*programs: Program) -> None:
    for program in programs:
        program.put_away()


def chdb_program(output: Path, data: Path, port: int) -> Program:
    """Return a warehouse that is not started yet."""
    command = [script("chdb-server"), "--data", str(data), "--port", str(port)]
    return Program(command, output=output, environment={}, ready="ready on")


def warehouse_url(port: int, database: str = "movies") -> str:
    """Return the URL of a warehouse here."""
    return f"clickhouse://127.0.0.1:{port}/{database}"


def _by_way_of(port: int | None, url: str) -> str:
    """Return the URL by way of a proxy, if there is one."""
    return warehouse_url(port, warehouse_target(url).database) if port else url
