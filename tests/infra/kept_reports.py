"""A log for a real service, and what is in it."""

import asyncio
from collections import Counter
from pathlib import Path
from uuid import UUID

from ugc_core.bootstrap import open_log_admin, open_log_consumer, topics
from ugc_core.clock import SystemClock
from ugc_core.codec import decode_lines
from ugc_core.events import Event
from ugc_core.settings import LogSection


def make_log(folder: Path) -> LogSection:
    """Make the log that an `ApiProcess` in this folder appends to."""
    section = LogSection(url=f"sqlite:///{folder}/log.db", group="test")

    async def make() -> None:
        async with open_log_admin(section) as admin:
            await admin.apply(await admin.plan(topics(section)))

    asyncio.run(make())
    return section


async def kept(section: LogSection) -> list[UUID]:
    """Return the event id of each report in the log, as another program reads it."""
    found: list[UUID] = []
    async with open_log_consumer(section, clock=SystemClock()) as reader:
        while polled := await reader.poll(max_records=5000, timeout_s=0):
            for record in (record for records in polled.values() for record in records):
                events = decode_lines(record.value, record.headers)
                assert all(isinstance(event, Event) for event in events)
                found += [event.event_id for event in events if isinstance(event, Event)]
    return found


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
