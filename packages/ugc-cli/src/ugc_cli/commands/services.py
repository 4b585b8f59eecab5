"""`ugc api` and `ugc etl`: one service in the foreground."""

import os
import sys
from typing import Annotated, NoReturn

import typer

from ugc_cli.options import Data
from ugc_cli.resolve import resolve
from ugc_core.environment import environment
from ugc_core.settings import SECRETS
from ugc_core.sources import leaves, text, variable


def api(
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option("--port", metavar="N", help="Port.")] = None,
    data: Data = None,
) -> None:
    """Run the HTTP service in the foreground; the same as `ugc-api`.

    Example: UGC_LOG__URL=sqlite:///log.db ugc api --port 8080
    """
    _become("ugc_api", data, {"api.host": host, "api.port": port})


def etl(data: Data = None) -> None:
    """Run the pipeline in the foreground; the same as `ugc-etl`.

    Example: UGC_LOG__URL=sqlite:///log.db UGC_WAREHOUSE__URL=clickhouse://h:9000/movies ugc etl
    """
    _become("ugc_etl", data, {})


def _become(module: str, data: Data, flags: dict[str, str | int | None]) -> NoReturn:
    """Replace this process by the service, so that signals reach it directly."""
    loaded = resolve(data)
    told = {
        variable(name): text(value)
        for name, value in leaves(loaded.settings)
        if name in loaded.sources and name not in SECRETS and value is not None
    }
    told |= {variable(name): str(value) for name, value in flags.items() if value is not None}
    command = [sys.executable, "-P", "-m", module]
    os.execvpe(command[0], command, {**environment(), **told})  # noqa: S606 - a fixed list
