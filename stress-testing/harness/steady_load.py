"""Single reports at a steady rate through the log's writer, which packs them, as the API's do."""

import asyncio
import time
from collections.abc import Iterable
from uuid import UUID

from harness.acknowledged import Acknowledged
from ugc_core.codec import EVENT_HEADERS, log_key
from ugc_core.errors import LogUnavailableError
from ugc_core.log import LogWriter

_TICK_S = 0.002
_BEHIND = 20
"""Reports after which a load that is behind its schedule lets others have a turn."""
_AGAIN_S = 0.1


class SteadyLoad:
    """Appends reports when they are due, however long the answers take.

    Attributes:
        again: Appends that failed; each is repeated until it is acknowledged, as players do.
    """

    def __init__(self, writer: LogWriter, into: Acknowledged, *, per_s: float) -> None:
        """Append nothing yet.

        Args:
            writer: Where to.
            into: Takes the ids of what was acknowledged.
            per_s: Reports a second.
        """
        self.again = 0
        self._writer = writer
        self._into = into
        self._per_s = per_s
        self._stopping = False

    async def run(self, reports: Iterable[tuple[UUID, bytes]]) -> None:
        """Append the reports until they end or `stop`; return once all are acknowledged.

        Args:
            reports: Each with its user.
        """
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number, (user, line) in enumerate(reports):
                early_s = number / self._per_s - (time.perf_counter() - began)
                if early_s > 0 or not number % _BEHIND:
                    await asyncio.sleep(max(early_s, _TICK_S) if early_s > 0 else 0)
                if self._stopping:
                    return
                group.create_task(self._append(user, line))

    def stop(self) -> None:
        """Append nothing new."""
        self._stopping = True

    async def _append(self, user: UUID, line: bytes) -> None:
        while True:
            try:
                await self._writer.append(log_key(user), [line], headers=EVENT_HEADERS)
            except LogUnavailableError:
                self.again += 1
                await asyncio.sleep(_AGAIN_S)
            else:
                self._into.add(line)
                return
