"""Each package installs by itself, and brings what it needs and nothing else of ours."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.systems import ROOT, clean_environment

pytestmark = pytest.mark.timeout(300)

OURS = {"ugc-core", "ugc-api", "ugc-etl", "ugc-cli", "chdb-server"}
UV = str(Path(sys.executable).parent / "uv")


class Package(NamedTuple):
    """What a package brings along, what it must not, and a command that shows it works."""

    name: str
    ours: set[str]
    foreign: set[str]
    shows: list[str]


PACKAGES = [
    Package(
        "ugc-core",
        {"ugc-core"},
        {"fastapi", "uvicorn", "typer", "chdb-core", "prometheus-client", "pyjwt"},
        ["python", "-c", "import ugc_core.bootstrap"],
    ),
    Package(
        "ugc-api",
        {"ugc-api", "ugc-core"},
        {"typer", "rich", "chdb-core", "clickhouse-cityhash"},
        ["ugc-api", "--help"],
    ),
    Package(
        "ugc-etl",
        {"ugc-etl", "ugc-core"},
        {"fastapi", "starlette", "uvicorn", "typer", "chdb-core", "pyjwt"},
        ["ugc-etl", "--help"],
    ),
    Package(
        "chdb-server",
        {"chdb-server"},
        {"msgspec", "asynch", "apsw", "fastapi", "typer"},
        ["chdb-server", "--help"],
    ),
    Package("ugc-cli", OURS, {"pytest", "hypothesis", "locust"}, ["ugc", "--help"]),
]


def run(*arguments: str, cwd: Path = ROOT) -> str:
    done = subprocess.run(
        arguments,
        cwd=cwd,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def installed(python: Path) -> set[str]:
    """Return the names of what an environment holds."""
    listed = run(UV, "pip", "list", "--quiet", "--format", "json", "--python", str(python))
    return {entry["name"] for entry in json.loads(listed)}


def brings_what_it_needs(package: Package, python: Path, folder: Path) -> None:
    found = installed(python)
    assert found & OURS == package.ours
    assert not found & package.foreign
    program, *arguments = package.shows
    said = run(str(python.parent / program), *arguments, cwd=folder)
    assert program == "python" or "usage" in said.lower()


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_package_installs_alone(index, tmp_path, package: Package):
    python = tmp_path / "venv" / "bin" / "python"
    fresh = [option for name in sorted(OURS) for option in ("--refresh-package", name)]
    run(UV, "venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv"))

    run(UV, "pip", "install", "-q", "--python", str(python), *fresh, f"./packages/{package.name}")

    brings_what_it_needs(package, python, tmp_path)


def test_plain_pip_installs_the_api_and_no_pipeline_and_what_is_new_the_next_time(
    index: Path, tmp_path
):
    """Of a folder called like `name-version` pip would keep the wheel, however old."""
    python = index / "bin" / "python"
    tree = tmp_path / "tree"
    shutil.copytree(ROOT / "packages", tree / "packages")
    pip = [str(python), "-m", "pip", "--cache-dir", str(tmp_path / "cache"), "install", "-q"]

    run(*pip, "./packages/ugc-api", cwd=tree)
    (tree / "packages/ugc-core/src/ugc_core/pulled.py").touch()
    run(*pip, "./packages/ugc-api", cwd=tree)

    (api,) = [package for package in PACKAGES if package.name == "ugc-api"]
    brings_what_it_needs(api, python, tmp_path)
    run(str(python), "-c", "import ugc_core.pulled")
