"""SqliteLogWriter under 64 concurrent callers, beside the same commits by apsw alone.

Every caller appends one line after the other, each waiting for its acknowledgement, so a
group holds about 64 lines. Two baselines, in the same invocation and on the same disk, each
as many commits by apsw with the same bytes and counters of offsets in them, with
`synchronous=FULL`, from one thread and nothing around it: with a row for each caller's line,
as anyone would write it, and with the lines packed into as few rows as the writer made.
"""

import asyncio
import time
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple
from uuid import UUID

import apsw
from harness.results import write
from uvloop import new_event_loop

from ugc_core.adapters.sqlite_log_admin import SqliteLogAdmin
from ugc_core.adapters.sqlite_log_writer import SqliteLogWriter
from ugc_core.bootstrap import topics
from ugc_core.codec import EVENT_HEADERS, log_key
from ugc_core.settings import LogSection

CALLERS = 64
APPENDS = 400
ROUNDS = 5
LINES = CALLERS * APPENDS
LINE = b"x" * 300
_PREPARE = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA journal_size_limit = 67108864;
    CREATE TABLE lane (partition INTEGER PRIMARY KEY, high INTEGER NOT NULL) STRICT;
    INSERT INTO lane VALUES (0, 0), (1, 0), (2, 0), (3, 0);
    CREATE TABLE record (id INTEGER PRIMARY KEY, value BLOB NOT NULL) STRICT;
"""


class Written(NamedTuple):
    """What the appends became.

    Attributes:
        seconds: From the first append to the last acknowledgement.
        groups: Transactions: each adds one record to a partition at most, and with so many
            callers to the busiest one nearly always, so the records of that are counted.
        records: Rows.
    """

    seconds: float
    groups: int
    records: int


async def through_the_writer(path: Path) -> Written:
    """Append with many callers at once."""
    settings = LogSection(url=f"sqlite:///{path}")
    async with SqliteLogAdmin.open(path, settings) as admin:
        await admin.apply(await admin.plan(topics(settings)))
        async with SqliteLogWriter.open(path, settings.topic, settings) as writer:

            async def caller(number: int) -> None:
                key = log_key(UUID(int=number + 1))
                for _ in range(APPENDS):
                    await writer.append(key, [LINE], headers=EVENT_HEADERS)

            await asyncio.gather(*map(caller, range(CALLERS)))  # warm: the file has its size
            before = await admin.watermarks(settings.topic)
            began = time.perf_counter()
            await asyncio.gather(*map(caller, range(CALLERS)))
            taken = time.perf_counter() - began
        after = await admin.watermarks(settings.topic)
    added = [after[partition].high - mark.high for partition, mark in before.items()]
    return Written(taken, max(added), sum(added))


def by_apsw_alone(path: Path, written: Written, *, rows: int) -> float:
    """Return the seconds of as many transactions: counters, all the bytes in so many rows."""
    db = apsw.Connection(str(path))
    for _ in db.execute(_PREPARE):
        pass
    lanes = written.records // written.groups
    value = LINE * (LINES // rows)
    ids = ((row % lanes) << 46 | row for row in range(rows))  # by partition, as in the log
    began = time.perf_counter()
    for _group in range(written.groups):
        db.execute("BEGIN IMMEDIATE")
        for lane in range(lanes):
            db.execute("UPDATE lane SET high = high + 1 WHERE partition = ?", (lane,))
        for row in islice(ids, rows // written.groups):
            db.execute("INSERT INTO record VALUES (?, ?)", (row, value))
        db.execute("COMMIT")
    taken = time.perf_counter() - began
    db.close()
    return taken


def main() -> None:
    """Measure in turns, so that the machine's moods hit all of them."""
    through: list[Written] = []
    plain: list[float] = []
    packed: list[float] = []
    for _ in range(ROUNDS):
        with TemporaryDirectory(prefix="ugc-bench-") as folder:
            with asyncio.Runner(loop_factory=new_event_loop) as loop:  # as ugc-api does
                one = loop.run(through_the_writer(Path(folder, "log.db")))
            through.append(one)
            plain.append(by_apsw_alone(Path(folder, "plain.db"), one, rows=LINES))
            packed.append(by_apsw_alone(Path(folder, "packed.db"), one, rows=one.records))
    figures: dict[str, object] = {
        "callers": CALLERS,
        "lines": LINES,
        "rounds": ROUNDS,
        "lines_a_group": round(median(LINES / one.groups for one in through), 1),
        "appends_per_s": round(median(LINES / one.seconds for one in through)),
        "commits_per_s": round(median(one.groups / one.seconds for one in through)),
        "baseline": "apsw alone, a row a line: as many commits from one thread",
        **_beside(through, plain, ""),
        "second_baseline": "apsw alone, the lines packed as the writer packs them",
        **_beside(through, packed, "_packed"),
    }
    print(write("sqlite_log", figures).read_text("utf-8"))


def _beside(through: list[Written], alone: list[float], suffix: str) -> dict[str, object]:
    pairs = list(zip(through, alone, strict=True))
    ratios = sorted(round(floor / one.seconds, 2) for one, floor in pairs)
    return {
        f"alone{suffix}_commits_per_s": round(median(one.groups / floor for one, floor in pairs)),
        f"ratio{suffix}": median(ratios),
        f"ratios{suffix}": ratios,
    }


if __name__ == "__main__":
    main()
