"""What the bytes of a column look like, told from the name of its type."""

import re
from dataclasses import dataclass
from functools import lru_cache

from chdb_server.errors import UnmeasurableTypeError

DEEPEST = 50
"""Levels of nesting; a guard against a type name made to exhaust the stack."""

WIDTHS = {
    **dict.fromkeys(("UInt8", "Int8", "Bool", "Enum8", "Nothing"), 1),
    **dict.fromkeys(("UInt16", "Int16", "Date", "Enum16", "BFloat16"), 2),
    **dict.fromkeys(("UInt32", "Int32", "Float32", "DateTime", "Date32", "IPv4", "Time"), 4),
    **dict.fromkeys(("UInt64", "Int64", "Float64", "DateTime64", "Time64"), 8),
    **dict.fromkeys(("UInt128", "Int128", "UUID", "IPv6"), 16),
    **dict.fromkeys(("UInt256", "Int256"), 32),
    **{f"Decimal{bits}": bits // 8 for bits in (32, 64, 128, 256)},
    **dict.fromkeys(("IntervalNanosecond", "IntervalMicrosecond", "IntervalMillisecond"), 8),
    **dict.fromkeys(("IntervalSecond", "IntervalMinute", "IntervalHour", "IntervalDay"), 8),
    **dict.fromkeys(("IntervalWeek", "IntervalMonth", "IntervalQuarter", "IntervalYear"), 8),
}
"""Bytes a value, for the types of one width."""

ALIASES = {
    "Point": "Tuple(Float64, Float64)",
    "Ring": "Array(Point)",
    "LineString": "Array(Point)",
    "Polygon": "Array(Ring)",
    "MultiLineString": "Array(LineString)",
    "MultiPolygon": "Array(Polygon)",
}
"""Types that are another one under a name of their own."""

DECIMAL_WIDTHS = ((9, 4), (18, 8), (38, 16), (76, 32))
"""Up to how many digits fit into how many bytes."""

PIECE = re.compile(r"'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.|``)*`|[(),]|[^'`(),]+", re.DOTALL)
ELEMENT_NAME = re.compile(r"(?:`(?:[^`\\]|\\.|``)*`|\w+)\s+(?=\S)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Fixed:
    """So many bytes a row."""

    width: int


@dataclass(frozen=True, slots=True)
class Text:
    """Length and bytes, row after row."""


@dataclass(frozen=True, slots=True)
class Nullable:
    """A byte a row, then the values, nulls included."""

    inner: "Layout"


@dataclass(frozen=True, slots=True)
class LowCardinality:
    """A dictionary, then a key a row."""

    inner: "Layout"


@dataclass(frozen=True, slots=True)
class Array:
    """An end offset a row, then all elements."""

    inner: "Layout"


@dataclass(frozen=True, slots=True)
class Record:
    """One column after the other."""

    fields: tuple["Layout", ...]


Layout = Fixed | Text | Nullable | LowCardinality | Array | Record


@lru_cache(maxsize=1024)
def layout(type_name: str) -> Layout:
    """Find how the type's bytes are laid out.

    Raises:
        UnmeasurableTypeError: Only ClickHouse's own code finds where such a column ends.
    """
    found = _layout(type_name, DEEPEST)
    if found is None:
        raise UnmeasurableTypeError(type_name)
    return found


def split(type_name: str) -> tuple[str, list[str]]:
    """Turn `Map(String, Array(UInt8))` into `Map` and its two arguments."""
    name, _, rest = type_name.strip().partition("(")
    arguments, depth = [""], 0
    for piece in PIECE.findall(rest[:-1]):
        depth += (piece == "(") - (piece == ")")
        if piece == "," and not depth:
            arguments.append("")
        else:
            arguments[-1] += piece
    stripped = [argument.strip() for argument in arguments]
    return name, stripped if stripped != [""] else []


def _layout(type_name: str, depth: int) -> Layout | None:
    name, arguments = split(ALIASES.get(type_name.strip(), type_name))
    if width := _width(name, arguments):
        return Fixed(width)
    if name == "String":
        return Text()
    if not depth:
        return None
    inner = [_layout(argument, depth - 1) for argument in _inner_types(name, arguments)]
    known = tuple(part for part in inner if part is not None)
    return _composite(name, known) if known and len(known) == len(inner) else None


def _width(name: str, arguments: list[str]) -> int | None:
    if name not in {"FixedString", "Decimal"}:
        return WIDTHS.get(name)
    if not arguments or not arguments[0].isdecimal():
        return None
    number = int(arguments[0])
    if name == "FixedString":
        return number
    return next((width for most, width in DECIMAL_WIDTHS if number <= most), None)


def _inner_types(name: str, arguments: list[str]) -> list[str]:
    match name:
        case "Tuple" | "Nested":
            return [_without_name(argument) for argument in arguments]
        case "SimpleAggregateFunction":
            return arguments[1:2]
        case "LowCardinality":  # nulls are a key of the dictionary: it holds plain values
            inner_name, inner_arguments = split("".join(arguments[:1]))
            return inner_arguments if inner_name == "Nullable" else arguments
        case "Nullable" | "Array" | "Map":
            return arguments
        case _:
            return []


def _without_name(element: str) -> str:
    """A tuple's elements may be named: `a UInt8`."""
    found = ELEMENT_NAME.match(element)
    return element[found.end() :] if found else element


def _composite(name: str, inner: tuple[Layout, ...]) -> Layout:
    match name:
        case "Nullable":
            return Nullable(inner[0])
        case "LowCardinality":
            return LowCardinality(inner[0])
        case "Array":
            return Array(inner[0])
        case "Map" | "Nested":
            return Array(Record(inner))
        case "SimpleAggregateFunction":
            return inner[0]
        case _:
            return Record(inner)
