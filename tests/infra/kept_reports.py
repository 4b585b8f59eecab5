"""What is in the log of a real service."""

import asyncio
from collections import Counter
from uuid import UUID

from tests.integration.api_logs import stored
from ugc_core.settings import LogSection


async def kept(section: LogSection) -> list[UUID]:
    """Return the event id of each report in the log."""
    return [event.event_id for event in await stored(section)]


class WatchedLog:
    """A log that other programs append to, looked at again and again."""

    def __init__(self, section: LogSection) -> None:
        self._section = section
        self._seen: Counter[str] = Counter()

    def grown(self) -> list[str]:
        """Return the event ids of the reports that have come since the last look."""
        now = Counter(str(event_id) for event_id in asyncio.run(kept(self._section)))
        new, self._seen = now - self._seen, now
        return sorted(new.elements())
