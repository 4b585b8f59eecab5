"""What wrk says is understood, and what it is given to send arrives as it was made."""

import asyncio
import os

import pytest
from harness import wrk
from harness.api_requests import Shape, read, requests, write
from harness.crowd import whole

SAID = """\
Running 1s test @ http://127.0.0.1:9
  1 threads and 1 connections
Requests/sec:   1234.56
{"requests":1000,"seconds":2.000000,"refused":100,"broken":2,"timeouts":1,\
"p50_ms":1.500,"p99_ms":9.250,"p999_ms":12.000,"max_ms":20.125}
"""


def test_what_wrk_says_is_read():
    found = wrk.parse(SAID)

    assert (found.requests, found.refused, found.broken, found.timeouts) == (1000, 100, 2, 1)
    assert (found.accepted, found.per_s) == (900, 450)
    assert (found.p50_ms, found.p99_ms, found.p999_ms, found.max_ms) == (1.5, 9.25, 12, 20.125)


@pytest.mark.parametrize("said", ["", "unable to connect", '{"requests":"x"}'])
def test_a_run_that_says_nothing_is_an_error(said):
    with pytest.raises(wrk.NoWrkError):
        wrk.parse(said)


def test_requests_are_read_as_they_were_written(tmp_path):
    made = [*requests(Shape(users=3, each=2)), *requests(Shape(users=2, each=1, batch=4))]

    assert read(write(tmp_path / "made", made)) == made
    assert len(made) == len(set(made)) == 8


@pytest.mark.skipif(wrk.absent() is not None, reason="wrk is not installed")
async def test_wrk_sends_each_request_and_counts_refusals(tmp_path):
    made = [*requests(Shape(users=2, each=2))]
    got: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
                got.append(head + await reader.readexactly(length))
                status = b"202 Accepted" if len(got) % 2 else b"503 Busy"
                writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        core = min(os.sched_getaffinity(0))
        found = await asyncio.to_thread(
            wrk.run,
            f"http://127.0.0.1:{port}",
            write(tmp_path / "made", made),
            seconds=1,
            connections=1,
            core=core,
        )

    assert set(got) == set(made)
    assert 0 <= len(got) - found.requests <= 1
    assert abs(found.refused - found.accepted) <= 1


@pytest.mark.parametrize(
    ("got", "answer"),
    [
        (b"", None),
        (b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n", None),
        (b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{", None),
        (b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}", (202, False)),
        (b"HTTP/1.1 204 No Content\r\n\r\n", (204, False)),
        (b"HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", (503, True)),
    ],
)
def test_an_answer_is_whole_once_its_body_is_there(got, answer):
    assert whole(got) == answer
