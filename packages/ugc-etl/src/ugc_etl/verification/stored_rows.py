"""What the warehouse holds, in a few bytes a report; every statement here only reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from ugc_core.warehouse import Settings, Warehouse
from ugc_etl.verification.fingerprints import BUCKET_SQL, DIGEST_SQL
from ugc_etl.verification.tiling import Extent

# FINAL that keeps one row of each month: an identity in two of them shows as two rows.
_BY_MONTH: Settings = {"do_not_merge_across_partitions_select_final": 1}

# Rows of the log's range, and those that no partition of the log can have written.
_JUDGED = """
    (log_partition >= length({lows:Array(UInt64)})
        OR (log_offset >= {lows:Array(UInt64)}[log_partition + 1]
            AND log_offset < {ends:Array(UInt64)}[log_partition + 1]))
"""
_SUMS = f"""
    SELECT {BUCKET_SQL} AS bucket, count() AS rows, sum({DIGEST_SQL}) AS digests
    FROM views WHERE {_JUDGED} GROUP BY bucket
"""  # noqa: S608 - constants of this package
_MONTHLY = f"""
    SELECT {BUCKET_SQL} AS bucket, count() AS rows
    FROM views_raw FINAL WHERE {_JUDGED} GROUP BY bucket
"""  # noqa: S608 - constants of this package
_OUTSIDE = """
    SELECT countIf(log_offset < {lows:Array(UInt64)}[log_partition + 1]) AS older,
        countIf(log_offset >= {ends:Array(UInt64)}[log_partition + 1]) AS newer
    FROM views WHERE log_partition < length({lows:Array(UInt64)})
"""
_NAMES = "film_id, user_id, profile_id, event_id"
_ROWS = f"""
    SELECT {_NAMES}, {DIGEST_SQL} AS digest, %s AS version, log_partition, log_offset, log_line
    FROM %s WHERE {BUCKET_SQL} IN {{buckets:Array(UInt32)}}
"""  # noqa: S608 - constants of this package
_SHOWN = _ROWS % ("toUInt64(0)", "views")
_STORED = _ROWS % ("version", "views_raw FINAL")
_BEYOND = f"""
    SELECT {_NAMES}, log_partition, log_offset, log_line FROM views
    WHERE log_partition < length({{highs:Array(UInt64)}})
        AND log_offset >= {{highs:Array(UInt64)}}[log_partition + 1]
    ORDER BY log_offset DESC LIMIT {{most:UInt32}}
"""  # noqa: S608 - constants of this package


class Row(NamedTuple):
    """One row, as far as it is compared."""

    identity: bytes
    digest: int
    version: int
    partition: int
    offset: int
    line: int

    @property
    def receipt(self) -> str:
        """Where it says that it comes from."""
        return f"{self.partition}:{self.offset}:{self.line}"


class Sum(NamedTuple):
    """A bucket's rows: how many, and the sum of their digests modulo 2^64."""

    rows: int = 0
    digests: int = 0

    def plus(self, digest: int) -> "Sum":
        """Return the sum with one more row."""
        return Sum(self.rows + 1, (self.digests + digest) % 2**64)


@dataclass(frozen=True, kw_only=True)
class Horizon:
    """Which rows can be judged: those whose line the log still holds below the commit.

    Attributes:
        lows: By partition, the oldest offset that was read.
        ends: By partition, the first offset that was not.
    """

    lows: Sequence[int]
    ends: Sequence[int]

    @classmethod
    def of(cls, extents: Mapping[int, Extent], lows: Mapping[int, int]) -> "Horizon":
        """Return the horizon of these partitions, from `lows` on."""
        every = range(max(extents, default=-1) + 1)
        nothing = Extent(low=0, committed=0, high=0)
        found = [extents.get(partition, nothing) for partition in every]
        return cls(
            lows=[lows.get(partition, 0) for partition in every],
            ends=[min(extent.committed, extent.high) for extent in found],
        )

    def holds(self, partition: int, offset: int) -> bool:
        """Say whether the line there was read, or cannot exist."""
        if partition >= len(self.lows):
            return True
        return self.lows[partition] <= offset < self.ends[partition]


@dataclass(kw_only=True)
class StoredRows:
    """Reads the warehouse for a verification.

    Attributes:
        warehouse: Where.
        outside: Rows older and newer than what can be judged.
    """

    warehouse: Warehouse
    outside: dict[str, int] = field(default_factory=dict)

    async def sums(self, horizon: Horizon) -> tuple[dict[int, Sum], dict[int, int]]:
        """Return each bucket's sum as analysts see it, and its rows month by month."""
        parameters = {"lows": horizon.lows, "ends": horizon.ends}
        sums = await self.warehouse.read(_SUMS, parameters)
        monthly = await self.warehouse.read(_MONTHLY, parameters, settings=_BY_MONTH)
        outside = await self.warehouse.read(_OUTSIDE, parameters)
        self.outside = dict(zip(outside.names, map(_int, outside.rows[0]), strict=True))
        return (
            {_int(bucket): Sum(_int(rows), _int(digests)) for bucket, rows, digests in sums.rows},
            {_int(bucket): _int(rows) for bucket, rows in monthly.rows},
        )

    async def rows(self, buckets: Sequence[int]) -> tuple[list[Row], list[Row]]:
        """Return the rows of some buckets as analysts see them, and month by month."""
        parameters = {"buckets": buckets}
        shown = await self.warehouse.read(_SHOWN, parameters)
        stored = await self.warehouse.read(_STORED, parameters, settings=_BY_MONTH)
        return [_row(row) for row in shown.rows], [_row(row) for row in stored.rows]

    async def beyond(self, horizon: Sequence[int], most: int) -> list[Row]:
        """Return rows that say they come from offsets at or above these, the highest first."""
        answer = await self.warehouse.read(_BEYOND, {"highs": horizon, "most": most})
        return [_row((*row[:4], 0, 0, *row[4:])) for row in answer.rows]


def _row(values: Sequence[object]) -> Row:
    identity = b"".join(value.bytes for value in values[:4] if isinstance(value, UUID))
    return Row(identity, *map(_int, values[4:]))


def _int(value: object) -> int:
    return int(str(value))
