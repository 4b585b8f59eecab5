"""A range of the log, read page by page."""

from collections.abc import AsyncIterator, Sequence

from ugc_core.log import LogScanner, Record


async def pages(
    scanner: LogScanner, topic: str, partition: int, start: int, end: int, *, max_records: int
) -> AsyncIterator[Sequence[Record]]:
    """Yield the records from `start` up to, not including, `end`, so many at a time.

    Raises:
        LogUnavailableError: The log did not answer in time.
        OffsetOutOfRangeError: The log does not hold the rest of the range any more.
    """
    while start < end:
        page = await scanner.scan(topic, partition, start, end, max_records=max_records)
        if not page:
            return
        yield page
        start = page[-1].offset + 1
