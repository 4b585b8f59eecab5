"""Names that the service answers to, and credentials of documentation and metrics."""

import pytest

from ugc_api.auth.basic import is_signed_in
from ugc_api.auth.hosts import Hosts
from ugc_core.api_settings import ApiSection

HOSTS = Hosts(["ugc.example.com", "*.Example.org", "10.0.0.1", "::1"])


def host(value: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"accept", b"*/*"), (b"host", value)]


@pytest.mark.parametrize(
    "value",
    [
        b"ugc.example.com",
        b"UGC.example.COM",
        b"ugc.example.com.",
        b"ugc.example.com:8443",
        b"a.example.org",
        b"a.b.example.org:1",
        b"10.0.0.1:8000",
        b"[::1]:8000",
        b"[::1]",
    ],
)
def test_a_name_of_ours_is_allowed_whatever_its_port_and_case(value):
    assert all(HOSTS.allow(host(value)) for _ in range(2))


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"example.com",
        b"evil.com",
        b"ugc.example.com.evil.com",
        b"evil-ugc.example.com",
        b"example.org",
        b"evilexample.org",
        b"ugc.example.com:evil",
        b"ugc.example.com:1:2",
        b"ugc.example.com, evil.com",
        b"ugc.example.com@evil.com",
        b"ugc.example.com/..",
        b"evil.com/.example.org",
        b"evil.com#.example.org",
        b"\xff",
    ],
)
def test_another_name_is_not(value):
    assert not any(HOSTS.allow(host(value)) for _ in range(2))


def test_no_host_and_two_hosts_are_not():
    assert not HOSTS.allow([])
    assert not HOSTS.allow(host(b"ugc.example.com") * 2)


def test_without_a_list_every_name_is_allowed():
    assert Hosts([]).allow([])
    assert Hosts([]).allow(host(b"evil.com"))


def test_the_names_that_are_known_again_are_bounded():
    hosts = Hosts(["*.example.org"])
    for number in range(3000):
        assert hosts.allow(host(b"h%d.example.org" % number))

    assert len(hosts._known) == 1000


async def test_a_request_for_another_host_is_400_with_an_id_and_probes_are_not_asked(make_api):
    api = make_api(settings=ApiSection(allowed_hosts=("ugc.example.com",)))
    ours, theirs = {"Host": "ugc.example.com"}, {"Host": "evil.com"}

    for method, path in (("POST", api.one), ("GET", api.many), ("GET", "/metrics"), ("GET", "/x")):
        answer = await api.client.request(method, path, headers=theirs)
        assert (answer.status_code, answer.json()["type"]) == (400, "/problems/unknown-host")
        assert answer.headers["x-request-id"]
        assert "evil" not in answer.text
    for path in ("/livez", "/readyz"):
        assert (await api.client.get(path, headers=theirs)).status_code == 200
    sent = await api.client.post(
        api.one, json={"progress": 1, "total": 2}, headers=ours | api.bearer()
    )
    assert sent.status_code == 202


@pytest.mark.parametrize(
    ("header", "same"),
    [
        ("Basic bWU6cGFzcw==", True),
        ("basic  bWU6cGFzcw== ", True),
        ("Basic bWU6cGFzcwo=", False),
        ("Basic bWU6cGFz", False),
        ("Basic bWU6cGFzczpwYXNz", False),
        ("Basic bQ==", False),
        ("Basic !!!", False),
        ("Bearer bWU6cGFzcw==", False),
        ("Basic", False),
        ("", False),
        (None, False),
    ],
)
def test_basic_credentials_are_compared_whole(header, same):
    assert is_signed_in(header, user="me", password="pass") is same


def test_without_a_password_nobody_is_signed_in():
    assert not is_signed_in("Basic bWU6", user="me", password="")


async def test_metrics_are_open_until_a_password_is_set(make_api):
    assert (await make_api().client.get("/metrics")).status_code == 200

    api = make_api(settings=ApiSection(metrics_password="open sesame"))
    for given in (None, ("metrics", "wrong"), ("docs", "open sesame")):
        answer = await api.client.get("/metrics", auth=given)
        assert (answer.status_code, answer.json()["type"]) == (
            401,
            "/problems/metrics-credentials",
        )
        assert answer.headers["www-authenticate"].startswith('Basic realm="UGC metrics"')
    answer = await api.client.get("/metrics", auth=("metrics", "open sesame"))
    assert answer.text.startswith("# HELP")


class Keys:
    """Public keys, as a test says."""

    present = False
    trouble = "no answer within 5 s"


async def test_an_instance_without_keys_is_not_ready_and_one_in_an_outage_is(api):
    keys = Keys()
    api.services.health.look_at(keys)
    verbose = await api.client.get("/readyz?verbose")
    assert (await api.client.get("/readyz")).status_code == 503
    assert (verbose.status_code, verbose.json()["status"]) == (503, "unavailable")
    assert verbose.json()["checks"]["keys"]["detail"].endswith("with: no answer within 5 s")

    keys.present = True
    verbose = await api.client.get("/readyz?verbose")
    assert (await api.client.get("/readyz")).status_code == 200
    assert verbose.json()["status"] == "ready"
    assert verbose.json()["checks"]["keys"] == {
        "status": "ok",
        "detail": "the known keys are kept: no answer within 5 s",
    }
