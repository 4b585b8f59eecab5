"""Faults of disks: rows 22 and 23."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from chaos.log_reading import committed, high_marks
from chaos.looks import committed_and_missing
from chaos.parts import Places, running_parts
from chaos.programs import until
from chaos.trial import Stage, Verdict, trial

_LOG_MIB, _WAREHOUSE_MIB = 64, 160
_FULL_S = 30.0
_PROGRAMS = str(Path(__file__).parents[2])
_SERVICE_UNAVAILABLE = 503


class NeedsRootError(Exception):
    """A small file system cannot be mounted here."""


async def log_disk_full(stage: Stage) -> Verdict:
    """Row 22, log: an error before the acknowledgement, and on again when there is room."""
    with small_disk(stage.folder / "log", _LOG_MIB if stage.long else 8) as disk:
        places = Places(output=stage.folder, log=disk, warehouse=stage.folder / "warehouse")
        async with running_parts(places, stage.environment) as parts:
            await parts.etl.start()
            async with trial(stage, parts) as run:
                await run.share()
                async with run.fault():
                    with filled(disk):
                        refused = run.traffic.statuses[_SERVICE_UNAVAILABLE]
                        await until(
                            lambda: run.traffic.statuses[_SERVICE_UNAVAILABLE] > refused,
                            "the full disk is noticed",
                            within_s=_FULL_S,
                        )
                        async with httpx.AsyncClient(base_url=parts.api) as client:
                            alive = await client.get("/livez")
                        run.expect(that=alive.is_success, what="the API is not alive")
                await run.share()
                await run.share()
            run.facts["answers_503"] = run.traffic.statuses[_SERVICE_UNAVAILABLE]
            return await run.verdict()


async def warehouse_disk_full(stage: Stage) -> Verdict:
    """Row 22, warehouse: nothing is committed while it is full; players notice nothing."""
    with small_disk(stage.folder / "warehouse", _WAREHOUSE_MIB) as disk:
        places = Places(output=stage.folder, log=stage.folder / "log", warehouse=disk)
        async with running_parts(places, stage.environment) as parts:
            await parts.etl.start()
            async with trial(stage, parts) as run:
                await run.share()
                async with run.fault():
                    with filled(disk):
                        tries = parts.etl.err.count("trying_again")
                        await until(
                            lambda: parts.etl.err.count("trying_again") > tries,
                            "the full disk is noticed",
                            within_s=_FULL_S,
                        )
                        await run.share()
                        at = await committed(parts.settings.log)
                        high = await high_marks(parts.settings.log)
                        run.expect(that=high != at, what="nothing waits for room")
                        missing = await committed_and_missing(parts.settings)
                        run.expect(that=not missing, what=f"committed, not stored: {missing}")
                await run.share()
            return await run.verdict()


@contextmanager
def small_disk(path: Path, mib: int) -> Iterator[Path]:
    """Mount a small file system; unmount it at the end.

    Raises:
        NeedsRootError: Only root may, and we are not.
    """
    path.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "chaos", str(path)]
    try:
        subprocess.run(mount, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NeedsRootError(str(error)) from error
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Leave no byte free on a disk, for as long as the block runs."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            _fill(file.fileno(), size)
    try:
        yield
    finally:
        ballast.unlink()


def _fill(handle: int, size: int) -> None:
    try:
        while os.write(handle, bytes(size)) == size:
            pass
    except OSError:
        return


async def sync_fails(stage: Stage) -> Verdict:
    """Row 23: fsync returns EIO; the API stops, and what it acknowledged is there."""
    flag = stage.folder / "broken"
    command = (sys.executable, "-m", "chaos.failing_disk", str(flag))
    environment = {"PYTHONPATH": _PROGRAMS, **stage.environment}
    places = Places.inside(stage.folder)
    async with running_parts(places, environment, api_command=command) as parts:
        await parts.etl.start()
        async with trial(stage, parts) as run:
            await run.share()
            async with run.fault():
                flag.touch()
                code = await parts.http.ended()
                run.expect(that=code > 0, what=f"the API ended with {code}")
                run.expect(that="is damaged or its disk fails" in parts.http.err, what="no reason")
                flag.unlink()
                await parts.http.start()
            await run.share()
            await run.share()
        run.facts["exit_code"] = code
        return await run.verdict()
