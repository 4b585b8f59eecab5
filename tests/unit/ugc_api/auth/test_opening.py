"""From settings to a `Bearer`: what starts, what waits, and what is refused."""

import asyncio
import socket

import pytest
from structlog.testing import capture_logs

from tests.unit.ugc_api.auth.issuers import JwksServer
from tests.unit.ugc_api.auth.signers import CLAIMS, SECRET, header, issued, jwk, jwks, sign
from ugc_api.auth.bootstrap import open_auth
from ugc_api.auth.places import KeyFile, KeyUrl, key_place
from ugc_api.problems.problem import ProblemError
from ugc_core.api_settings import AuthSection
from ugc_core.errors import ConfigError


def status(auth, token) -> int:
    try:
        auth.bearer.identify(header(token))
    except ProblemError as error:
        return error.problem.status
    return 200


async def refused(clock, **settings) -> str:
    with pytest.raises(ConfigError) as caught:
        async with open_auth(AuthSection(**settings), clock):
            pass
    return str(caught.value)


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "jwks.json"
    path.write_bytes(jwks(jwk("ES256", "a"), jwk("EdDSA", "b")))
    return path


async def test_a_secret_alone_verifies_hs256_alone(clock):
    async with open_auth(AuthSection(secret=SECRET), clock) as auth:
        assert auth.keys is None
        assert status(auth, sign(CLAIMS)) == 200
        assert status(auth, issued("ES256", "a")) == 401


async def test_keys_alone_verify_no_hs256(clock, key_file):
    async with open_auth(AuthSection(jwks_file=key_file), clock) as auth:
        assert auth.keys is not None
        assert auth.keys.present
        assert status(auth, issued("ES256", "a")) == 200
        assert status(auth, issued("EdDSA", "b")) == 200
        assert status(auth, sign(CLAIMS)) == 401
        assert status(auth, sign(CLAIMS, key=b"")) == 401


async def test_a_secret_and_keys_work_side_by_side(clock, key_file):
    async with open_auth(AuthSection(secret=SECRET, jwks_file=key_file), clock) as auth:
        assert [status(auth, each) for each in (sign(CLAIMS), issued("EdDSA", "b"))] == [200, 200]


async def test_the_settings_narrow_the_algorithms(clock, key_file):
    section = AuthSection(secret=SECRET, jwks_file=key_file, algorithms=("EdDSA",))
    async with open_auth(section, clock) as auth:
        tokens = (issued("EdDSA", "b"), issued("ES256", "a"), sign(CLAIMS))
        assert [status(auth, each) for each in tokens] == [200, 401, 401]
        assert auth.bearer.counts.failures == {"algorithm": 2}


async def test_a_file_that_changes_is_read_again(clock, key_file):
    section = AuthSection(jwks_file=key_file, jwks_refresh_s=0.001)
    async with open_auth(section, clock) as auth:
        assert status(auth, issued("ES256", "a")) == 200
        key_file.write_bytes(jwks(jwk("ES256", "z", 1)))
        async with asyncio.timeout(10):
            while status(auth, issued("ES256", "z", 1)) != 200:  # noqa: ASYNC110 - sets no event
                await asyncio.sleep(0)
        assert status(auth, issued("ES256", "a")) != 200


@pytest.mark.parametrize(
    "content", [None, b"", b"{}", b'{"keys": []}', b'{"keys": [{"kty": "oct"}]}']
)
async def test_a_file_without_a_usable_key_stops_the_start(clock, tmp_path, content):
    path = tmp_path / "jwks.json"
    if content is not None:
        path.write_bytes(content)
    with capture_logs():
        assert "auth.jwks_file: no keys" in await refused(clock, jwks_file=path)


async def test_an_issuer_that_is_down_at_the_start_is_waited_for_in_the_background(clock):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/keys"
        with capture_logs() as lines:
            async with open_auth(AuthSection(jwks_url=url), clock) as auth:
                assert auth.keys is not None
                assert (auth.keys.present, status(auth, issued("ES256", "a"))) == (False, 503)

    assert [line["event"] for line in lines] == ["the keys of tokens cannot be read"]


async def test_keys_come_from_a_url(clock):
    with JwksServer(jwks(jwk("ES256", "a"))).running() as server:
        async with open_auth(AuthSection(jwks_url=server.url), clock) as auth:
            assert status(auth, issued("ES256", "a")) == 200


async def test_a_short_secret_stops_the_start_unless_it_may_be_warned_of(clock):
    short = "x" * 31
    assert "has 31; HS256 needs at least 32 bytes" in await refused(clock, secret=short)
    assert "UGC_AUTH__SECRET_FILE" in await refused(clock, secret="")
    assert "is missing" in await refused(clock, secret="", strict=False)

    with capture_logs() as lines:
        async with open_auth(AuthSection(secret=short, strict=False), clock) as auth:
            assert status(auth, sign(CLAIMS, key=short.encode())) == 200
    assert [(line["log_level"], line["bytes"]) for line in lines] == [("warning", 31)]


@pytest.mark.parametrize(
    "secret",
    [
        f"-----BEGIN PUBLIC KEY-----\n{'A' * 64}\n-----END PUBLIC KEY-----",
        f"ssh-rsa {'A' * 64}",
        '{"kty": "oct", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}',
    ],
)
async def test_a_key_in_another_form_is_no_secret(clock, secret):
    assert "cannot be a shared secret" in await refused(clock, secret=secret)


async def test_algorithms_without_a_key_for_them_stop_the_start(clock):
    assert "RS256 alone" in await refused(clock, secret=SECRET, algorithms=("RS256",))


@pytest.mark.parametrize(
    "url",
    [
        "https://auth.example.com/.well-known/jwks.json",
        "https://[2001:db8::1]:8443/keys?v=1",
        "http://127.0.0.1:8080/keys",
        "http://localhost/keys",
        "http://[::1]/keys",
    ],
)
def test_https_and_this_machine_are_places_of_keys(url):
    assert key_place(AuthSection(jwks_url=url)) == KeyUrl(url=url)


@pytest.mark.parametrize(
    "url",
    [
        "http://auth.example.com/keys",
        "http://127.0.0.1.example.com/keys",
        "http://localhost.example.com/keys",
        "http://10.0.0.1/keys",
        "https://user:password@auth.example.com/keys",
        "https://user@auth.example.com/keys",
        "https:///keys",
        "https://a:99999/",
        "https://[::1/",
        "https://a/#keys",
        "file:///etc/jwks.json",
        "ftp://a/keys",
        "auth.example.com/keys",
    ],
)
def test_another_place_of_keys_is_refused(url):
    with pytest.raises(ConfigError, match=r"auth\.jwks_url") as caught:
        key_place(AuthSection(jwks_url=url))

    assert "password@" not in str(caught.value)


def test_two_places_of_keys_are_a_contradiction(tmp_path):
    path = tmp_path / "jwks.json"
    assert key_place(AuthSection(jwks_file=path)) == KeyFile(path=path)
    with pytest.raises(ConfigError, match="keep one"):
        key_place(AuthSection(jwks_file=path, jwks_url="https://a/"))
    assert key_place(AuthSection()) is None


async def test_authorities_that_cannot_be_read_stop_the_start(clock, tmp_path):
    missing = tmp_path / "ca.pem"

    assert "auth.jwks_ca_path" in await refused(clock, jwks_url="https://a/", jwks_ca_path=missing)
