"""Starts children, watches them, starts them again, stops them in order."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ugc_cli.children import Child
from ugc_core.backoff import Backoff
from ugc_core.clock import Clock
from ugc_core.errors import FatalError
from ugc_core.exits import FAILURE

_BACKOFF = Backoff(first_s=0.2, most_s=10.0)
_HEALTHY_S = 30.0
_GIVE_UP_AFTER = 6
_PROBE_EVERY_S = 5.0
_PROBE_TIMEOUT_S = 10.0
_PROBES_TO_LOSE = 3


class ChildFailedError(FatalError):
    """A service ended before it was ready, or again and again.

    Attributes:
        exit_code: The service's own exit code, or 1.
    """

    def __init__(self, child: Child, code: int | None, why: str) -> None:
        """Quote the service's last words: they say what to do; without a code it still runs."""
        self.exit_code = code if code is not None and code > 0 else FAILURE
        ended = "" if code is None else f" ({_ended(code)})"
        super().__init__(
            f"{child.spec.name} {why}{ended}: {child.last_words()}\n  log: {child.spec.log}"
        )


@dataclass(kw_only=True)
class Supervisor:
    """Keeps children running until told to stop.

    Attributes:
        clock: Time.
        say: Told what a person should know.
        start_s: How long a child that was started again may take to answer, in seconds.
    """

    clock: Clock
    say: Callable[[str], None]
    start_s: float = 60.0
    stopping: bool = False
    _children: list[Child] = field(default_factory=list)
    _keepers: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self, child: Child) -> None:
        """Start a child; wait for it with `ready`."""
        await child.start()
        self._children.append(child)

    async def ready(self, child: Child, *, timeout_s: float) -> None:
        """Wait until a child answers its probe, or says that it is ready; then watch over it.

        Raises:
            ChildFailedError: It ended, or was not ready in time.
        """
        answering = asyncio.create_task(self._answers(child))
        ended = asyncio.create_task(child.wait())
        try:
            await asyncio.wait(
                {answering, ended}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            if ended.done():
                raise ChildFailedError(child, ended.result(), "could not start")
            if not answering.done():
                raise ChildFailedError(child, None, f"was not ready within {timeout_s:g} s")
            answering.result()
        finally:
            for task in (answering, ended):
                task.cancel()
            await asyncio.wait({answering, ended})
        self._keepers.append(asyncio.create_task(self._keep(child)))

    async def watch(self) -> None:
        """Return only by an error: a child that cannot be kept running.

        Raises:
            ChildFailedError: That child.
        """
        done, _ = await asyncio.wait(self._keepers, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def stop(self) -> bool:
        """Stop the children, the last one started first, each within its own time.

        Returns:
            Whether every one of them ended well, with exit code 0.
        """
        self.stopping = True
        for keeper in self._keepers:
            keeper.cancel()
        if self._keepers:
            await asyncio.wait(self._keepers)
        for child in reversed(self._children):
            await child.stop()
        return all(child.ended_well for child in self._children)

    def kill(self) -> None:
        """End all of them at once."""
        for child in self._children:
            child.kill()

    def names(self) -> Sequence[str]:
        """Return the names of what runs."""
        return [child.spec.name for child in self._children]

    async def _answers(self, child: Child) -> None:
        if child.spec.probe is None:
            await child.said_ready.wait()
            return
        while True:
            try:
                async with asyncio.timeout(_PROBE_TIMEOUT_S):
                    await child.spec.probe()
            except OSError:  # TimeoutError is one
                await self.clock.sleep(0.03)
            else:
                return

    async def _keep(self, child: Child) -> None:
        failures = 0
        while True:
            started = self.clock.now()
            code = await self._until_it_ends(child)
            healthy = self.clock.now() - started >= _HEALTHY_S
            failures = 1 if healthy else failures + 1
            if failures >= _GIVE_UP_AFTER:
                raise ChildFailedError(child, code, f"ended {failures} times in a row")
            wait_s = _BACKOFF.wait_s(failures)
            self.say(
                f"{child.spec.name} ended ({_ended(code)}); starting it again in {wait_s:.1f} s"
            )
            await self.clock.sleep(wait_s)
            await child.start()

    async def _until_it_ends(self, child: Child) -> int:
        """Wait for the end of a child, and bring it about when the child is hung."""
        probing = asyncio.create_task(self._until_hung(child))
        ended = asyncio.create_task(child.wait())
        try:
            await asyncio.wait({probing, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                self.say(f"{child.spec.name} does not answer; killing it")
                child.kill()
            return await ended
        finally:
            for task in (probing, ended):
                task.cancel()
            await asyncio.wait({probing, ended})

    async def _until_hung(self, child: Child) -> None:
        """Return when a child does not come to answer, or has failed several probes in a row."""
        if child.spec.probe is None:
            await asyncio.Event().wait()  # it has none: only its end counts
            return
        try:
            async with asyncio.timeout(self.start_s):
                await self._answers(child)
        except TimeoutError:
            return
        lost = 0
        while lost < _PROBES_TO_LOSE:
            await self.clock.sleep(_PROBE_EVERY_S)
            try:
                async with asyncio.timeout(_PROBE_TIMEOUT_S):
                    await child.spec.probe()
            except OSError:
                lost += 1
            else:
                lost = 0


def _ended(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {-code}"
