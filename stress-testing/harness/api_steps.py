"""ugc-api with a part of its work left out, so that each part's cost can be told.

`python -m harness.api_steps served` reads requests and lets them in, and a fixed answer is all
there is behind that; in `answered` the write route is, too, and only its handling is left out;
`checked` does everything, but its log acknowledges in the loop's next turn.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from unittest.mock import patch

from starlette.types import ASGIApp, Receive, Scope

from harness.api_baselines import ANSWER, noop
from ugc_api import app, bootstrap, server
from ugc_api.intake.bodies import Headers
from ugc_api.intake.single import SingleReport
from ugc_api.limiting.gate import Gate
from ugc_api.main import main as serve
from ugc_api.services import Services
from ugc_core.log import Headers as LogHeaders
from ugc_core.log import Receipt


def _served(services: Services) -> ASGIApp:
    return Gate(
        noop,  # type: ignore[arg-type]  # its messages are plain dictionaries
        limiter=services.limiter,
        wire=services.wire,
        metrics=services.metrics,
        clock=services.clock,
    )


class _Answered(SingleReport):
    async def handle(self, scope: Scope, headers: Headers, receive: Receive) -> bytes:
        """Take the body, and look at nothing."""
        await self.body(scope, headers, receive, limit=self._limit)
        return ANSWER


class _QuickWriter:
    partitions = 1

    async def append(
        self, key: bytes, lines: Sequence[bytes], *, headers: LogHeaders = ()
    ) -> Receipt:
        """Keep nothing."""
        del key, lines, headers
        await asyncio.sleep(0)
        return Receipt(partition=0, offset=100_000, line=0)

    def refresh(self) -> None:
        """Know no partitions."""


@asynccontextmanager
async def _quick_log(*_: object, **__: object) -> AsyncIterator[_QuickWriter]:
    yield _QuickWriter()


STEPS: Mapping[str, AbstractContextManager[object]] = {
    "served": patch.object(server, "create_app", _served),
    "answered": patch.object(app, "SingleReport", _Answered),
    "checked": patch.object(bootstrap, "open_log_writer", _quick_log),
}
"""By name, in the order in which they do more."""


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=STEPS)
    step = parser.parse_args().step
    # The service has a command line of its own.
    with STEPS[step], patch("sys.argv", ["ugc-api"]):
        serve()


if __name__ == "__main__":
    main()
