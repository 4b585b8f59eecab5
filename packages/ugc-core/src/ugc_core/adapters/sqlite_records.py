"""Records of the SQLite log, read by ranges of a partition."""

import apsw
import msgspec

from ugc_core.adapters.sqlite_file import offset_of, record_id
from ugc_core.log import Headers, Record

_decode_headers = msgspec.msgpack.Decoder(Headers).decode


def read_records(
    db: apsw.Connection, topic: int, partition: int, start: int, most: int, max_bytes: int
) -> list[Record]:
    """Read up to `most` records and about `max_bytes`; the first one always."""
    found: list[Record] = []
    if most <= 0 or max_bytes <= 0:
        return found
    rows = db.execute(
        "SELECT id, timestamp_ms, key, headers, value FROM record"
        " WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
        (record_id(topic, partition, start), record_id(topic, partition + 1, 0), most),
    )
    for number, timestamp_ms, key, headers, value in rows:
        record = Record(
            partition=partition,
            offset=offset_of(number),
            key=key,
            value=value,
            headers=_decode_headers(headers),
            timestamp_ms=timestamp_ms,
        )
        found.append(record)
        max_bytes -= len(value)
        if max_bytes <= 0:
            break
    return found
