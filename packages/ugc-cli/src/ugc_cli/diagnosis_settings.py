"""Doctor: settings, secrets, disk."""

import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from ugc_cli.diagnosis import Check, Diagnosis, Patient, Verdict, ok
from ugc_core.settings import SECRETS
from ugc_core.sources import leaves

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_LITTLE = 0.1
_VERY_LITTLE = 0.02
_GIB = 1 << 30


def checks(patient: Patient) -> list[Check]:
    """Return what is looked at before anything is asked."""

    async def secrets() -> Iterable[Diagnosis]:
        return _secrets(patient)

    async def disk() -> Iterable[Diagnosis]:
        return _disk(patient.settings.data_dir)

    found = [Check(name="secrets", look=secrets, next="ugc config show --sources")]
    if patient.embedded:
        found.append(Check(name="disk", look=disk, next="choose another --data"))
    return found


def _secrets(patient: Patient) -> Iterable[Diagnosis]:
    """Look who may read the files that hold secrets."""
    named = dict(leaves(patient.settings))
    files = [Path(str(path)) for name in sorted(SECRETS) if (path := named[f"{name}_file"])]
    open_ones = [path for path in files if stat.S_IMODE(path.stat().st_mode) & _OTHERS]
    if not open_ones:
        many = f"{len(files)} files" if len(files) != 1 else "1 file"
        return ok("secrets", f"{many}, each readable by its owner alone")
    return [
        Diagnosis(
            check="secrets",
            verdict=Verdict.FAIL,
            why=f"{path} can be read by others (mode {stat.S_IMODE(path.stat().st_mode):o})",
            next=f"chmod 600 {path}; whoever could read it may know the secret: make a new one",
        )
        for path in open_ones
    ]


def _disk(directory: Path) -> Iterable[Diagnosis]:
    usage = shutil.disk_usage(directory)
    return judge_disk(
        "disk", f"{directory}", free=usage.free, total=usage.total, then="make room on that disk"
    )


def judge_disk(check: str, where: str, *, free: int, total: int, then: str) -> list[Diagnosis]:
    """Judge what is free: a full disk stops the log, and inserts, before anything is lost."""
    share = free / max(total, 1)
    why = f"{where}: {free / _GIB:.1f} GiB of {total / _GIB:.0f} free ({share:.0%})"
    if share >= _LITTLE:
        return ok(check, why)
    verdict = Verdict.FAIL if share < _VERY_LITTLE else Verdict.WARN
    return [Diagnosis(check=check, verdict=verdict, why=why, next=then)]
