"""The product's programs without `ugc up` around them: each can be stopped, or led astray."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from chaos.programs import Program, free_port, script
from chaos.systems import SERVICES
from ugc_cli.setup import apply
from ugc_core.settings import AuthSection, LogSection, Settings, WarehouseSection
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
    """

    api: str
    settings: Settings
    chdb: Program
    http: Program
    etl: Program

    @property
    def warehouse_port(self) -> int:
        """Where the warehouse itself listens."""
        return warehouse_target(self.settings.warehouse.url).port

    def services(self) -> Mapping[str, psutil.Process]:
        """Its processes that run now."""
        programs = dict(zip(SERVICES, (self.chdb, self.http, self.etl), strict=True))
        return {name: program.process for name, program in programs.items() if program.runs}


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where a system of parts keeps what it has.

    Attributes:
        output: What its programs say.
        log: Folder of the log.
        warehouse: Folder of the warehouse.
    """

    output: Path
    log: Path
    warehouse: Path

    @classmethod
    def inside(cls, folder: Path) -> "Places":
        """Everything in one folder."""
        return cls(output=folder, log=folder / "log", warehouse=folder / "warehouse")


@asynccontextmanager
async def running_parts(
    places: Places,
    environment: Mapping[str, str],
    *,
    api_command: tuple[str, ...] = (),
    warehouse_port: int | None = None,
) -> AsyncIterator[Parts]:
    """Start warehouse and API; the pipeline is the caller's to start.

    Args:
        places: Where.
        environment: More `UGC_` variables for API and pipeline.
        api_command: Another program in the API's place.
        warehouse_port: Where the pipeline finds the warehouse; by default where it is.
    """
    api_port, chdb_port = free_port(), free_port()
    settings = Settings(
        log=LogSection(url=f"sqlite:///{places.log / 'log.db'}"),
        warehouse=WarehouseSection(url=_warehouse(chdb_port), read_timeout_s=120),
        auth=AuthSection(secret=_SECRET),
    )
    told = {
        "UGC_LOG__URL": settings.log.url,
        "UGC_AUTH__SECRET": _SECRET,
        "UGC_API__PORT": str(api_port),
        **environment,
    }
    direct = {"UGC_WAREHOUSE__URL": settings.warehouse.url}
    around = {"UGC_WAREHOUSE__URL": _warehouse(warehouse_port or chdb_port)}
    chdb_command = [script("chdb-server"), "--data", str(places.warehouse)]
    chdb = Program(
        [*chdb_command, "--port", str(chdb_port)],
        output=places.output / "chdb",
        environment={},
        ready="ready on",
    )
    http = Program(
        api_command or [script("ugc-api")],
        output=places.output / "api",
        environment={**told, **direct},
        ready="ready on",
    )
    etl = Program(
        [script("ugc-etl")],
        output=places.output / "etl",
        environment={**told, **around},
        ready="ready:",
    )
    try:
        await chdb.start()
        await apply(settings)
        await http.start()
        yield Parts(
            api=f"http://127.0.0.1:{api_port}", settings=settings, chdb=chdb, http=http, etl=etl
        )
        for program in (etl, http, chdb):
            if program.runs:
                await program.stop()
    finally:
        await asyncio.to_thread(_put_away, etl, http, chdb)


def _put_away(*programs: Program) -> None:
    for program in programs:
        program.put_away()


def _warehouse(port: int) -> str:
    return f"clickhouse://127.0.0.1:{port}/movies"
