"""A real nginx with our configuration: only addresses, folders and what a test says differ."""

import contextlib
import json
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.e2e.systems import until
from tests.infra.conftest import ROOT
from tests.integration.api_processes import free_port

CONFIGURATION = ROOT / "infra" / "nginx"
PATIENCE_S = 10.0
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of plain HTTP: reading every authority's certificate takes longer than a test."""
_LISTENS = re.compile(r"listen (\d+)")


@dataclass(frozen=True, kw_only=True)
class Site:
    """What an installation, or a test, says in its own words.

    Attributes:
        services: Ports of the instances of the service.
        changes: Words of the configuration, and what stands in their place.
        files: Files with another content than ours.
    """

    services: Sequence[int]
    changes: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str | bytes] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Front:
    """A running nginx.

    Attributes:
        port: Where it listens without TLS.
        tls_port: Where it listens with TLS, if it has a certificate.
        folder: Its configuration, its logs and its temporary files.
    """

    port: int
    tls_port: int
    folder: Path

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://127.0.0.1:{self.port}"

    def client(self, **options: Any) -> httpx.Client:
        """Return a client without TLS."""
        return httpx.Client(base_url=self.url, timeout=PATIENCE_S, verify=NO_TLS, **options)

    def access(self, request_id: str) -> dict[str, str]:
        """Return the line of the access log about a request, once it is there."""

        def found() -> dict[str, str] | None:
            text = (self.folder / "access.log").read_text("utf-8")
            lines = (json.loads(line) for line in text.splitlines(keepends=True) if "\n" in line)
            return next((line for line in lines if line["request_id"] == request_id), None)

        line = until(found, f"{request_id} is in the access log")
        assert line is not None
        return line

    def logs(self) -> str:
        """Return everything that it has written."""
        return "".join(path.read_text("utf-8") for path in self.folder.glob("*.log"))


@contextlib.contextmanager
def running(nginx: str, folder: Path, site: Site) -> Iterator[Front]:
    """Run it until the block ends; it has to end by itself then."""
    front = Front(port=free_port(), tls_port=free_port(), folder=folder)
    write(front, site)
    with subprocess.Popen(command(nginx, folder)) as process:
        try:
            until(lambda: _listens(front.port), "nginx listens")
            yield front
        finally:
            process.terminate()
            process.wait(20)


def command(nginx: str, folder: Path, *more: str) -> list[str]:
    """Return the words that start it in the foreground."""
    conf, out = str(folder / "nginx.conf"), str(folder / "error.log")
    return [nginx, "-p", str(folder), "-c", conf, "-e", out, "-g", "daemon off;", *more]


def write(front: Front, site: Site) -> None:
    """Write the configuration of this machine."""
    files: dict[str, str | bytes] = {
        path.name: path.read_text("utf-8") for path in CONFIGURATION.glob("*.conf")
    }
    del files["tls.conf"]  # an installation with a certificate mounts it in tls/
    files |= site.files
    changed: set[str] = set()
    for name, content in files.items():
        path = front.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
            continue
        changed |= {before for before in site.changes if before in content}
        path.write_text(_placed(content, front, site), "utf-8")
    assert changed == set(site.changes), "what is to be changed is not there"
    conf = front.folder / "nginx.conf"
    text = conf.read_text("utf-8")
    conf.write_text(f"user {psutil.Process().username()};\n{text}", "utf-8")


def _placed(text: str, front: Front, site: Site) -> str:
    """Put this machine's addresses and folders into one of the files."""
    for before, after in site.changes.items():
        text = text.replace(before, after)
    text = text.replace(" /tmp/", f" {front.folder}/")
    text = text.replace("/dev/stdout", f"{front.folder}/access.log")
    text = text.replace("/dev/stderr", f"{front.folder}/error.log")
    text = text.replace("/etc/nginx/", f"{front.folder}/")
    ports = {"8080": front.port, "8443": front.tls_port}
    text = _LISTENS.sub(lambda found: f"listen 127.0.0.1:{ports[found[1]]}", text)
    # `resolve` came with 1.27.3; Debian's is older, and there is no Docker to ask.
    text = re.sub(r"resolver .*;", "", text).replace("worker_processes auto", "worker_processes 1")
    servers = " max_fails=0; server ".join(f"127.0.0.1:{port}" for port in site.services)
    return text.replace("api:8000 resolve", servers)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
