"""SQL's words, signs and quotes; comments and white space fall away."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

TOKEN = re.compile(
    r"""
      (?P<skip>\s+ | --[^\n]* | \#[\ !][^\n]* | /\*.*?(?:\*/|\Z))
    | (?P<word>[^\W\d]\w*)
    | (?P<number>\d[\w.]*)
    | (?P<name>`[^`\\]*(?:(?:\\.|``)[^`\\]*)*` | "[^"\\]*(?:(?:\\.|"")[^"\\]*)*")
    | (?P<text>'[^'\\]*(?:(?:\\.|'')[^'\\]*)*' | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    | (?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)

ESCAPED = re.compile(r"\\(.)|(``|\"\"|'')", re.DOTALL)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "f": "\f", "a": "\a", "v": "\v"}


class Kind(StrEnum):
    """What a token is; the names of the pattern's groups."""

    WORD = "word"
    NUMBER = "number"
    NAME = "name"
    TEXT = "text"
    SIGN = "sign"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of SQL and where it stands."""

    kind: Kind
    text: str
    start: int
    end: int

    @property
    def keyword(self) -> str:
        """The word in capitals; empty for everything else, so that quoted names never match."""
        return self.text.upper() if self.kind is Kind.WORD else ""

    @property
    def sign(self) -> str:
        """The sign; empty for everything else."""
        return self.text if self.kind is Kind.SIGN else ""


def tokens(sql: str) -> Iterator[Token]:
    """Cut lazily: the data behind an INSERT may be long, and is not looked at.

    Quotes without an end come out as signs; the engine will complain about them.
    """
    for found in TOKEN.finditer(sql):
        kind = found.lastgroup
        if kind == "skip" or kind is None:
            continue
        yield Token(Kind(kind), found[0], found.start(), found.end())


def quoted_name(name: str) -> str:
    """A name as SQL, whatever is in it."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def quoted_text(text: str) -> str:
    """A text as SQL, whatever is in it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def plain_name(token: Token) -> str:
    """The name that a word or a quoted name stands for."""
    if token.kind is not Kind.NAME:
        return token.text
    return ESCAPED.sub(_plain, token.text[1:-1])


def _plain(found: re.Match[str]) -> str:
    if found[1]:
        return ESCAPES.get(found[1], found[1])
    return found[2][0]
