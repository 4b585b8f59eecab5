"""`ugc up`: the whole system on this machine."""

import asyncio
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from ugc_cli import banner, console
from ugc_cli.data_dir import DataDir
from ugc_cli.embedded import Ports, System, start
from ugc_cli.options import NO_VALUE
from ugc_cli.resolve import load_settings
from ugc_cli.tokens import Claims, mint
from ugc_core.clock import SystemClock
from ugc_core.errors import ConfigError
from ugc_core.sources import Loaded
from ugc_core.urls import warehouse_target

_USER = UUID("01900000-0000-7000-8000-000000000001")
_TTL_S = 12 * 3600


def up(
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="Data directory; ./.ugc by default."),
    ] = None,
    ephemeral: Annotated[
        bool,
        typer.Option(
            "--ephemeral", metavar=NO_VALUE, help="Use a temporary directory, deleted at the end."
        ),
    ] = False,
    port: Annotated[
        int | None, typer.Option("--port", metavar="N", help="Port of the API; 0: any free one.")
    ] = None,
    clickhouse_port: Annotated[
        int | None,
        typer.Option("--clickhouse-port", metavar="N", help="Port of ClickHouse; 0: any free."),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", metavar=NO_VALUE, help="Print one JSON document once everything is ready."
        ),
    ] = False,
) -> None:
    """Run the whole system on this machine, for development.

    Starts an embedded ClickHouse, the pipeline and the API, watches over them and stops them
    on Ctrl-C. Needs no other server. What was accepted is kept in the data directory.

    Example: ugc up --port 8080
    """
    if ephemeral and data is not None:
        msg = "--ephemeral uses a directory of its own; leave one of --ephemeral and --data out"
        raise typer.BadParameter(msg)
    loaded = load_settings(data)
    ports = _ports(loaded, port, clickhouse_port)
    with _directory(loaded, ephemeral=ephemeral) as directory:
        asyncio.run(_serve(directory, loaded, ports, as_json=as_json))


@contextmanager
def _directory(loaded: Loaded, *, ephemeral: bool) -> Iterator[DataDir]:
    if not ephemeral:
        yield DataDir.at(loaded.settings.data_dir)
        return
    with tempfile.TemporaryDirectory(prefix="ugc-") as path:
        yield DataDir.at(Path(path))


def _ports(loaded: Loaded, api: int | None, clickhouse: int | None) -> Ports:
    settings = loaded.settings
    for option, value in (("--port", api), ("--clickhouse-port", clickhouse)):
        if value is not None and not 0 <= value <= 65535:  # noqa: PLR2004 - TCP's range
            msg = f"{option} {value} is not a port: 0 to 65535"
            raise ConfigError(msg)
    ports = Ports(
        api=settings.api.port if api is None else api,
        clickhouse=(
            warehouse_target(settings.warehouse.url).port if clickhouse is None else clickhouse
        ),
    )
    if ports.api and ports.api == ports.clickhouse:
        msg = f"--port and --clickhouse-port are both {ports.api}; give one of them another number"
        raise ConfigError(msg)
    return ports


async def _serve(directory: DataDir, loaded: Loaded, ports: Ports, *, as_json: bool) -> None:
    """Start, say what is where, and wait for a signal or a service that cannot be kept."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    clock = SystemClock()
    starting = start(directory, loaded, ports, clock=clock, say=console.say)
    opening = asyncio.ensure_future(starting.__aenter__())
    stopping = asyncio.create_task(stop.wait())
    console.say(f"Starting in {directory.root} …", style="dim")
    await asyncio.wait({opening, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not opening.done():
        opening.cancel()
        await asyncio.wait({opening})
        stopping.cancel()
        console.say("Stopped.", style="dim")
        return
    stopping.cancel()
    system = opening.result()
    try:
        _welcome(system, loaded, as_json=as_json)
        await _until_stopped(system, stop)
    finally:
        console.say("Stopping …", style="dim")
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, system.supervisor.kill)
        await starting.__aexit__(None, None, None)
    console.say("Stopped.", style="dim")


def _welcome(system: System, loaded: Loaded, *, as_json: bool) -> None:
    claims = Claims(user_id=_USER, roles=("analyst",), ttl_s=_TTL_S)
    token = mint(claims, system.settings.auth, now_ms=SystemClock().wall_ms())
    root = system.running.api_url
    shown = banner.welcome(root, system.settings, system.directory, _USER, token)
    if as_json:
        console.emit_json(shown)
        return
    default = DataDir.at(Path(".ugc"))
    named = loaded.sources.get("data_dir", "default")
    here = system.directory == default and named in {"default", "flag"}
    hint = "" if here or named.startswith("env") else f" --data {system.directory.root}"
    banner.show(console.out(), shown, system.directory, hint)


async def _until_stopped(system: System, stop: asyncio.Event) -> None:
    stopping = asyncio.create_task(stop.wait())
    watching = asyncio.create_task(system.supervisor.watch())
    await asyncio.wait({stopping, watching}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if watching.done():
            watching.result()
    finally:
        for task in (stopping, watching):
            task.cancel()
        await asyncio.wait({stopping, watching})
