"""SqliteLogWriter under 64 concurrent callers, beside the same commits by apsw alone.

Every caller appends one line after the other, each waiting for its acknowledgement, so a
group holds about 64 lines. Baseline, in the same invocation and on the same disk: apsw
commits as many transactions as the writer needed, with as many rows and bytes in them, with
`synchronous=FULL`, from one thread and nothing around it.
"""

import asyncio
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple
from uuid import UUID

import apsw
from harness.results import write

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


def by_apsw_alone(path: Path, written: Written) -> float:
    """Return the seconds of as many transactions, as many rows and as many bytes."""
    db = apsw.Connection(str(path))
    for _ in db.execute(_PREPARE):
        pass
    value = LINE * (LINES // written.records)
    began = time.perf_counter()
    for group in range(written.groups):
        so_far, then = (written.records * n // written.groups for n in (group, group + 1))
        db.execute("BEGIN IMMEDIATE")
        for _ in range(then - so_far):
            db.execute("INSERT INTO record (value) VALUES (?)", (value,))
        db.execute("COMMIT")
    taken = time.perf_counter() - began
    db.close()
    return taken


def main() -> None:
    """Measure in turns, so that the machine's moods hit both."""
    through, alone = [], []
    for _ in range(ROUNDS):
        with TemporaryDirectory(prefix="ugc-bench-") as folder:
            through.append(asyncio.run(through_the_writer(Path(folder, "log.db"))))
            alone.append(by_apsw_alone(Path(folder, "alone.db"), through[-1]))
    ratios = sorted(floor / one.seconds for one, floor in zip(through, alone, strict=True))
    figures: dict[str, object] = {
        "callers": CALLERS,
        "lines": LINES,
        "rounds": ROUNDS,
        "lines_a_group": round(median(LINES / one.groups for one in through), 1),
        "appends_per_s": round(median(LINES / one.seconds for one in through)),
        "commits_per_s": round(median(one.groups / one.seconds for one in through)),
        "baseline": "apsw alone: as many commits, rows and bytes, one thread",
        "alone_commits_per_s": round(
            median(one.groups / floor for one, floor in zip(through, alone, strict=True))
        ),
        "ratio": round(median(ratios), 2),
        "ratios": [round(ratio, 2) for ratio in ratios],
    }
    print(write("sqlite_log", figures).read_text("utf-8"))


if __name__ == "__main__":
    main()
