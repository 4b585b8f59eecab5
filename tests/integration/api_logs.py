"""The log behind a running `ugc-api`: made before it starts, read as another program would."""

from pathlib import Path

from ugc_core.bootstrap import open_log_admin, open_log_consumer, topics
from ugc_core.clock import SystemClock
from ugc_core.codec import decode_lines
from ugc_core.events import Event
from ugc_core.settings import LogSection


async def made_log(folder: Path) -> LogSection:
    """Make a log with its topics."""
    section = LogSection(url=f"sqlite:///{folder}/log.db", group="test")
    async with open_log_admin(section) as admin:
        await admin.apply(await admin.plan(topics(section)))
    return section


async def stored(log: LogSection) -> list[Event]:
    """Read the whole log."""
    found: list[Event] = []
    async with open_log_consumer(log, clock=SystemClock()) as reader:
        while records := await reader.poll(max_records=1000, timeout_s=0):
            for record in (record for records in records.values() for record in records):
                events = decode_lines(record.value, record.headers)
                assert all(isinstance(event, Event) for event in events)
                found += [event for event in events if isinstance(event, Event)]
    return found
