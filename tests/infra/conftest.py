"""compose.yaml as Docker reads it, secrets, and a certificate of our own."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
_DEFAULT = re.compile(r"\$\{\w+:-([^}]*)\}")

Compose = dict[str, Any]


@pytest.fixture(scope="session")
def compose_text() -> str:
    """compose.yaml with every variable at its default."""
    return _DEFAULT.sub(r"\1", (ROOT / "compose.yaml").read_text("utf-8"))


@pytest.fixture(scope="session")
def compose(compose_text: str) -> Compose:
    """compose.yaml as a tree, merges done."""
    found: Compose = yaml.safe_load(compose_text)
    return found


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `infra/docker/make-secrets` makes."""
    folder = tmp_path_factory.mktemp("compose") / "secrets"
    script = ROOT / "infra" / "docker" / "make-secrets"
    subprocess.run(["sh", str(script), str(folder)], check=True, timeout=30)
    return folder


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key and a certificate of our own for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("certificate")
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "server.key"), "-out", str(folder / "server.crt")]
    subprocess.run([*words.split(), *names, *files], check=True, capture_output=True, timeout=30)
    return folder


@pytest.fixture(scope="session")
def mounted(certificate: Path) -> dict[str, str | bytes]:
    """What an installation with a certificate mounts into nginx."""
    files = {f"tls/{path.name}": path.read_bytes() for path in certificate.iterdir()}
    return {"tls/tls.conf": (ROOT / "infra" / "nginx" / "tls.conf").read_text("utf-8"), **files}
