"""Replays of the log beside live traffic, after an erasure: row 29."""

import asyncio
import re
import signal
import subprocess
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from chaos.log_reading import committed
from chaos.programs import Program, script, until_told
from chaos.systems import Up, running_up
from chaos.trial import Stage, Trial, Verdict, trial
from ugc_core.bootstrap import open_warehouse

_COMMAND_S = 300.0


class Ended(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    said: str


async def replayed(stage: Stage) -> Verdict:
    """Row 29: a user is forgotten; then the log is replayed whole, and again in two parts."""
    async with running_up(stage.folder, stage.environment) as up:
        async with trial(stage, up) as run:
            forgotten = run.traffic.players.users[0]
            await run.share()
            async with run.fault():
                await _succeeds(run, up, "forget", str(forgotten), "--yes")
            await run.share()
            live = await committed(up.settings.log)
            async with run.fault():
                for _ in range(2 if stage.long else 1):
                    await _succeeds(run, up, "replay", "log", "--all")
                await _in_two_parts(run, up)
            now = await committed(up.settings.log)
            back = {p: (at, now.get(p)) for p, at in live.items() if now.get(p, -1) < at}
            run.expect(that=not back, what=f"the live group has gone back: {back}")
            await run.share()
        # Its players went on all the while with reports that were made before the erasure.
        events = run.journal.events.values()
        run.gone = {event.event_id for event in events if event.user_id == forgotten}
        run.facts["reports_of_the_forgotten"] = len(run.gone)
        return await run.verdict()


async def _succeeds(run: Trial, up: Up, *arguments: str) -> None:
    ended = await asyncio.to_thread(_ugc, up, arguments)
    what = f"`ugc {' '.join(arguments)}` ended with {ended.code}: {ended.said[-500:]}"
    run.expect(that=ended.code == 0, what=what)


async def _in_two_parts(run: Trial, up: Up) -> None:
    """Interrupt a replay once a part of it is stored, and resume it."""
    known = await _replayed(up)
    # Two seconds in all, so that there is a middle.
    rate = max(len(run.journal.events) // 2, 1)
    command = (script("ugc"), "replay", "log", "--all", "--rate", str(rate), "--data", str(up.data))
    program = Program(command, output=run.stage.folder / "replay", environment={}, ready="")
    try:
        program.begin()
        await until_told(lambda: _more_than(up, known), "a part is replayed", within_s=_COMMAND_S)
        program.send(signal.SIGINT)
        code = await program.ended(within_s=_COMMAND_S)
    finally:
        program.put_away()
    said = program.out + program.err
    found = re.search(r"ugc replay log --resume (\S+)", said)
    run.expect(that=code == 1 and found is not None, what=f"interrupted, it ended with {code}")
    if found:
        await _succeeds(run, up, "replay", "log", "--resume", found[1])
    run.facts["replayed_ranges"] = await _replayed(up)


async def _replayed(up: Up) -> int:
    """Return how many ranges replays have noted in the ledger."""
    async with open_warehouse(up.settings.warehouse) as warehouse:
        answer = await warehouse.read("SELECT count() FROM ingested FINAL WHERE topic != 'views'")
    return msgspec.convert(answer.rows[0][0], int)


async def _more_than(up: Up, known: int) -> bool:
    return await _replayed(up) > known


def _ugc(up: Up, arguments: Sequence[str]) -> Ended:
    done = subprocess.run(
        [script("ugc"), *arguments, "--data", str(up.data)],
        capture_output=True,
        text=True,
        timeout=_COMMAND_S,
        check=False,
    )
    return Ended(done.returncode, done.stdout + done.stderr)
