"""Key sets from files and from real HTTP servers, which are slow, wrong, huge or gone."""

import asyncio
import os
import socket
import threading

import pytest

from tests.unit.ugc_api.auth.issuers import JwksServer
from tests.unit.ugc_api.auth.signers import jwk, jwks
from ugc_api.auth.adapters.file_key_source import FileKeySource
from ugc_api.auth.adapters.httpx_key_source import open_key_source
from ugc_api.auth.ports import KeySourceError

DOCUMENT = jwks(jwk("EdDSA", "a"))


@pytest.fixture
def server():
    with JwksServer(DOCUMENT).running() as running:
        yield running


async def failure(url, *, timeout_s=5.0) -> str:
    async with open_key_source(url, ca_path=None, timeout_s=timeout_s) as source:
        with pytest.raises(KeySourceError) as caught:
            await source.fetch()
    return str(caught.value)


async def test_the_document_is_what_the_issuer_publishes(server):
    async with open_key_source(f"{server.url}?v=1", ca_path=None, timeout_s=5) as source:
        assert await source.fetch() == DOCUMENT
        server.body = jwks()
        assert await source.fetch() == jwks()

    assert source.where == server.url
    assert all(asked["Accept-Encoding"] == "identity" for asked in server.asked)
    assert all("Authorization" not in asked for asked in server.asked)


async def test_a_document_that_has_not_changed_is_not_sent_again(server):
    server.headers = {"ETag": '"1"'}
    async with open_key_source(server.url, ca_path=None, timeout_s=5) as source:
        assert [await source.fetch() for _ in range(3)] == [DOCUMENT] * 3
        server.body, server.headers = jwks(), {"ETag": '"2"'}
        assert await source.fetch() == jwks()

    assert [asked.get("If-None-Match") for asked in server.asked] == [None, '"1"', '"1"', '"1"']


@pytest.mark.parametrize("status", [201, 204, 304, 401, 404, 500, 503])
async def test_another_status_is_no_answer(server, status):
    server.status, server.body = status, b""

    assert await failure(server.url) == f"the answer has status {status}"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(server, status):
    server.status, server.headers = status, {"Location": server.url}

    assert await failure(server.url) == f"the answer has status {status}"
    assert len(server.asked) == 1


@pytest.mark.parametrize("where", ["head", "body"])
async def test_an_issuer_that_hangs_is_not_waited_for(server, where):
    server.stalls = threading.Event()
    if where == "head":
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            assert await failure(f"http://127.0.0.1:{port}/", timeout_s=0.1) == (
                "no answer within 0.1 s"
            )
    else:
        assert "no answer" in await failure(server.url, timeout_s=0.1)


@pytest.mark.parametrize("endless", [True, False])
async def test_a_huge_answer_is_not_read_to_its_end(server, endless):
    server.endless, server.body = endless, b" " * 300_000

    assert await failure(server.url) == "the answer has more than 262144 bytes"


async def test_a_compressed_answer_is_refused(server):
    server.headers = {"Content-Encoding": "gzip"}

    assert "compressed" in await failure(server.url)


async def test_an_issuer_that_is_not_there_is_no_answer():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        assert await failure(f"http://127.0.0.1:{port}/") == "no answer: ConnectError"


async def test_what_speaks_no_http_is_no_answer():
    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as speaking:
        port = speaking.sockets[0].getsockname()[1]
        assert await failure(f"http://127.0.0.1:{port}/") == "no answer: RemoteProtocolError"
        assert "no answer: " in await failure(f"https://127.0.0.1:{port}/")


async def test_certificates_that_cannot_be_read_are_an_error_of_the_settings(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        async with open_key_source("https://a/", ca_path=tmp_path / "ca.pem", timeout_s=1):
            pass


async def test_a_file_is_read_anew_each_time(tmp_path):
    path = tmp_path / "jwks.json"
    source = FileKeySource(path)
    with pytest.raises(KeySourceError, match="No such file"):
        await source.fetch()

    for content in (DOCUMENT, jwks(), b"x" * 262_144):
        path.write_bytes(content)
        assert await source.fetch() == content
    path.write_bytes(b"x" * 262_145)
    with pytest.raises(KeySourceError, match="more than 262144 bytes"):
        await source.fetch()
    with pytest.raises(KeySourceError, match="directory"):
        await FileKeySource(tmp_path).fetch()


async def test_a_file_that_hangs_is_not_waited_for_and_read_by_one_thread_at_most(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("ugc_api.auth.adapters.file_key_source._TIMEOUT_S", 0.05)
    path = tmp_path / "hangs"
    os.mkfifo(path)
    source, before = FileKeySource(path), threading.active_count()

    with pytest.raises(KeySourceError, match="takes too long"):
        await source.fetch()
    with pytest.raises(KeySourceError, match="earlier try still waits"):
        await source.fetch()

    assert threading.active_count() == before + 1
    (hanging,) = (thread for thread in threading.enumerate() if "_run" in thread.name)
    assert hanging.daemon
    path.write_bytes(DOCUMENT)  # lets it go
    hanging.join(timeout=10)
    await asyncio.sleep(0)
    assert not source._busy
