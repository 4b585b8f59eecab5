"""What a proxy can do to an insert, and the packets that it forges."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

_WORDS = (b"DB::Exception", b"DB::Exception: Memory limit exceeded", b"")
PROGRESS = bytes((3, 1, 1, 1, 1, 1))
"""The packet that says how far a query has come."""
EXCEPTION = (
    b"\x02"
    + struct.pack("<i", 241)
    + b"".join(bytes((len(word),)) + word for word in _WORDS)
    + b"\0"
)
"""The packet that ends a query with an error: 241, the memory limit."""


class Moment(StrEnum):
    """When a trap closes."""

    MIDWAY = "half of the rows are on their way"
    ANSWER = "the server has the rows and says so"
    REFUSE = "the rows are swallowed; the client hears Progress, then Exception"


@dataclass(frozen=True)
class Trap:
    """What goes wrong with the next insert into a table.

    Attributes:
        moment: When.
        table: Into which table.
        act: Called then; after it both connections are cut.
    """

    moment: Moment
    table: str = "views_raw"
    act: Callable[[], None] = lambda: None


@dataclass(kw_only=True, eq=False)
class Insert:
    """One insert that was seen.

    Attributes:
        table: Into which table.
        token: Its deduplication token; empty without one.
        trap: What befell it.
        answered: Whether its success reached the client.
    """

    table: str
    token: str
    trap: Trap | None = None
    answered: bool = False

    @property
    def batch(self) -> str:
        """The part of the token that names range and content."""
        return self.token.rpartition(":")[0]

    @property
    def partition(self) -> str:
        """The log partition in the token."""
        return self.token.split(":")[1] if self.token else ""
