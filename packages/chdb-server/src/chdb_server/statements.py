"""What a statement is, as far as serving it differs: rows come in, go out, or neither.

The engine parses SQL; here it is only looked at closely enough to tell an INSERT whose
rows follow over the wire from everything else, and to leave out what is for the client
(`FORMAT`, `INTO OUTFILE`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from chdb_server.errors import DatabaseError
from chdb_server.inserts import Insert, read_insert
from chdb_server.tokens import Kind, Token, tokens

SYNTAX_ERROR = 62

STREAMED = {"SELECT", "FROM", "WITH", "("}
"""What a statement begins with that answers in blocks, one after the other."""

ANSWERED = STREAMED | {"SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN", "CHECK", "KILL"}
"""What may end with `FORMAT x`; in `ALTER TABLE t ADD COLUMN format x` that is something else."""

NOT_BEFORE_FORMAT = {
    *("SELECT", "DISTINCT", "AS", "FROM", "JOIN", "TABLE", "BY", "WHERE", "PREWHERE", "HAVING"),
    *("ON", "USING", "AND", "OR", "NOT", "IN", "LIKE", "BETWEEN", "CASE", "WHEN", "THEN", "ELSE"),
}
"""After these, `format` is a name."""


@dataclass(frozen=True, slots=True)
class Select:
    """Answers with blocks of rows."""

    sql: str


@dataclass(frozen=True, slots=True)
class Command:
    """Everything else: it answers at once, with a short result or none.

    Attributes:
        changes_settings: Whether the session's own settings may differ afterwards.
    """

    sql: str
    changes_settings: bool = False


Statement = Insert | Select | Command


def read_statement(sql: str) -> Statement:
    """Tell what the statement is.

    Raises:
        DatabaseError: There are several statements.
    """
    first = next(tokens(sql), None)
    if first is None:
        return Command(sql)
    if first.keyword == "INSERT":
        return _insert(sql)
    found = list(tokens(sql))
    statement = _only_statement(found)
    begin = first.keyword or first.sign
    text = _without_output(sql, statement) if begin in ANSWERED else sql
    if begin in STREAMED and not _inserts(found):
        return Select(text)
    return Command(text, changes_settings=begin == "SET")


def _insert(sql: str) -> Statement:
    insert = read_insert(sql)
    if isinstance(insert, Insert):
        return insert
    if not insert.has_data:
        _only_statement(list(tokens(sql)))
    return Command(sql)


def _inserts(found: Sequence[Token]) -> bool:
    """Whether it is `WITH … INSERT INTO …`."""
    return any(a.keyword == "INSERT" and b.keyword == "INTO" for a, b in pairwise(found))


def _without_output(sql: str, found: Sequence[Token]) -> str:
    """The statement without its end sign and without what is for the client."""
    last, depth = found[-1].end, 0
    for index, token in enumerate(found):
        depth += (token.sign in {"(", "[", "{"}) - (token.sign in {")", "]", "}"})
        if not depth and _begins_output(found, index):
            return sql[: token.start] + _settings_after(sql, found[index:], last)
    return sql[:last]


def _only_statement(found: list[Token]) -> list[Token]:
    """The tokens up to the sign that ends the statement."""
    ends = [index for index, token in enumerate(found) if token.sign == ";"]
    if not ends:
        return found
    if any(token.sign != ";" for token in found[ends[0] :]):
        msg = "Syntax error (Multi-statements are not allowed)"
        raise DatabaseError(msg, code=SYNTAX_ERROR)
    return found[: ends[0]]


def _begins_output(found: Sequence[Token], index: int) -> bool:
    token, after = found[index], found[index + 1 : index + 3]
    if token.keyword == "INTO":
        return bool(after) and after[0].keyword == "OUTFILE"
    if token.keyword != "FORMAT" or not after or after[0].kind is not Kind.WORD:
        return False
    ends = len(after) == 1 or after[1].keyword == "SETTINGS"
    return ends and index > 0 and _ends_expression(found[index - 1])


def _ends_expression(token: Token) -> bool:
    """Whether a clause may follow; else the next word is a column's name."""
    if token.sign:
        return token.sign in {")", "]", "}", "*"}
    return token.keyword not in NOT_BEFORE_FORMAT


def _settings_after(sql: str, output: Sequence[Token], last: int) -> str:
    start = next((token.start for token in output if token.keyword == "SETTINGS"), last)
    return sql[start:last]
