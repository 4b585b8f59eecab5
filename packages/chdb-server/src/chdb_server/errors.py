"""Every error raised on purpose, sorted by what happens next.

ServerError
├── DatabaseError               the client gets it; its connection goes on
│   ├── CancelledByClientError  it asked for this itself, so it gets no error
│   └── UnmeasurableTypeError   a column's bytes have no end that we can find
├── ProtocolError               the client gets it; its connection is closed
├── ClientGoneError             nobody is left to tell; its connection is closed
└── StartError                  the process ends with the error's exit code
    ├── BusyError               another process holds the directory or the port
    └── UnusableError           a person has to repair or choose something
"""

from typing import ClassVar

UNKNOWN_EXCEPTION = 1002
"""ClickHouse's code for an error without one of its own."""

NOT_IMPLEMENTED = 48
QUERY_WAS_CANCELLED = 394


class ServerError(Exception):
    """Root of the tree."""


class DatabaseError(ServerError):
    """A query failed; the place in the stream is known, so the next query may come.

    Attributes:
        code: ClickHouse's number for the error.
    """

    def __init__(self, text: str, *, code: int = UNKNOWN_EXCEPTION) -> None:
        """Keep ClickHouse's own words."""
        super().__init__(text)
        self.code = code


class CancelledByClientError(DatabaseError):
    """The client took its query back while it was sending rows."""

    def __init__(self) -> None:
        """There is one way to say it."""
        super().__init__("the client cancelled its query", code=QUERY_WAS_CANCELLED)


class UnmeasurableTypeError(DatabaseError):
    """The bytes of such a column cannot be told from those of the next one."""

    def __init__(self, type_name: str) -> None:
        """Name the type."""
        super().__init__(
            f"columns of type {type_name} cannot be inserted over the native protocol here",
            code=NOT_IMPLEMENTED,
        )


class ProtocolError(ServerError):
    """What the client sent makes no sense, so nothing after it does either.

    Attributes:
        code: ClickHouse's number for the error.
    """

    def __init__(self, text: str, *, code: int = UNKNOWN_EXCEPTION) -> None:
        """Keep the reason."""
        super().__init__(text)
        self.code = code


class ClientGoneError(ServerError):
    """The client closed its connection, or kept us waiting for too long."""


class StartError(ServerError):
    """The server cannot start.

    Attributes:
        exit_code: What the process ends with.
    """

    exit_code: ClassVar[int] = 1


class BusyError(StartError):
    """Held by another process: stop that one, or choose another."""

    exit_code = 5


class UnusableError(StartError):
    """Not fit for use, whoever else is running."""
