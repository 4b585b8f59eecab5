"""The load generator as a child process: started, listened to, stopped."""

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec

import msgspec

from ugc_cli.load_testing.exchanges import READY, Exchange, Plan
from ugc_core.environment import environment
from ugc_core.errors import FatalError

_PLAYER = "ugc_cli.adapters.locust_player"
_LINE_BYTES = 1_048_576
_LAST_WORDS = 20
_BEGIN_S = 60.0
_END_S = 30.0
"""More than the generator's own wait for requests under way."""
_decode = msgspec.json.Decoder(Exchange).decode


class GeneratorError(FatalError):
    """The load generator is not installed, or has failed."""


def require_locust(*, installed: bool | None = None) -> None:
    """Make sure that the generator can start.

    Raises:
        GeneratorError: It is not installed.
    """
    if installed if installed is not None else find_spec("locust"):
        return
    msg = "load tests need Locust, which is not installed: pip install 'ugc-cli[load-test]'"
    raise GeneratorError(msg)


@dataclass(kw_only=True)
class Generator:
    """A running load generator.

    Attributes:
        process: Its process.
    """

    process: asyncio.subprocess.Process
    _words: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST_WORDS))

    async def ready(self) -> None:
        """Wait until the load begins; a generator that fails before is told of by `exchanges`."""
        if self.process.stdout is not None:
            try:
                async with asyncio.timeout(_BEGIN_S):
                    await self.process.stdout.readuntil(READY)
            except asyncio.IncompleteReadError:
                return
            except TimeoutError as error:
                msg = f"the load generator did not begin within {_BEGIN_S:g} s"
                raise GeneratorError(msg) from error

    async def exchanges(self) -> AsyncIterator[Exchange]:
        """Yield what it tells, until it ends.

        Raises:
            GeneratorError: It has failed.
        """
        listening = asyncio.create_task(self._listen())
        if self.process.stdout is not None:
            async for line in self.process.stdout:
                yield _decode(line)
        code = await self.process.wait()
        await listening
        if code:
            said = self._words[-1] if self._words else "it said nothing"
            msg = f"the load generator ended with {code}: {said}"
            raise GeneratorError(msg)

    def stop(self) -> None:
        """Ask it to end the load."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)

    async def _listen(self) -> None:
        if self.process.stderr is not None:
            async for line in self.process.stderr:
                self._words.append(line.decode("utf-8", "replace").rstrip())


@asynccontextmanager
async def generator(plan: Plan) -> AsyncIterator[Generator]:
    """Start the load generator; it never outlives the block, nor this process."""
    python = (sys.executable, "-P", "-m")
    process = await asyncio.create_subprocess_exec(
        *(*python, "ugc_cli.die_with_parent", str(os.getpid()), *python, _PLAYER),
        env={name: value for name, value in environment().items() if not name.startswith("UGC_")},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES,
        start_new_session=True,  # Ctrl-C is for us; we stop it in order
    )
    try:
        if process.stdin is not None:
            process.stdin.write(msgspec.json.encode(plan))
            process.stdin.close()
        yield Generator(process=process)
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        async with asyncio.timeout(_END_S):
            await process.wait()
