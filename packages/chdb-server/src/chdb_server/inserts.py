"""The INSERT whose rows follow over the wire."""

from collections.abc import Iterator
from dataclasses import dataclass

from chdb_server.tokens import Kind, Token, plain_name, quoted_text, tokens

OPENING, CLOSING = {"(", "[", "{"}, {")", "]", "}"}
END = Token(Kind.END, "", 0, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Insert:
    """Its rows follow over the wire, whatever format it names.

    Attributes:
        head: From INSERT to the last column named.
        target: The table, or the call of the table function.
        column_list: What stands between the parentheses; empty when there are none.
        columns: The columns named; empty when none are, or not one by one.
        settings: The SETTINGS clause, or nothing.
    """

    head: str
    target: str
    column_list: str
    columns: tuple[str, ...]
    settings: str

    def from_file(self, path: str) -> str:
        """The same INSERT, with the rows in a file in `FORMAT Native`."""
        return (
            f"{self.head} FROM INFILE {quoted_text(path)} COMPRESSION 'none'"
            f" {self.settings} FORMAT Native"
        )


@dataclass(frozen=True, slots=True)
class OtherInsert:
    """The engine can take it as it is.

    Attributes:
        has_data: Whether the rows stand in the statement; they may be anything.
    """

    has_data: bool


def read_insert(sql: str) -> Insert | OtherInsert:
    """Tell where the rows of an INSERT are."""
    cursor = _Cursor(sql)
    start = cursor.now.start
    cursor.step()
    if cursor.step().keyword != "INTO":
        return OtherInsert(has_data=False)
    target = _target(cursor)
    column_list, columns = _columns(cursor)
    if column_list.upper().startswith(("SELECT", "WITH")):  # INSERT INTO t (SELECT …)
        return OtherInsert(has_data=False)
    head = sql[start : cursor.passed]
    settings = _settings(cursor)
    if not cursor.ended:
        where = cursor.step().keyword
        if where not in {"VALUES", "FORMAT"}:
            return OtherInsert(has_data=False)
        if where == "FORMAT":
            cursor.step()
            settings = settings or _settings(cursor)
        if not cursor.ended:
            return OtherInsert(has_data=True)
    return Insert(
        head=head, target=target, column_list=column_list, columns=columns, settings=settings
    )


class _Cursor:
    """A token at a time.

    Attributes:
        now: The token ahead.
        passed: Where the last one behind ended.
    """

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.passed = 0
        self._rest: Iterator[Token] = tokens(sql)
        self.now = next(self._rest, END)

    @property
    def ended(self) -> bool:
        """Whether nothing is left; signs that end a statement are nothing."""
        while self.now.sign == ";":
            self.step()
        return self.now.kind is Kind.END

    def step(self) -> Token:
        """Pass the token ahead."""
        token, self.now = self.now, next(self._rest, END)
        self.passed = token.end or self.passed
        return token

    def step_over_brackets(self) -> list[Token]:
        """Pass an opening bracket and all up to its closing one; return what is inside."""
        self.step()
        inside, depth = [], 1
        while depth and self.now.kind is not Kind.END:
            token = self.step()
            depth += (token.sign in OPENING) - (token.sign in CLOSING)
            inside.append(token)
        return inside[:-1]


def _target(cursor: _Cursor) -> str:
    if cursor.now.keyword == "TABLE":
        cursor.step()
    is_function = cursor.now.keyword == "FUNCTION"
    if is_function:
        cursor.step()
    start = cursor.now.start
    cursor.step()
    while cursor.now.sign == ".":
        cursor.step()
        cursor.step()
    if is_function and cursor.now.sign == "(":
        cursor.step_over_brackets()
    end = cursor.passed
    if cursor.now.keyword == "PARTITION":
        _step_to_clause(cursor)
    return cursor.sql[start:end]


def _step_to_clause(cursor: _Cursor) -> None:
    """Pass `PARTITION BY …`."""
    clauses = {"VALUES", "FORMAT", "SETTINGS", "SELECT", "WITH"}
    while cursor.now.kind is not Kind.END and cursor.now.keyword not in clauses:
        if cursor.now.sign in OPENING:
            cursor.step_over_brackets()
        else:
            cursor.step()


def _columns(cursor: _Cursor) -> tuple[str, tuple[str, ...]]:
    """The column list as it stands, and the names in it if it is nothing but names."""
    if cursor.now.sign != "(":
        return "", ()
    start = cursor.now.end
    inside = cursor.step_over_brackets()
    if not inside:
        return "", ()
    text = cursor.sql[start : inside[-1].end]
    names = [""]
    for token in inside:
        if token.sign == ",":
            names.append("")
        elif token.sign == ".":
            names[-1] += "."
        elif token.kind in {Kind.WORD, Kind.NAME} and (not names[-1] or names[-1].endswith(".")):
            names[-1] += plain_name(token)
        else:
            return text, ()
    return text, tuple(names)


def _settings(cursor: _Cursor) -> str:
    """The clause `SETTINGS a = 1, b = 'c'`, or nothing if there is none."""
    if cursor.now.keyword != "SETTINGS":
        return ""
    start = cursor.now.start
    separator = ","
    while separator == ",":
        cursor.step()
        _step_over_setting(cursor)
        separator = cursor.now.sign
    return cursor.sql[start : cursor.passed]


def _step_over_setting(cursor: _Cursor) -> None:
    cursor.step()
    if cursor.now.sign != "=":
        return
    cursor.step()
    if cursor.now.sign == "-":
        cursor.step()
    if cursor.now.sign in OPENING:
        cursor.step_over_brackets()
    else:
        cursor.step()
