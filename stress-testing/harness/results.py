"""Results: what was measured, on which machine, with which versions, when."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

RESULTS = Path(__file__).parents[1] / "results"
_PACKAGES = (
    *("ugc-core", "chdb-core", "asynch", "aiokafka"),
    *("fastapi", "uvicorn", "msgspec", "apsw"),
)


def machine() -> dict[str, object]:
    """Return what the figures depend on."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def write(name: str, figures: Mapping[str, object]) -> Path:
    """Write `results/<name>.json` and return its path."""
    document = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "versions": {package: version(package) for package in _PACKAGES},
        "commit": commit(),
        **figures,
    }
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    return path


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Return minimum, median, 95th percentile and maximum, in milliseconds."""
    ordered = sorted(seconds)
    at95 = ordered[min(int(len(ordered) * 0.95), len(ordered) - 1)]
    return {
        "min_ms": _ms(ordered[0]),
        "p50_ms": _ms(median(ordered)),
        "p95_ms": _ms(at95),
        "max_ms": _ms(ordered[-1]),
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


def commit() -> str:
    """Return what was measured; `-dirty` where more than results and tables has changed since."""
    changed = _git("status", "--porcelain", "--", ":/", ":!/stress-testing/results", ":!*.md")
    return _git("describe", "--always") + ("-dirty" if changed else "") or "unknown"


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=RESULTS)
    return found.stdout.strip()


def _processor() -> str:
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        if line.startswith("model name")
    ]
    return names[0] if names else platform.processor()
