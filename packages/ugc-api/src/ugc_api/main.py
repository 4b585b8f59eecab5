"""The service as a program: from the environment's settings to an exit code."""

import argparse
import asyncio
import sys
from importlib.metadata import version

from uvloop import new_event_loop

from ugc_api.server import serve
from ugc_core.allocator import keep_one_arena
from ugc_core.environment import environment
from ugc_core.errors import UgcError
from ugc_core.exits import OK, exit_code
from ugc_core.sources import load
from ugc_core.telemetry import configure_logging

_EPILOG = """\
Settings come from UGC_… variables and from ugc.toml; `ugc config show` lists them.
Exit codes: 0 stopped on request, 1 failed, 4 the log is unreachable, 5 bad configuration.
"""


def main() -> None:
    """Run the HTTP service until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        prog="ugc-api",
        description="Take view-progress reports in over HTTP, and give resume points back.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ugc-api {version('ugc-api')}")
    parser.parse_args()
    keep_one_arena()
    try:
        settings = load(environment()).settings
        configure_logging(settings, service="ugc-api")
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(serve(settings))
    except UgcError as error:
        sys.stderr.write(f"ugc-api: {error}\n")
        sys.exit(exit_code(error))
    sys.exit(OK)
