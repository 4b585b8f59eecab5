"""The log's writer killed again and again, in the middle of what it does: row 24."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from chaos.judge import Difference
from chaos.log_reading import log_records
from chaos.mortal_log import LINES_A_LIFE, SECTION
from chaos.trial import Stage, Verdict
from ugc_core.adapters.sqlite_log_admin import SqliteLogAdmin
from ugc_core.bootstrap import open_log_admin, topics
from ugc_core.settings import LogSection

_LIFE_S = 30.0
_PROGRAMS = str(Path(__file__).parents[2])
_LIVES, _SHORT_LIVES = 200, 18
_OPERATIONS = {"append": 120, "trim": 14, "checkpoint": 20}
"""Up to which operation on the disk a life lasts: somewhere in each, on most rounds."""


@dataclass(kw_only=True)
class _Lives:
    """What the lives of the log's writer have said.

    Attributes:
        kept: Where each acknowledged line is: its partition and offset.
        attempted: How many lines may have been appended, numbered from 0.
        deaths: How many lives ended in which operation.
    """

    kept: dict[int, tuple[int, int]] = field(default_factory=dict)
    attempted: int = 0
    deaths: dict[str, int] = field(default_factory=dict)

    def heard(self, output: str) -> None:
        """Take in what a life has said."""
        for line in output.splitlines():
            number, partition, offset = map(int, line.removeprefix("kept ").split())
            self.kept[number] = (partition, offset)


async def killed_in_the_log(stage: Stage) -> Verdict:
    """Row 24: SIGKILL inside append, trim and checkpoint of the log."""
    rng, lives, path = random.Random(stage.seed), _Lives(), stage.folder / "log.db"
    section = LogSection(url=f"sqlite:///{path}", partitions=SECTION.partitions, retention_hours=1)
    found: list[Difference] = []
    async with SqliteLogAdmin.open(path, section) as admin:
        await admin.apply(await admin.plan(topics(section)))
    for number in range(_LIVES if stage.long else _SHORT_LIVES):
        where = list(_OPERATIONS)[number % len(_OPERATIONS)]
        last = rng.randrange(_OPERATIONS[where])
        code = await asyncio.to_thread(_live, path, where, last, lives)
        if code == -signal.SIGKILL:
            lives.deaths[where] = lives.deaths.get(where, 0) + 1
        elif code:
            found.append(Difference("exit code", f"{where}: {code}"))
        found += await _inspect(section, path, lives)
    missing = _OPERATIONS.keys() - lives.deaths.keys()
    found += [Difference("expectation", f"no life ended in {where}") for where in missing]
    figures: dict[str, object] = {
        "reports": lives.attempted,
        "accepted": len(lives.kept),
        "killed_in": lives.deaths,
    }
    return Verdict(figures=figures, differences=found)


def _live(path: Path, where: str, last: int, lives: _Lives) -> int:
    """Run one life to its end; return its exit code."""
    first = lives.attempted
    lives.attempted += LINES_A_LIFE
    done = subprocess.run(
        [sys.executable, "-m", "chaos.mortal_log", str(path), where, str(last), str(first)],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=_LIFE_S,
        env={**os.environ, "PYTHONPATH": _PROGRAMS},
    )
    lives.heard(done.stdout)
    return done.returncode


async def _inspect(section: LogSection, path: Path, lives: _Lives) -> list[Difference]:
    """Look for damage, and for every line that was acknowledged and may not be gone."""
    with closing(apsw.Connection(str(path))) as db:
        ok = db.execute("PRAGMA integrity_check").fetchall()
    found = [] if ok == [("ok",)] else [Difference("integrity", str(ok))]
    async with open_log_admin(section) as admin:
        ends = await admin.watermarks(section.topic)
        commits = await admin.committed_by(section.group, section.topic)
    at: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for record in await log_records(section, section.topic):
        for line in record.value.split(b"\n"):
            at[int(line)].append((record.partition, record.offset))
    for number, place in lives.kept.items():
        partition, offset = place
        if offset >= ends[partition].low and place not in at[number]:
            found.append(Difference("lost", f"{number} at {place}"))
    for partition, marks in ends.items():
        committed_to = commits[partition].offset if partition in commits else 0
        if marks.low > committed_to:
            found.append(Difference("trimmed", f"[{partition}] {marks.low} past {committed_to}"))
    found += [Difference("phantom", str(n)) for n, p in at.items() if p and n >= lives.attempted]
    found += [Difference("doubled", f"{n} at {p}") for n, p in at.items() if len(p) > 1]
    return found
