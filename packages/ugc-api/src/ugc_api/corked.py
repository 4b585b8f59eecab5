"""One write for an answer: uvicorn writes its head and its body apart, each by a system call."""

import asyncio

_CONTINUE = b"HTTP/1.1 100 "


class Corked:
    """A transport, as far as a response needs one, that holds a head back until its body comes.

    A system call costs as much as everything that is done with a report before the log has it.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        """Hold nothing yet."""
        self._transport = transport
        self._head: bytes | None = None
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Hold the first part of an answer back; write everything else."""
        if self._head is None:
            if data.startswith(_CONTINUE):  # the client sends no body before it has read this
                self._transport.write(data)
            else:
                self._head = data
            return
        head, self._head = self._head, b""
        self._transport.write(head + data)

    def flush(self) -> None:
        """End an answer; one without a body is written now."""
        head, self._head = self._head, None
        if head:
            self._transport.write(head)

    def close(self) -> None:
        """Close once everything is written."""
        self.flush()
        self._transport.close()
