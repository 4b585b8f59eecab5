"""The Dockerfile: linted, complete, and built for real where podman is.

There is no registry to take the base image from, so one is made of this machine's Python.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.infra.conftest import ROOT
from tests.infra.local_base import make_root

DOCKERFILE = ROOT / "infra" / "docker" / "Dockerfile"
TARGETS = {"api": ("ugc-api", "ugc_api"), "etl": ("ugc-etl", "ugc_etl")}
HADOLINT = Path(sys.executable).parent / "hadolint"
BASE = """\
FROM scratch
COPY root /
ENV PATH=/usr/local/bin:/usr/bin:/bin LD_LIBRARY_PATH=/usr/lib \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt PIP_CERT=/etc/ssl/certs/ca-certificates.crt
"""
_ABSENT = "import importlib.util as u; print([n for n in %r if u.find_spec(n)])"


class Podman:
    """podman and buildah with a storage of their own, gone after the tests."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._storage = ["--root", str(folder / "storage"), "--runroot", str(folder / "run")]

    def __call__(self, program: str, *words: str, check: bool = True) -> str:
        done = subprocess.run(
            [program, *self._storage, *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout.strip()

    def base(self) -> str:
        """Build the base image."""
        make_root(self._folder / "root")
        (self._folder / "Base").write_text(BASE)
        file = ("--file", str(self._folder / "Base"))
        self("podman", "build", "--isolation=chroot", *file, "--tag", "base", str(self._folder))
        return "localhost/base"

    def build(self, target: str, base: str) -> dict[str, Any]:
        """Build one of our images; return its configuration."""
        how = ("--isolation=chroot", "--network=host", "--format=docker")
        what = ("--build-arg", f"PYTHON_IMAGE={base}", "--target", target, "--tag", target)
        self("podman", "build", *how, *what, "--file", str(DOCKERFILE), ".")
        (found,) = json.loads(self("podman", "image", "inspect", target))
        config: dict[str, Any] = found["Config"] | {"Healthcheck": found.get("Healthcheck")}
        return config

    def run(self, image: str, *words: str) -> str:
        """Run a command as the image's user."""
        container = self("buildah", "from", image)
        try:
            return self("buildah", "run", "--isolation=chroot", container, "--", *words)
        finally:
            self("buildah", "rm", container)


@pytest.fixture(scope="module")
def podman(needs) -> Iterator[Podman]:
    needs("podman")
    needs("buildah")
    if os.geteuid() != 0:
        pytest.skip("podman with --isolation=chroot needs root here")
    with tempfile.TemporaryDirectory(prefix="ugc-podman-") as folder:  # it wants a short path
        podman = Podman(Path(folder))
        try:
            yield podman
        finally:
            podman("podman", "rmi", "--all", "--force", check=False)


@pytest.fixture(scope="module")
def base(podman: Podman) -> str:
    return podman.base()


def test_the_dockerfile_has_no_lint():
    linted = subprocess.run(
        [str(HADOLINT), str(DOCKERFILE)], capture_output=True, text=True, timeout=60, check=False
    )

    assert linted.returncode == 0, linted.stdout


def test_the_targets_are_those_of_compose(compose):
    stages = re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE.read_text("utf-8"), re.MULTILINE)
    built = {
        service["build"]["target"] for service in compose["services"].values() if "build" in service
    }

    assert built == {"api", "etl", "cli", "sut"} <= set(stages)


def test_every_package_is_copied_before_its_dependencies_are_installed():
    text = DOCKERFILE.read_text("utf-8")
    copied = re.findall(r"^COPY packages/(\S+)/pyproject\.toml", text, re.MULTILINE)

    assert set(copied) == {path.parent.name for path in ROOT.glob("packages/*/pyproject.toml")}


def test_the_versions_of_uv_agree():
    pins = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["uv"]
    version = re.search(r"ARG UV_VERSION=(\S+)", DOCKERFILE.read_text("utf-8"))

    assert version
    assert f"uv=={version[1]}" in pins["constraint-dependencies"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("target", TARGETS)
def test_an_image_is_built_and_holds_one_service(podman, base, target):
    program, module = TARGETS[target]

    config = podman.build(target, base)

    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == [program]
    assert config["Labels"]["org.opencontainers.image.title"] == program
    port = next(iter(config["ExposedPorts"])).split("/")[0]
    assert f"127.0.0.1:{port}/" in config["Healthcheck"]["Test"][-1]
    assert podman.run(target, program, "--version").startswith(f"{program} ")
    others = ("ugc_api", "ugc_etl", "ugc_cli", "chdb_server", "typer", "uv", "pytest")
    assert podman.run(target, "python", "-c", _ABSENT % (others,)) == str([module])
    assert podman.run(target, "id", "-u") == "10001"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_command_line_and_the_tests_have_images_too(podman, base):
    config = podman.build("cli", base)

    assert config["Entrypoint"] == ["ugc"]
    assert podman.run("cli", "ugc", "load-test", "--help").count("ugc load-test")
    podman.build("sut", base)
    assert "tests/compose" in podman.run("sut", "pytest", "--collect-only", "-q", "tests/compose")
