"""What the log holds: records, places in it, dead letters, and how far it has been read."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from ugc_core.bootstrap import open_log_admin, open_log_scanner
from ugc_core.log import Record
from ugc_core.log_pages import pages
from ugc_core.settings import LogSection

_SCAN_RECORDS = 1000


class Letter(NamedTuple):
    """One dead letter."""

    topic: str
    partition: int
    offset: int
    line: int
    reason: str


class Place(NamedTuple):
    """Where a line lies in the log."""

    partition: int
    offset: int
    line: int


async def log_records(section: LogSection, topic: str) -> Sequence[Record]:
    """Return every record of a topic that is still there."""
    found: list[Record] = []
    async with open_log_admin(section) as admin, open_log_scanner(section) as scanner:
        for partition, ends in (await admin.watermarks(topic)).items():
            where = (topic, partition, ends.low, ends.high)
            async for page in pages(scanner, *where, max_records=_SCAN_RECORDS):
                found += page
    return found


async def high_marks(section: LogSection) -> Mapping[int, int]:
    """Return the end of each partition."""
    async with open_log_admin(section) as admin:
        return {p: ends.high for p, ends in (await admin.watermarks(section.topic)).items()}


async def committed(section: LogSection) -> Mapping[int, int]:
    """Return how far the pipeline has committed."""
    async with open_log_admin(section) as admin:
        found = await admin.committed_by(section.group, section.topic)
    return {partition: commit.offset for partition, commit in found.items()}


class _Letter(msgspec.Struct):
    topic: str
    partition: int
    offset: int
    line: int
    reason: str


async def dead_letters(section: LogSection) -> Sequence[Letter]:
    """Return every dead letter."""
    records = await log_records(section, section.dlq_topic)
    lines = [line for record in records for line in record.value.split(b"\n")]
    found = [msgspec.json.decode(line, type=_Letter) for line in lines]
    return [Letter(a.topic, a.partition, a.offset, a.line, a.reason) for a in found]
