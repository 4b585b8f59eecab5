"""nginx with a certificate: which TLS it speaks, and that the rest is as without."""

import socket
import ssl
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from tests.infra.fake_api import FakeApi, fake_api, headers_of
from tests.infra.nginx_process import Front, Site, command, running, write
from tests.infra.raw_http import PATIENCE_S, converse
from tests.infra.test_nginx_problems import said

PATH = "/api/v1/progresses/"


@pytest.fixture(scope="module")
def api() -> Iterator[FakeApi]:
    with fake_api() as listening:
        yield listening


@pytest.fixture(scope="module")
def front(needs, api, mounted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    site = Site(services=[api.port], files=mounted)
    with running(needs("nginx"), tmp_path_factory.mktemp("nginx"), site) as front:
        yield front


@pytest.fixture
def context(certificate) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate / "server.crt"))


@pytest.fixture
def client(front, context) -> Iterator[httpx.Client]:
    url = f"https://127.0.0.1:{front.tls_port}"
    with httpx.Client(base_url=url, verify=context, timeout=PATIENCE_S) as client:
        yield client


def shake_hands(front: Front, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", front.tls_port), timeout=PATIENCE_S)
    return context.wrap_socket(plain, server_hostname="127.0.0.1")


def test_requests_pass_as_without_tls(client):
    headers = headers_of(client.post(PATH, content=b"{}").json())

    assert headers["x-forwarded-proto"] == "https"
    assert headers["x-forwarded-for"] == "127.0.0.1"


def test_browsers_are_told_to_come_with_tls_only(client, front):
    for path in (PATH, "/metrics"):
        assert client.get(path).headers["strict-transport-security"] == "max-age=31536000"
    with front.client() as plain:
        assert "strict-transport-security" not in plain.get(PATH).headers


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_of_today_are_spoken(front, context, version):
    context.minimum_version = context.maximum_version = version

    with shake_hands(front, context) as peer:
        name, _, bits = peer.cipher() or ("", "", 0)
        assert peer.version() == version.name.replace("_", ".")

    assert bits >= 128
    assert "GCM" in name or "CHACHA20" in name
    assert name.startswith(("ECDHE", "TLS_"))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_older_versions_are_refused(front, context):
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1

    with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
        shake_hands(front, context)


@pytest.mark.parametrize(
    "cipher", ["ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-NULL-SHA"]
)
def test_weak_ciphers_are_refused(front, context, cipher):
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{cipher}:@SECLEVEL=0")

    with pytest.raises(ssl.SSLError, match="ALERT_HANDSHAKE_FAILURE"):
        shake_hands(front, context)


def test_no_session_ticket_is_given(front, context):
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    with shake_hands(front, context) as peer:
        assert peer.session is not None
        assert not peer.session.has_ticket


def test_http_2_is_preferred_and_1_1_is_there(front, context):
    for offered, chosen in ((["http/1.1", "h2"], "h2"), (["http/1.1"], "http/1.1")):
        context.set_alpn_protocols(offered)
        with shake_hands(front, context) as peer:
            assert peer.selected_alpn_protocol() == chosen


def test_plain_http_on_the_port_of_tls_is_a_problem(front, api):
    before = len(api.seen)

    talk = converse(front.tls_port, f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())

    assert said(talk.answers[0])["status"] == 400
    assert len(api.seen) == before


def test_a_configuration_that_is_broken_is_found_before_it_runs(needs, api, mounted, tmp_path):
    """What README.md tells to run before a reload sees a certificate that does not fit."""
    front = Front(port=1, tls_port=2, folder=tmp_path)
    write(front, Site(services=[api.port], files=mounted))
    words = command(needs("nginx"), tmp_path, "-t")
    assert subprocess.run(words, check=False, timeout=20, capture_output=True).returncode == 0

    write(front, Site(services=[api.port], files=mounted | {"tls/server.crt": b"none"}))
    assert subprocess.run(words, check=False, timeout=20, capture_output=True).returncode == 1
