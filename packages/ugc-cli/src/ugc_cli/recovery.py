"""What `ugc up` does about a stop that was not clean.

After a power cut the warehouse may lack what it had already said was stored. The log keeps
every record for its retention past the commit (24 h by default), and a report is one row
however often it is stored: so everything that the log holds is stored once more, beside the
live traffic.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from ugc_cli.children import Child, Spec
from ugc_cli.data_dir import DataDir
from ugc_cli.supervisor import Supervisor
from ugc_core.files import write_private

_NAME = "ugc-replay"
_REPORTS_PER_S = 20_000
"""Slow enough that live reports go on being stored within a second on two cores."""
_REPLAY = ("replay", "log", "--all", "--json", "--rate", str(_REPORTS_PER_S))


class Recovery:
    """One start of `ugc up`, from its first mark on the directory to its last."""

    def __init__(self, directory: DataDir, say: Callable[[str], None]) -> None:
        """Look whether the last stop was clean; changes nothing.

        Args:
            directory: The data directory; its lock is held.
            say: Told what a person should know.
        """
        self.needed = directory.unclean.exists()
        self._directory = directory
        self._say = say

    def begin(self) -> None:
        """Note that services are about to run: only a clean stop takes it back."""
        write_private(self._directory.unclean, "")

    def end(self, *, clean: bool) -> None:
        """Note that every service has stopped, and whether each ended well."""
        if clean and not self.needed:
            self._directory.unclean.unlink()

    @asynccontextmanager
    async def repeating(
        self, supervisor: Supervisor, environment: Mapping[str, str], handle: int
    ) -> AsyncIterator[None]:
        """Store the log once more beside the block, if the last stop was not clean.

        A failure is said and does not stop anything: the next start tries again.

        Args:
            supervisor: Stops it with the others.
            environment: Of the services.
            handle: The directory's lock, which it goes on holding.
        """
        if not self.needed:
            yield
            return
        task = asyncio.create_task(self._repeat(supervisor, environment, handle))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def _repeat(
        self, supervisor: Supervisor, environment: Mapping[str, str], handle: int
    ) -> None:
        spec = Spec(
            name=_NAME,
            module="ugc_cli",
            arguments=_REPLAY,
            environment=environment,
            log=self._directory.logs / f"{_NAME}.log",
        )
        child = Child(spec=spec, holding=(handle,))
        await supervisor.start(child)
        self._say("The last stop was not clean: storing what the log holds once more …")
        code = await child.wait()
        if code == 0:
            self.needed = False
            self._say("What the log holds is stored, every report once.")
        else:
            self._say(
                f"{_NAME} ended with exit code {code}: {child.last_words()}\n"
                f"  log: {spec.log}\n"
                "  the next start tries again; to do it now: ugc replay log --all"
            )
