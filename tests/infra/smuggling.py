"""Requests that two readers of HTTP may cut in different places, each with another hidden in it.

The hidden request is a good report with a good token. Whoever runs it has read the outer request
in another way than the standard does: every probe here is either one request, whose body holds
the hidden one, or it is to be refused.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.integration.api_processes import MANY, ONE, bearer, report

AUTHORIZATION = f"Authorization: {bearer()['Authorization']}"
JSON = "Content-Type: application/json"
OBFUSCATED = {
    "another word": "Transfer-Encoding: xchunked",
    "a word more": "Transfer-Encoding: chunked, identity",
    "a word before": "Transfer-Encoding: identity, chunked",
    "quoted": 'Transfer-Encoding: "chunked"',
    "capitals": "Transfer-Encoding: cHuNkEd",
    "tab": "Transfer-Encoding:\tchunked",
    "vertical tab": "Transfer-Encoding: \x0bchunked",
    "space before the colon": "Transfer-Encoding : chunked",
    "space before the name": " Transfer-Encoding: chunked",
    "folded": "Transfer-Encoding:\r\n chunked",
    "folded name": "Transfer-Encoding\r\n : chunked",
    "twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "twice, the other first": "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    "twice, the other last": "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "after a bare line feed": "X-Before: a\nTransfer-Encoding: chunked",
    "with a parameter": "Transfer-Encoding: chunked;q=1",
    "NUL before": "Transfer-Encoding: \x00chunked",
    "empty": "Transfer-Encoding:",
    "plain": "Transfer-Encoding: chunked",
}
LENGTHS = {
    "plus": "Content-Length: +{n}",
    "minus": "Content-Length: -{n}",
    "hexadecimal": "Content-Length: 0x{n:x}",
    "underscore": "Content-Length: {n}_0",
    "list": "Content-Length: {n}, {n}",
    "list of two": "Content-Length: {n}, 0",
    "two words": "Content-Length: {n} 0",
    "fraction": "Content-Length: {n}.0",
    "letters after": "Content-Length: {n}abc",
    "empty": "Content-Length:",
    "overflow of 64 bits": "Content-Length: 18446744073709551617",
    "space before the colon": "Content-Length : {n}",
    "space in the name": "Content Length: {n}\r\nContent-Length: x",
    "twice, large first": "Content-Length: {all}\r\nContent-Length: {n}",
    "twice, small first": "Content-Length: {n}\r\nContent-Length: {all}",
    "folded": "Content-Length:\r\n {n}",
    "after a NUL": "X-Before: a\x00\r\nContent-Length: {n}",
    "beside one with a space": "Content-Length: {n}\r\nContent-Length : {all}",
    "vertical tab": "Content-Length: \x0b{n}",
}
WHOLE = {
    "after a bare line feed": "X-Before: a\nContent-Length: {all}",
    "and none after a bare return": "Content-Length: {all}\r\nX-After: a\rContent-Length: 0",
    "and none in a folded line": "Content-Length: {all}\r\nX-After: a\r\n Content-Length: 0",
    "and none with an underscore": "Content-Length: {all}\r\nContent_Length: 0",
    "and a line without a colon": "Content-Length: {all}\r\nNonsense",
    "and a line without a name": "Content-Length: {all}\r\n: nameless",
    "and an expectation": "Content-Length: {all}\r\nExpect: 100-continue",
    "and an unknown expectation": "Content-Length: {all}\r\nExpect: magic",
    "and an upgrade": "Content-Length: {all}\r\nConnection: Upgrade\r\nUpgrade: websocket",
    "and an upgrade to HTTP/2": (
        "Content-Length: {all}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"
    ),
    "hidden by Connection": "Content-Length: {all}\r\nConnection: Content-Length",
}
SIZES = {
    "prefix": "0x{n:x}",
    "plus": "+{n:x}",
    "minus": "-{n:x}",
    "space before": " {n:x}",
    "not a number": "{n:x}z",
    "none": "",
    "overflow of 64 bits": "1000000000000000{n:x}",
    "list": "{n:x},{n:x}",
}


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One of them.

    Attributes:
        name: What is odd about it.
        raw: Its bytes.
        outer_id: Event id of the report of the outer request, if it has one.
        hidden_id: Event id of the hidden request; it must never be in the log.
    """

    name: str
    raw: bytes
    outer_id: str
    hidden_id: str


Build = Callable[[bytes, bytes], bytes]
"""Makes a probe's bytes of a report's JSON and the hidden request."""


def request(first: str, *lines: str, body: bytes = b"") -> bytes:
    """Return a request as it is written here: no length is added."""
    head = "\r\n".join([first, "Host: 127.0.0.1", AUTHORIZATION, JSON, *lines, "", ""])
    return head.encode("latin-1") + body


def post(event: bytes, *lines: str, path: str = ONE) -> bytes:
    """Return a good request with a report."""
    return request(f"POST {path} HTTP/1.1", f"Content-Length: {len(event)}", *lines, body=event)


def probe(name: str) -> Probe:
    """Return a probe with reports of its own."""
    outer, hidden = report(), report()
    inside = post(json.dumps(hidden).encode(), "X-Request-ID: hidden")
    raw = BUILDS[name](json.dumps(outer).encode(), inside)
    outer_id, hidden_id = str(outer["event_id"]), str(hidden["event_id"])
    return Probe(name=name, raw=raw, outer_id=outer_id, hidden_id=hidden_id)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


END = b"0\r\n\r\n"


def _coded(line: str, *, version: str = "1.1") -> Build:
    """CL.TE: the length says that everything is the body, the coding that nothing is."""

    def build(_: bytes, hidden: bytes) -> bytes:
        body = END + hidden
        first = f"POST {ONE} HTTP/{version}"
        return request(first, f"Content-Length: {len(body)}", line, body=body)

    return build


def _measured(line: str) -> Build:
    """TE.CL: the coding says that everything is the body, the length that little is."""

    def build(_: bytes, hidden: bytes) -> bytes:
        body = chunk(hidden) + END
        short = body.index(b"\r\n") + 2
        return request(f"POST {ONE} HTTP/1.1", line, f"Content-Length: {short}", body=body)

    return build


def _long(line: str) -> Build:
    """A length that is none: whoever takes it, or leaves it out, runs the hidden request."""

    def build(event: bytes, hidden: bytes) -> bytes:
        sizes = {"n": len(event), "all": len(event + hidden)}
        return request(f"POST {ONE} HTTP/1.1", line.format(**sizes), body=event + hidden)

    return build


def _chunked(*body: bytes) -> Build:
    """Chunks with something odd; `%s` is the report, `%h` the hidden request."""

    def build(event: bytes, hidden: bytes) -> bytes:
        text = b"".join(body).replace(b"%n", b"%x" % len(event))
        text = text.replace(b"%s", event).replace(b"%h", hidden)
        return request(f"POST {ONE} HTTP/1.1", "Transfer-Encoding: chunked", body=text)

    return build


def _ignored(first: str, *lines: str, padding: int = 0) -> Build:
    """CL.0: an answer that needs no body, and a body that is the hidden request."""

    def build(_: bytes, hidden: bytes) -> bytes:
        body = b" " * padding + hidden
        return request(first, f"Content-Length: {len(body)}", *lines, body=body)

    return build


def _first_line(first: str) -> Build:
    """A first line that is none, or another one; the hidden request is in the body."""

    def build(event: bytes, hidden: bytes) -> bytes:
        length = f"Content-Length: {len(event + hidden)}"
        return request(first, length, body=event + hidden)

    return build


def _without_token(_: bytes, hidden: bytes) -> bytes:
    head = f"POST {ONE} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(hidden)}\r\n\r\n"
    return head.encode() + hidden


def _simple(_: bytes, hidden: bytes) -> bytes:
    """HTTP/0.9 has no headers, and nothing can follow."""
    return f"GET {MANY}\r\n".encode() + hidden


def _old_and_coded(_: bytes, hidden: bytes) -> bytes:
    lines = ("Transfer-Encoding: chunked", "Connection: keep-alive")
    return request(f"POST {ONE} HTTP/1.0", *lines, body=END + hidden)


def _line_feeds(event: bytes, hidden: bytes) -> bytes:
    head = request(f"POST {ONE} HTTP/1.1", f"Content-Length: {len(event + hidden)}")
    return head.replace(b"\r\n", b"\n") + event + hidden


def _two_hosts(event: bytes, hidden: bytes) -> bytes:
    lines = ("Host: other.example", f"Content-Length: {len(event + hidden)}")
    return request(f"POST {ONE} HTTP/1.1", *lines, body=event + hidden)


def _split_answer(event: bytes, _: bytes) -> bytes:
    return post(event, "X-Request-ID: a\rSet-Cookie: split=1")


def _builds() -> Iterator[tuple[str, Build]]:
    for name, line in OBFUSCATED.items():
        yield f"CL.TE: {name}", _coded(line)
        yield f"TE.CL: {name}", _measured(line)
    for name, line in LENGTHS.items():
        yield f"length: {name}", _long(line)
    for name, line in WHOLE.items():
        yield f"length {name}", _long(line)
    for name, size in SIZES.items():
        yield f"chunk size: {name}", _sized(size)
    yield "CL.TE in HTTP/1.0", _coded("Transfer-Encoding: chunked", version="1.0")
    yield from CHUNKS.items()
    yield from EARLY.items()
    for first in FIRST_LINES:
        yield f"first line: {first.replace(ONE, '/ONE/')!r}", _first_line(first)
    yield from OTHERS.items()


def _sized(size: str) -> Build:
    def build(event: bytes, hidden: bytes) -> bytes:
        body = f"{size.format(n=len(event))}\r\n".encode() + event + b"\r\n" + END + hidden
        return request(f"POST {ONE} HTTP/1.1", "Transfer-Encoding: chunked", body=body)

    return build


CHUNKS = {
    "chunk: no line end after the data": _chunked(b"%n\r\n%s0\r\n\r\n%h"),
    "chunk: other bytes after the data": _chunked(b"%n\r\n%sXX0\r\n\r\n%h"),
    "chunk: a bare line feed in the extension": _chunked(
        b"2;\nxx\r\n47\r\n", END, b"%h", b"\r\n", END
    ),
    "chunk: a bare return in the extension": _chunked(
        b"2;\rxx\r\n47\r\n", END, b"%h", b"\r\n", END
    ),
    "chunk: a bare return after the size": _chunked(b"%n\r%s\r\n0\r\n\r\n%h"),
    "chunk: the last one with data": _chunked(b"%n\r\n%s\r\n0;x\r\nx\r\n%h"),
    "chunk: the request as trailer": _chunked(b"%n\r\n%s\r\n0\r\n%h"),
}
EARLY = {
    "early: a page": _ignored("GET /api/docs HTTP/1.1"),
    "early: a question": _ignored("GET /api/v1/progresses/films/x/ HTTP/1.1"),
    "early: a question with HEAD": _ignored("HEAD /api/v1/progresses/films/x/ HTTP/1.1"),
    "early: OPTIONS": _ignored(f"OPTIONS {MANY} HTTP/1.1"),
    "early: OPTIONS of everything": _ignored("OPTIONS * HTTP/1.1"),
    "early: nothing there": _ignored("POST /api/v1/nothing/ HTTP/1.1"),
    "early: nothing there at all": _ignored("POST /metrics/x HTTP/1.1"),
    "early: another method": _ignored(f"DELETE {ONE} HTTP/1.1"),
    "early: health": _ignored("GET /healthz HTTP/1.1"),
    "early: a film that is none": _ignored("POST /api/v1/progresses/films/x/ HTTP/1.1"),
    "early: another type": _ignored(f"POST {ONE} HTTP/1.1", "Content-Encoding: br"),
    "early: too large": _ignored(f"POST {ONE} HTTP/1.1", padding=20_000),
    "early: too large for any": _ignored(f"POST {ONE} HTTP/1.1", padding=400_000),
    "early: no token": _without_token,
}
FIRST_LINES = (
    *(f"POST {ONE} HTTP/1.1 HTTP/1.1", f"POST {ONE} HTTP/01.1", f"POST {ONE} HTTP/1.10"),
    *(f"POST {ONE} HTTP/1.1\x00", f"POST {ONE} HTTP/2.0", f"POST {ONE} http/1.1"),
    *(f"POST  {ONE} HTTP/1.1", f"POST\t{ONE}\tHTTP/1.1", f"POST {ONE} x HTTP/1.1"),
    *(f" POST {ONE} HTTP/1.1", f"POST{ONE} HTTP/1.1", f"POST {ONE}\x00 HTTP/1.1"),
    *(f"POST http://127.0.0.1{ONE} HTTP/1.1", f"POST http://evil.example{ONE} HTTP/1.1"),
    *("POST http://127.0.0.1 HTTP/1.1", f"POST //evil.example{ONE} HTTP/1.1"),
    *("CONNECT 127.0.0.1:80 HTTP/1.1", f"TRACE {ONE} HTTP/1.1", f"POST {ONE}#x HTTP/1.1"),
    *(f"X\rPOST {ONE} HTTP/1.1", f"POST {ONE}\\..\\ HTTP/1.1", "POST * HTTP/1.1"),
    "PRI * HTTP/2.0",
)
OTHERS = {
    "HTTP/0.9": _simple,
    "a coding in HTTP/1.0": _old_and_coded,
    "line feeds alone": _line_feeds,
    "two hosts": _two_hosts,
    "a request id that splits the answer": _split_answer,
}
BUILDS = dict(_builds())
