"""infra/nginx/nginx.conf: what it lets in, held by a real nginx where there is one."""

import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import psutil
import pytest

from tests.e2e.systems import until
from tests.infra.conftest import ROOT
from ugc_api import server
from ugc_core.settings import ApiSection

CONF = (ROOT / "infra" / "nginx" / "nginx.conf").read_text("utf-8")


class FakeApi(BaseHTTPRequestHandler):
    """Says what it was asked, and counts connections by their ports."""

    protocol_version = "HTTP/1.1"
    connections: set[int]

    def do_POST(self) -> None:
        self.connections.add(self.client_address[1])
        body = self.rfile.read(int(self.headers["Content-Length"]))
        said = f"{self.path} {self.headers['Host']} {len(body)}".encode()
        self.send_response(202)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST  # noqa: N815 - http.server calls it so

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture(scope="module")
def api() -> Iterator[ThreadingHTTPServer]:
    FakeApi.connections = set()
    with ThreadingHTTPServer(("127.0.0.1", 0), FakeApi) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield listening
        listening.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def proxy(needs, api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A real nginx with our configuration; only addresses and folders are this machine's."""
    nginx, folder, port = needs("nginx"), tmp_path_factory.mktemp("nginx"), _free_port()
    text = CONF.replace(" /tmp/", f" {folder}/")
    text = text.replace("listen 8080", f"listen 127.0.0.1:{port}")
    # `resolve` came with 1.27.3; Debian's is older, and there is no Docker to ask.
    text = text.replace("api:8000 resolve", f"127.0.0.1:{api.server_address[1]}")
    text = re.sub(r"resolver .*;", "", text).replace("worker_processes auto", "worker_processes 1")
    conf = folder / "nginx.conf"
    conf.write_text(f"user {psutil.Process().username()};\n{text}", "utf-8")
    words = [nginx, "-p", str(folder), "-c", str(conf), "-e", "stderr", "-g", "daemon off;"]
    with subprocess.Popen(words) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
                until(lambda: _answers(client), "nginx answers")
                yield client
        finally:
            process.terminate()
            process.wait(20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


def test_the_api_gets_its_requests_over_few_connections(proxy, api):
    for number in range(20):
        answer = proxy.post(f"/api/v1/progresses/films/{number}/", content=b"x" * 10)
        host = f"{proxy.base_url.host}:{proxy.base_url.port}"
        assert answer.text == f"/api/v1/progresses/films/{number}/ {host} 10"

    assert len(FakeApi.connections) <= 2


@pytest.mark.parametrize("path", ["/", "/metrics", "/livez", "/apix", "/api"])
def test_nothing_else_gets_in(proxy, path):
    assert proxy.get(path).status_code in {301, 404}


def test_the_largest_batch_passes(proxy):
    body = b"x" * ApiSection().max_batch_bytes

    assert proxy.post("/api/v1/progresses/", content=body).text.endswith(f" {len(body)}")
    assert proxy.post("/api/v1/progresses/", content=body * 2).status_code == 413


def test_the_service_keeps_connections_longer_than_the_proxy():
    upstream = re.search(r"keepalive_timeout (\d+)s; # the service", CONF)

    assert upstream
    assert int(upstream[1]) < server._KEEP_ALIVE_S


def test_the_proxy_looks_for_the_api_where_it_listens(compose):
    service = compose["services"]

    assert f"server api:{service['api']['environment']['UGC_API__PORT']} resolve" in CONF
    assert service["nginx"]["ports"][0].endswith(":8080")
    assert "listen 8080;" in CONF
