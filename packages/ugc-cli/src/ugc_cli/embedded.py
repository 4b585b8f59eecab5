"""The embedded system: which services `ugc up` starts, and with which settings."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial

from msgspec import Struct

from ugc_cli.children import Child, Spec
from ugc_cli.data_dir import DataDir, Running
from ugc_cli.local_ports import claim
from ugc_cli.probes import http_ok, warehouse_ok
from ugc_cli.recovery import Recovery
from ugc_cli.setup import apply_tables, apply_topics
from ugc_cli.supervisor import Supervisor
from ugc_core.clock import Clock
from ugc_core.environment import environment
from ugc_core.errors import ConfigError
from ugc_core.files import lock
from ugc_core.settings import Settings
from ugc_core.sources import Loaded, load, variable

_HOST = "127.0.0.1"
_START_S = 60.0
_DATABASE = "movies"
_OURS = (
    *("log.url", "warehouse.url"),
    *("warehouse.user", "warehouse.password_file", "warehouse.password"),
)
"""Settings of another log or warehouse: neither can be what the person means."""


class Ports(Struct, frozen=True, kw_only=True):
    """Where to listen; 0 takes any free port."""

    api: int
    clickhouse: int


class System(Struct, frozen=True, kw_only=True):
    """A system that runs.

    Attributes:
        directory: Its data.
        settings: The settings of its services.
        running: What other commands are told.
        supervisor: Keeps it running.
    """

    directory: DataDir
    settings: Settings
    running: Running
    supervisor: Supervisor


@asynccontextmanager
async def start(
    directory: DataDir, loaded: Loaded, ports: Ports, *, clock: Clock, say: Callable[[str], None]
) -> AsyncIterator[System]:
    """Start everything, and stop it in order on the way out.

    The API needs the log alone, so it starts beside the warehouse; reports are taken from
    the moment it is ready, and the pipeline catches up.

    Raises:
        ConfigError: The settings name another log or warehouse than the embedded ones.
        InUseError: The directory or a port belongs to another process.
        ChildFailedError: A service cannot start.
    """
    _refuse_other_places(loaded)
    directory.make()
    holder = lock(
        directory.lock,
        what=f"data directory {directory.root}",
        then="stop that `ugc up`, or start on another directory with --data DIR or --ephemeral",
    )
    with holder as handle:
        overrides = _overrides(directory, loaded, ports)
        settings = load(environment(), overrides).settings
        running = Running(
            pid=os.getpid(),
            api_url=f"http://{settings.api.host}:{settings.api.port}",
            settings={name: value for name, value in overrides.items() if name != "data_dir"},
        )
        directory.announce(running)
        supervisor = Supervisor(clock=clock, say=say)
        recovery = Recovery(directory, say)
        recovery.begin()
        try:
            await _start_services(supervisor, directory, settings, overrides, handle)
            told = _told(overrides)
            async with recovery.repeating(supervisor, told, handle):
                yield System(
                    directory=directory, settings=settings, running=running, supervisor=supervisor
                )
        finally:
            recovery.end(clean=await supervisor.stop())
            directory.run_file.unlink(missing_ok=True)


async def _start_services(
    supervisor: Supervisor,
    directory: DataDir,
    settings: Settings,
    overrides: dict[str, str | int],
    handle: int,
) -> None:
    child = partial(_child, directory, overrides, handle)
    clickhouse = Child(spec=_clickhouse(directory, settings), holding=(handle,))
    await supervisor.start(clickhouse)
    await apply_topics(settings.log)
    api = child("ugc-api", "ugc_api", partial(http_ok, _HOST, settings.api.port, "/livez"))
    await supervisor.start(api)
    await supervisor.ready(clickhouse, timeout_s=_START_S)
    await apply_tables(settings.warehouse)
    etl = child("ugc-etl", "ugc_etl", None)
    await supervisor.start(etl)
    await asyncio.gather(
        supervisor.ready(api, timeout_s=_START_S), supervisor.ready(etl, timeout_s=_START_S)
    )


def _overrides(directory: DataDir, loaded: Loaded, ports: Ports) -> dict[str, str | int]:
    """Return what the services are told beside the person's own settings."""
    clickhouse = claim(
        _HOST, ports.clickhouse, option="--clickhouse-port", what="embedded ClickHouse"
    )
    values: dict[str, str | int] = {
        "data_dir": str(directory.root),
        "log.url": f"sqlite:///{directory.log}",
        "warehouse.url": f"clickhouse://{_HOST}:{clickhouse}/{_DATABASE}",
        "warehouse.password_file": str(directory.clickhouse_password),
        "api.host": _HOST,
        "api.port": claim(_HOST, ports.api, option="--port", what="API"),
    }
    secrets = {"auth.secret": directory.token_secret, "api.docs_password": directory.docs_password}
    for name, path in secrets.items():
        if not {name, f"{name}_file"} & set(loaded.sources):
            values[f"{name}_file"] = str(path)
    return values


def _child(
    directory: DataDir,
    overrides: dict[str, str | int],
    handle: int,
    name: str,
    module: str,
    probe: Callable[[], Awaitable[None]] | None,
) -> Child:
    spec = Spec(
        name=name,
        module=module,
        environment=_told(overrides),
        log=directory.logs / f"{name}.log",
        probe=probe,
    )
    return Child(spec=spec, holding=(handle,))


def _told(overrides: Mapping[str, str | int]) -> Mapping[str, str]:
    """Return the environment of a service: ours, and what all of them are told."""
    told = {variable(setting): str(value) for setting, value in overrides.items()}
    return {**environment(), **told}


def _clickhouse(directory: DataDir, settings: Settings) -> Spec:
    port = settings.warehouse.url.rsplit(":", 1)[1].split("/")[0]
    return Spec(
        name="chdb-server",
        module="chdb_server",
        arguments=(
            *("--data", str(directory.clickhouse)),
            *("--host", _HOST, "--port", port),
            *("--password-file", str(directory.clickhouse_password)),
        ),
        environment=environment(),
        log=directory.logs / "chdb-server.log",
        probe=partial(warehouse_ok, settings.warehouse),
    )


def _refuse_other_places(loaded: Loaded) -> None:
    for name in _OURS:
        if name in loaded.sources:
            msg = (
                f"{name} is set ({loaded.sources[name]}), but `ugc up` runs a log and a warehouse"
                f" of its own; unset {variable(name)}, or start the services on yours with"
                " `ugc init`, `ugc api` and `ugc etl`"
            )
            raise ConfigError(msg)
