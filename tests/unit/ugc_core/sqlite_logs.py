"""A log of one partition in a file: its settings, and what most tests do to it."""

import asyncio

import msgspec

from ugc_core.settings import LogSection

HOUR_S = 3600.0
ONE = LogSection(partitions=1)
NEXT_STEP = "copy .*log.db.* to a safe place, check the disk, and restore the log from a copy"


def section(**changes):
    return msgspec.structs.replace(ONE, **changes)


async def settle(log):
    """Wait until the writer has nothing to do any more."""
    while (flushing := log.writer._flushing) is not None:
        await asyncio.wait({flushing})


async def append_all(log, lines, *, key=b"viewer"):
    """Append each line by a call of its own, all of them at once."""
    return await asyncio.gather(*(log.writer.append(key, [line]) for line in lines))


def numbered(start, end):
    return [b"%d" % n for n in range(start, end)]
