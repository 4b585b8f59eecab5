"""What is read out of a request's ASGI scope."""

from collections.abc import Iterable
from typing import Final

from starlette.types import Scope, Send

WHOLE_BODY: Final = "ugc.whole_body"
"""An extension of ours: there if all of the body came before the application was called."""
WHOLE_ANSWER: Final = "ugc.whole_answer"
"""An extension of ours: there if the server writes an answer of one piece without messages."""


def rendered(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return headers as the lines of a head."""
    return b"".join(b"%s: %s\r\n" % pair for pair in headers)


def header(scope: Scope, wanted: bytes) -> bytes | None:
    """Return the first header of a name, which has to be in lower case; None without one."""
    for name, value in scope["headers"]:
        if name == wanted:
            found: bytes = value
            return found
    return None


def whole_body(scope: Scope) -> bytes | None:
    """Take the body over if it is all here already; None if it has to be received."""
    extension = scope.get("extensions", {}).get(WHOLE_BODY)
    if extension is None:
        return None
    body: bytes = extension["take"]()
    return body


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
    if extension is None or getattr(send, "__func__", None) is not extension["send"]:
        return False
    wrote: bool = extension["write"](send.__self__, status, head, body)  # type: ignore[attr-defined]
    return wrote
