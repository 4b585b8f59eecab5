"""An answer leaves in one write, and never later than it would without."""

import asyncio

from ugc_api.corked import Corked

HEAD = b"HTTP/1.1 202 Accepted\r\n\r\n"


class Wire(asyncio.Transport):
    """Notes what is written, and when it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data) -> None:
        self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


def test_a_head_goes_with_its_body_and_the_rest_as_it_comes():
    wire = Wire()
    corked = Corked(wire)
    for piece in (HEAD, b"one", b"two"):
        corked.write(piece)
    corked.flush()
    corked.write(HEAD)
    corked.write(b"next")

    assert wire.writes == [HEAD + b"one", b"two", HEAD + b"next"]


def test_a_head_without_a_body_goes_at_the_end_of_the_answer():
    wire = Wire()
    corked = Corked(wire)
    corked.write(HEAD)
    corked.flush()
    corked.flush()

    assert wire.writes == [HEAD]


def test_an_answer_that_breaks_off_is_written_before_the_connection_is_closed():
    wire = Wire()
    corked = Corked(wire)
    corked.write(HEAD)
    corked.close()

    assert wire.writes == [HEAD]
    assert corked.is_closing()


def test_leave_to_send_a_body_is_given_at_once():
    wire = Wire()
    corked = Corked(wire)
    corked.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    corked.write(HEAD)
    corked.write(b"body")

    assert wire.writes == [b"HTTP/1.1 100 Continue\r\n\r\n", HEAD + b"body"]
