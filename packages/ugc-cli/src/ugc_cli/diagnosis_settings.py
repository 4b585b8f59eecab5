"""Doctor: settings, secrets, keys of tokens, disk."""

import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from ugc_api.auth.bootstrap import look_at_keys
from ugc_api.auth.secret import MIN_SECRET_BYTES
from ugc_cli.diagnosis import Check, Diagnosis, Patient, Verdict, ok
from ugc_core.api_settings import AuthSection
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

    async def keys() -> Iterable[Diagnosis]:
        return await _keys(patient.settings.auth)

    async def disk() -> Iterable[Diagnosis]:
        return _disk(patient.settings.data_dir)

    found = [Check(name="secrets", look=secrets, next="ugc config show --sources")]
    if patient.settings.auth.jwks_file or patient.settings.auth.jwks_url:
        found.append(Check(name="keys", look=keys, next="look whether the issuer works"))
    if patient.embedded:
        found.append(Check(name="disk", look=disk, next="choose another --data"))
    return found


def _secrets(patient: Patient) -> Iterable[Diagnosis]:
    """Look who may read the files that hold secrets, and whether that of tokens is long enough."""
    named = dict(leaves(patient.settings))
    files = [Path(str(path)) for name in sorted(SECRETS) if (path := named[f"{name}_file"])]
    open_ones = [path for path in files if stat.S_IMODE(path.stat().st_mode) & _OTHERS]
    found = [
        Diagnosis(
            check="secrets",
            verdict=Verdict.FAIL,
            why=f"{path} can be read by others (mode {stat.S_IMODE(path.stat().st_mode):o})",
            next=f"chmod 600 {path}; whoever could read it may know the secret: make a new one",
        )
        for path in open_ones
    ]
    secret = patient.settings.auth.secret.encode()
    if 0 < len(secret) < MIN_SECRET_BYTES:
        why = f"auth.secret has {len(secret)} bytes: under {MIN_SECRET_BYTES} it may be guessed"
        then = "openssl rand -hex 32 > jwt.secret; set UGC_AUTH__SECRET_FILE=jwt.secret"
        found.append(Diagnosis(check="secrets", verdict=Verdict.WARN, why=why, next=then))
    many = f"{len(files)} files" if len(files) != 1 else "1 file"
    return found or ok("secrets", f"{many}, each readable by its owner alone")


async def _keys(section: AuthSection) -> Iterable[Diagnosis]:
    """Read the public keys as the API does."""
    found = await look_at_keys(section)
    many = f"{len(found.keys)} keys" if len(found.keys) != 1 else "1 key"
    if found.keys and not found.refused:
        return ok("keys", f"{many} to verify tokens with")
    why = f"{many} to verify tokens with; not used: {'; '.join(found.refused) or 'none'}"
    verdict = Verdict.WARN if found.keys else Verdict.FAIL
    then = "publish public keys alone: RSA from 2048 bits, P-256 or Ed25519, for signatures"
    return [Diagnosis(check="keys", verdict=verdict, why=why, next=then)]


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
