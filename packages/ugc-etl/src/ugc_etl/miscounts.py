"""What the ledger says of a range, held against its records."""

from collections.abc import Sequence

from ugc_core.log import Record
from ugc_etl.batches import Batch, count_lines
from ugc_etl.ports import LedgerEntry


def miscounts(entry: LedgerEntry, records: Sequence[Record]) -> list[str]:
    """Return what differs between a ledger entry and its records; nothing if they agree.

    Args:
        entry: The ledger's row of the range.
        records: Every record of the range that the log has, in order.
    """
    content = Batch(topic=entry.topic, partition=entry.partition, records=records)
    return [
        f"{name}: {ledger} in the ledger, {log} in the log"
        for name, ledger, log in (
            ("records", entry.records, len(records)),
            ("lines", entry.lines, sum(map(count_lines, records))),
            ("content hash", entry.content_hash, content.content_hash()),
        )
        if ledger != log
    ]
