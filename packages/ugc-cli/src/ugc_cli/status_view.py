"""The state of the system for a person: tables for 80 columns, or a line in a pipe."""

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ugc_cli import console
from ugc_cli.state import Lag, Part, versions
from ugc_core.log_operator import Member

_STYLES = {"ok": "green", "down": "red", "behind": "yellow"}
_MOST_PARTITIONS = 12
_MOST_MEMBERS = 12
_NESTED = frozenset({"partitions", "members", "tables", "nodes_down", "apis"})
_VERSIONED = frozenset({"client", "server"})
"""Facts that a person finds among the versions."""


def as_json(parts: Sequence[Part]) -> Mapping[str, object]:
    """Return everything by name."""
    named = {part.name: {"state": part.state, **part.facts} for part in parts}
    return {**named, "versions": versions(parts)}


def lines(parts: Sequence[Part]) -> Sequence[str]:
    """Return a line for each part."""
    return [
        f"{part.name:<10} {part.state:<7} {', '.join([*_facts(part), *_readers(part)])}"
        for part in parts
    ]


def line(parts: Sequence[Part]) -> str:
    """Return one line for all of them: what changes from second to second."""
    by_name = {part.name: part.facts for part in parts}
    told = [f"{part.name} {part.state}" for part in parts]
    pipeline, warehouse, log = by_name["pipeline"], by_name["warehouse"], by_name["log"]
    wanted = (
        ("lag", pipeline.get("lag"), ""),
        ("oldest", _rounded(pipeline.get("oldest_s")), " s"),
        ("reports", warehouse.get("reports"), ""),
        ("freshness", _rounded(warehouse.get("freshness_s")), " s"),
        ("dead letters", log.get("dead_letters"), ""),
    )
    told += [f"{name} {value}{unit}" for name, value, unit in wanted if value is not None]
    return ", ".join(told)


def tables(parts: Sequence[Part]) -> RenderableType:
    """Return a heading, the facts and a table or two for each part."""
    shown: list[RenderableType] = []
    for part in parts:
        shown.append(
            Text.assemble((f"{part.name:<10} ", "bold"), (part.state, _STYLES[part.state]))
        )
        shown.append(Padding(Text(", ".join(_facts(part))), (0, 0, 0, 2)))
        lags = part.facts.get("partitions")
        if isinstance(lags, Sequence):
            shown.append(_lags(lags))
        members = part.facts.get("members")
        if isinstance(members, Sequence) and members:
            shown.append(_members(members))
        rows = part.facts.get("tables")
        if isinstance(rows, Mapping):
            shown.append(_rows(rows))
    shown.append(Text(_versions(parts), "dim"))
    return Group(*shown)


def _facts(part: Part) -> list[str]:
    facts = [
        f"{_label(name)} {console.cell(_rounded(value))}{' s' if name.endswith('_s') else ''}"
        for name, value in part.facts.items()
        if value is not None
        and name not in _VERSIONED
        and not (name in _NESTED and not isinstance(value, int))
    ]
    silent = part.facts.get("nodes_down")
    if isinstance(silent, Mapping):
        facts += [f"{node} is down: {reason}" for node, reason in silent.items()]
    return facts


def _readers(part: Part) -> list[str]:
    """Name who reads for the group, on a line of text."""
    members = part.facts.get("members")
    if not isinstance(members, Sequence):
        return []
    return [f"read by {member}" for member in members[:_MOST_MEMBERS]]


def _members(members: Sequence[Member]) -> Table:
    table = _table("member", "host", "partitions", "lease")
    for one in members[:_MOST_MEMBERS]:
        held = ", ".join(map(str, one.partitions)) or "none just now"
        lease = "until it ends" if one.lease_s is None else f"{one.lease_s:g} s"
        table.add_row(*map(Text, (one.client, one.host, held, lease)))
    if len(members) > _MOST_MEMBERS:
        table.caption = f"{_MOST_MEMBERS} of {len(members)} members; --json has them all"
    return table


def _label(name: str) -> str:
    return name.removesuffix("_s")


def _rounded(value: object) -> object:
    return round(value, 1) if isinstance(value, float) else value


def _lags(lags: Sequence[Lag]) -> Table:
    """Show the partitions, those that are furthest behind if they are many."""
    table = _table("partition", "oldest offset", "committed", "end", "lag", "oldest s")
    furthest = sorted(lags, key=lambda one: -one.lag)[:_MOST_PARTITIONS]
    for one in sorted(furthest, key=lambda one: one.partition):
        age = "" if one.oldest_s is None else f"{one.oldest_s:.1f}"
        committed = "none" if one.committed is None else one.committed
        cells = (one.partition, one.low, committed, one.high, one.lag, age)
        table.add_row(*(Text(str(cell)) for cell in cells), style="yellow" if one.lag else None)
    if len(lags) > _MOST_PARTITIONS:
        table.caption = f"{_MOST_PARTITIONS} of {len(lags)} partitions; --json has them all"
    return table


def _rows(rows: Mapping[str, Mapping[str, int]]) -> Table:
    table = _table("table", "rows", "parts", "most parts in a partition")
    for name, counts in rows.items():
        cells = (name, f"{counts['rows']:,}", counts["parts"], counts["most"])
        table.add_row(*(Text(str(cell)) for cell in cells))
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 2), caption_justify="left")
    table.add_column(first, justify="left")
    for name in others:
        table.add_column(name, justify="right")
    return table


def _versions(parts: Sequence[Part]) -> str:
    known = {name: value for name, value in versions(parts).items() if value is not None}
    return "versions   " + ", ".join(f"{name} {value}" for name, value in known.items())
