"""An answer of one piece: by one write where the server can, else by the messages of ASGI."""

from collections.abc import Iterable, Sequence
from types import MethodType
from typing import Final

from starlette.types import Scope, Send

from ugc_api.operating.request_ids import HEADER

Pairs = Sequence[tuple[bytes, bytes]]
Answer = tuple[int, Pairs, bytes]
"""Status, headers, body."""

WHOLE_ANSWER: Final = "ugc.whole_answer"
"""An extension of ours: there if the server writes an answer of one piece without messages."""
_NO_CONTENT = 204


def rendered(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return headers as the lines of a head."""
    return b"".join(b"%s: %s\r\n" % pair for pair in headers)


def named(lines: bytes, name: bytes, body: bytes) -> bytes:
    """Return the head of an answer with its request's id and length, for `wrote_whole`.

    Args:
        lines: Its other headers, `rendered`; `connection` is none of them: the server acts on it.
        name: The id, which `request_id` has found fit for a header.
        body: What it is as long as.
    """
    return b"%s%s: %s\r\ncontent-length: %d\r\n" % (lines, HEADER, name, len(body))


async def say(send: Send, answer: Answer, name: bytes) -> None:
    """Answer by messages, with the request's id and, where there may be a body, its length."""
    status, pairs, body = answer
    headers = [*pairs, (HEADER, name)]
    if status != _NO_CONTENT:  # RFC 9110, section 8.6
        headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def wrote_whole(scope: Scope, send: Send, status: int, head: bytes, body: bytes) -> bool:
    """Answer by one write, if the server can; else nothing is done, and messages have to be sent.

    Only if `send` is the server's own: whoever has put another one in its place looks at messages.

    Args:
        scope: The request's.
        send: What messages would be sent by.
        status: Of the answer.
        head: The lines of its head, `content-length` among them, each with its line feed; nothing
            in them may come from a client unless it was looked at.
        body: Its body.
    """
    extension = scope.get("extensions", {}).get(WHOLE_ANSWER)
    if extension is None or not isinstance(send, MethodType):
        return False
    if send.__func__ is not extension["send"]:
        return False
    wrote: bool = extension["write"](send.__self__, status, head, body)
    return wrote
