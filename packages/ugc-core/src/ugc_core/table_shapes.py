"""What the migrations make, read from their own SQL, and how a node differs from it: pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import Struct

_CREATE = re.compile(
    r"CREATE (?:OR REPLACE )?(?P<kind>TABLE|VIEW|MATERIALIZED VIEW)(?: IF NOT EXISTS)?"
    r" (?P<database>\w+)\.(?P<table>\w+)(?: ON CLUSTER \w+)?"
    r"(?: AS \w+\.(?P<like>\w+)\n)?"
)
_ADD = re.compile(
    r"ALTER TABLE (?P<database>\w+)\.(?P<table>\w+)(?P<on_cluster> ON CLUSTER \w+)?"
    r"\s+ADD COLUMN IF NOT EXISTS (?P<column>.*)",
    re.DOTALL,
)
_BODY = re.compile(r"\n\(\n(?P<columns>.*?)\n\)\nENGINE", re.DOTALL)
_ENGINE = re.compile(r"^ENGINE = (\w+)", re.MULTILINE)
_KEY = re.compile(r"^ORDER BY \(?([^()\n]*)\)?$", re.MULTILINE)
_PLACE = re.compile(r"\s+AFTER \w+$|\s+FIRST$")
_ENDS_OF_TYPE = (" DEFAULT ", " CODEC(", " MATERIALIZED ", " ALIAS ", " COMMENT ", " TTL ")
_VIEWS = {"VIEW": "View", "MATERIALIZED VIEW": "MaterializedView"}


@dataclass(kw_only=True)
class Shape:
    """A table or a view as the migrations have it.

    Attributes:
        statement: What creates it.
        engine: As `system.tables` names it.
        key: What its rows are sorted by, comma-separated; empty for a view.
        columns: By name: the type, and the whole definition; of a view none are known.
    """

    statement: str
    engine: str
    key: str = ""
    columns: dict[str, tuple[str, str]] = field(default_factory=dict)


class Found(Struct, frozen=True, kw_only=True):
    """A table as a node has it.

    Attributes:
        engine: Its engine.
        key: What its rows are sorted by.
        columns: Type by name.
    """

    engine: str
    key: str
    columns: Mapping[str, str]


class Drift(Struct, frozen=True, kw_only=True):
    """Something on some nodes that is not as the migrations have it.

    Attributes:
        what: What differs.
        nodes: Where.
        mend: The statement that mends it; empty if a person has to.
        advice: What that person can do.
    """

    what: str
    nodes: tuple[str, ...] = ()
    mend: str = ""
    advice: str = ""

    @property
    def summary(self) -> str:
        """All of it in one sentence."""
        where = f" on {', '.join(self.nodes)}" if self.nodes else ""
        return f"{self.what}{where}" + (f": {self.advice}" if self.advice else "")


def shapes(statements: Iterable[str]) -> dict[str, Shape]:
    """Return what the statements make, by name, in their order."""
    made: dict[str, Shape] = {}
    for statement in statements:
        if create := _CREATE.match(statement):
            if create["table"] not in made or "OR REPLACE" in create[0]:
                made[create["table"]] = _shape(statement, create, made)
        elif add := _ADD.match(statement):
            name, definition = _column(_PLACE.sub("", add["column"].strip()))
            made[add["table"]].columns[name] = definition
    return made


def drift(
    wanted: Mapping[str, Shape],
    nodes: Mapping[str, Mapping[str, Found]],
    *,
    database: str,
    on_cluster: str = "",
) -> list[Drift]:
    """Compare every node with what is wanted; what several nodes lack is said once.

    Args:
        wanted: Tables and views by name.
        nodes: What each node has, by name.
        database: Their database.
        on_cluster: What a statement needs to run on every node.
    """
    together: dict[Drift, list[str]] = {}
    for table, shape in wanted.items():
        for node, tables in nodes.items():
            there = tables.get(table)
            whole = f"{database}.{table}"
            for found in _differences(whole, shape, there, on_cluster):
                together.setdefault(found, []).append(node)
    many = len(nodes) > 1
    return [
        Drift(what=one.what, nodes=tuple(where) if many else (), mend=one.mend, advice=one.advice)
        for one, where in together.items()
    ]


def _differences(table: str, shape: Shape, there: Found | None, on_cluster: str) -> Iterator[Drift]:
    if there is None:
        kind = "view" if shape.engine in _VIEWS.values() else "table"
        yield Drift(what=f"{kind} {table} is missing", mend=shape.statement)
        return
    if there.engine != shape.engine or _bare(there.key) != _bare(shape.key):
        is_there, wanted = _described(there.engine, there.key), _described(shape.engine, shape.key)
        advice = f"it should be {wanted}; rename it, run `ugc init`, and copy its rows"
        yield Drift(what=f"{table} is {is_there}", advice=advice)
        return
    before = ""
    for name, (kind, definition) in shape.columns.items():
        if name not in there.columns:
            add = f"ALTER TABLE {table}{on_cluster} ADD COLUMN IF NOT EXISTS {definition}"
            yield Drift(what=f"column {table}.{name} is missing", mend=add + before)
        elif _bare(there.columns[name]) != _bare(kind):
            change = f"ALTER TABLE {table}{on_cluster} MODIFY COLUMN {name} {kind}"
            advice = f"it should be {kind}; rewriting it is yours to decide: {change}"
            yield Drift(what=f"column {table}.{name} is {there.columns[name]}", advice=advice)
        before = f" AFTER {name}"


def _described(engine: str, key: str) -> str:
    return f"{engine} ordered by ({key})" if key else engine


def _bare(text: str) -> str:
    return re.sub(r"\s", "", text)


def _shape(statement: str, create: "re.Match[str]", made: Mapping[str, Shape]) -> Shape:
    if create["kind"] in _VIEWS:
        return Shape(statement=statement, engine=_VIEWS[create["kind"]])
    engine, key, body = (pattern.search(statement) for pattern in (_ENGINE, _KEY, _BODY))
    columns = made[create["like"]].columns if create["like"] else {}
    if body:
        columns = dict(map(_column, _split(body["columns"])))
    return Shape(
        statement=statement,
        engine=engine[1] if engine else "",
        key=key[1] if key else "",
        columns=dict(columns),
    )


def _column(text: str) -> tuple[str, tuple[str, str]]:
    """Return a column's name, and its type and whole definition, on one line."""
    definition = " ".join(text.split())
    name, _, rest = definition.partition(" ")
    ends = [rest.index(end) for end in _ENDS_OF_TYPE if end in rest]
    return name, (rest[: min(ends, default=len(rest))], definition)


def _split(columns: str) -> Sequence[str]:
    """Split at the commas that stand in no parenthesis."""
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(columns):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            parts.append(columns[start:at])
            start = at + 1
    return [part.strip() for part in (*parts, columns[start:])]
