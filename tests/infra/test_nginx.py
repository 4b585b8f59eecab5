"""infra/nginx: what it lets in and what it makes of it, held by a real nginx where there is one."""

import json
import re
from collections.abc import Iterator

import httpx
import pytest

from tests.infra.fake_api import BREAKS, FAILS, LARGE, OWN_HEADERS, FakeApi, fake_api, headers_of
from tests.infra.nginx_process import CONFIGURATION, Front, Site, running
from tests.infra.raw_http import converse
from tests.integration.api_processes import bearer
from ugc_core.api_settings import ApiSection, LimitsSection

CONF = (CONFIGURATION / "nginx.conf").read_text("utf-8")
FILM = "/api/v1/progresses/films/0b39f7d6-66fd-4c09-9c7a-2f1f2a3d8f51/"


@pytest.fixture(scope="module")
def api() -> Iterator[FakeApi]:
    with fake_api() as listening:
        yield listening


@pytest.fixture(scope="module")
def front(needs, api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    site = Site(services=[api.port])
    with running(needs("nginx"), tmp_path_factory.mktemp("nginx"), site) as front:
        yield front


@pytest.fixture
def proxy(front) -> Iterator[httpx.Client]:
    with front.client() as client:
        yield client


def test_the_api_gets_its_requests_over_few_connections(proxy, api):
    before = len(api.peers)

    for number in range(20):
        answer = proxy.post(f"/api/v1/progresses/films/{number}/", content=b"x" * 10)
        assert answer.json()["path"] == f"/api/v1/progresses/films/{number}/"
        assert answer.json()["body_bytes"] == 10

    assert len(api.peers) - before <= 2


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/metrics", "/livez", "/readyz", "/readyz?verbose", "/apix", "/api", "/problems"),
        *("/api/../metrics", "/api/v1/../../metrics", "/api/%2e%2e/metrics", "/api/..%2fmetrics"),
        *("//metrics", "/api//metrics", "/api/v1//progresses/", "/./api/v1/", "/api/.hidden"),
        *("/api/v1/..;/..;/metrics", "/api/v1;x=1/", "/api\\..\\metrics", "/api/v1/%00"),
        *("/metrics/../api/v1/progresses/", "/%61pi/v1/progresses/", "/api/v1/%0d%0aX:%20y"),
        *("/api/v1/\xff", "/api/v1/~", "/api/v1/progresses/%", "/api/v1/progresses/#x"),
        *("/api/v1/progresses/%3fx", "/api/v1/\t"),
    ],
)
def test_nothing_else_gets_in(front, api, path):
    before = len(api.seen)

    # By hand: a client would normalise the path first.
    raw = f"GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode("latin-1")
    talk = converse(front.port, raw)

    assert [answer.status for answer in talk.answers] in ([404], [400])
    assert len(api.seen) == before


@pytest.mark.parametrize(
    "path", ["/api/docs", "/api/docs/assets/a-b_c.min.js", "/api/v1/x/?a=%2F..//b;c", "/problems/"]
)
def test_what_the_service_has_is_passed_as_it_was_written(proxy, path):
    assert proxy.get(path).json()["path"] == path


def test_the_largest_batch_passes(proxy):
    body = b"x" * ApiSection().max_batch_bytes

    assert proxy.post("/api/v1/progresses/", content=body).json()["body_bytes"] == len(body)
    assert proxy.post("/api/v1/progresses/", content=body * 2).status_code == 413


def test_a_body_in_chunks_arrives_with_its_length(proxy):
    answer = proxy.post(FILM, content=iter([b"one", b"two"]))

    headers = headers_of(answer.json())
    assert headers["content-length"] == "6"
    assert "transfer-encoding" not in headers


def test_a_client_chooses_neither_its_address_nor_what_the_service_believes(proxy):
    lies = {
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "gopher",
        "X-Forwarded-Host": "evil.example",
        "X-Real-IP": "203.0.113.9",
        "Forwarded": "for=203.0.113.9",
        "X_Forwarded_For": "203.0.113.9",
        "Cookie": "session=other-service",
        "Connection": "Upgrade, X-Forwarded-For",
        "Upgrade": "h2c",
        "TE": "trailers",
    }
    headers = headers_of(proxy.get(FILM, headers=lies).json())

    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    replaced = {"x-forwarded-for", "x-forwarded-proto"}
    assert {name.lower() for name in lies} & set(headers) == replaced
    assert not {value for value in lies.values() if value in headers.values()}


def test_the_token_and_the_clients_own_headers_arrive(proxy):
    said = bearer() | {"Idempotency-Key": "a-1", "Origin": "https://cinema.example"}
    headers = headers_of(proxy.post(FILM, headers=said, content=b"{}").json())

    assert headers | {name.lower(): value for name, value in said.items()} == headers


def test_a_request_id_is_passed_on_or_made_and_always_answered(proxy):
    given = proxy.get(FILM, headers={"X-Request-ID": "player.1_a-b"})
    assert headers_of(given.json())["x-request-id"] == "player.1_a-b"
    assert given.headers.get_list("x-request-id") == ["player.1_a-b"]

    for strange in ("", "with space", 'quote"', "x" * 129):
        made = proxy.get(FILM, headers={"X-Request-ID": strange})
        (name,) = made.headers.get_list("x-request-id")
        assert re.fullmatch("[0-9a-f]{32}", name)
        assert headers_of(made.json())["x-request-id"] == name


def test_every_answer_has_the_headers_that_browsers_obey(proxy):
    for path in (FILM, "/nothing"):
        headers = proxy.get(path).headers
        assert headers.get_list("x-content-type-options") == ["nosniff"]
        assert headers.get_list("referrer-policy") == ["no-referrer"]
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "strict-transport-security" not in headers
        assert re.fullmatch("nginx", headers["server"])


def test_what_the_service_says_itself_is_neither_replaced_nor_doubled(proxy):
    answer = proxy.get(FAILS, headers={"X-Request-ID": "mine"})

    assert answer.status_code == 503
    for name, value in OWN_HEADERS.items():
        expected = "mine" if name == "X-Request-ID" else value
        assert answer.headers.get_list(name) == [expected]


def test_large_answers_are_compressed_and_small_ones_are_not(proxy):
    assert proxy.get(LARGE).headers["content-encoding"] == "gzip"
    assert proxy.get(LARGE).headers["vary"] == "Accept-Encoding"
    assert "content-encoding" not in proxy.get(FILM).headers


def test_a_report_is_never_sent_twice_but_a_question_may_be(needs, tmp_path):
    with fake_api() as one, fake_api() as other:
        site = Site(services=[one.port, other.port])
        with running(needs("nginx"), tmp_path, site) as front, front.client() as client:
            assert client.post(BREAKS, content=b"{}").status_code == 502
            assert len(one.seen + other.seen) == 1
            assert client.get(BREAKS).status_code == 502
            assert len(one.seen + other.seen) == 3


def test_the_access_log_has_each_answer_and_no_secret(front, proxy):
    token = bearer()["Authorization"].removeprefix("Bearer ")
    names = {"X-Request-ID": "logged-1", "Authorization": f"Bearer {token}"}
    proxy.get(f"{FILM}?access_token={token}&x=secret", headers=names)

    line = front.access("logged-1")
    assert (line["status"], line["upstream_status"], line["path"]) == ("200", "200", FILM)
    assert (line["method"], line["address"]) == ("GET", "127.0.0.1")
    assert token not in front.logs()
    assert "secret" not in front.logs()


def test_no_client_writes_a_line_of_its_own_into_the_log(front):
    raw = b'GET /api/v1/%0a"}{"request_id":"forged"}%0d%0a\xff HTTP/1.1\r\nHost: a\r\n'
    end = b"Connection: close\r\n\r\n"
    converse(front.port, raw + b"X-Request-ID: injecting-1\r\n" + end)
    converse(front.port, raw.replace(b"\xff", b"") + b"X-Request-ID: injecting-2\r\n" + end)

    assert front.access("injecting-1")["path"] == "(long or not ASCII)"
    assert front.access("injecting-2")["path"].startswith('/api/v1/%0a"}{')
    for line in (front.folder / "access.log").read_text("utf-8").splitlines():
        assert json.loads(line)["request_id"] != "forged"


def test_nothing_of_a_failure_upstream_quotes_the_query(front, proxy):
    proxy.get(f"{BREAKS}?access_token=secret-of-a-client", headers={"X-Request-ID": "broken"})

    assert front.access("broken")["status"] == "502"
    assert "secret-of-a-client" not in front.logs()


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("10 a second, 40 at once", ["zone=token:10m rate=10r/s", "zone=token burst=40 "]),
        ("200 a second, 400 at once", ["zone=address:10m rate=200r/s", "zone=address burst=400 "]),
        ("under way from one address | 256", ["limit_conn connections 256"]),
        ("fit `/tmp` | 600", ["limit_conn all 600"]),
        ("body | 300 KiB", ["client_max_body_size 300k"]),
        ("query | 4096 characters", ['"^.{4097}"']),
        ("8 KiB one, 16 KiB all", ["large_client_header_buffers 2 8k"]),
        ("head | 10 s", ["client_header_timeout 10s"]),
        ("within a body | 10 s", ["client_body_timeout 10s"]),
        ("reader | 15 s", ["send_timeout 15s"]),
        ("75 s; towards the service 60 s", ["keepalive_timeout 75s", "keepalive_timeout 60s"]),
        ("reaching the service | 2 s", ["proxy_connect_timeout 2s"]),
        ("its answer | 30 s", ["proxy_read_timeout 30s"]),
    ],
)
def test_the_limits_that_are_told_are_those_that_hold(said, written):
    assert said in (CONFIGURATION / "README.md").read_text("utf-8")
    service = (CONFIGURATION / "service.conf").read_text("utf-8")
    assert all(words in CONF + service for words in written)


def test_the_service_keeps_connections_longer_than_the_proxy():
    upstream = re.search(r"keepalive_timeout (\d+)s; # the service", CONF)

    assert upstream
    assert int(upstream[1]) < LimitsSection().keep_alive_s


def test_the_proxy_looks_for_the_api_where_it_listens(compose):
    service = compose["services"]

    assert f"server api:{service['api']['environment']['UGC_API__PORT']} resolve" in CONF
    assert service["nginx"]["ports"][0].endswith(":8080")
    assert "listen 8080 default_server;" in CONF


def test_compose_mounts_every_file_that_is_included(compose):
    mounted = {mount.split(":")[1] for mount in compose["services"]["nginx"]["volumes"]}

    ours = {f"/etc/nginx/{path.name}" for path in CONFIGURATION.glob("*.conf")}
    assert mounted == ours - {"/etc/nginx/tls.conf"}  # for those with a certificate
