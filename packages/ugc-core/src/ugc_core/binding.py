"""Query parameters: `{name:Type}` becomes a literal of that type.

ClickHouse substitutes such parameters itself, but the native protocol carries them only
from a revision on that our client does not speak. So the same is done here, in one place:
every value travels as a quoted string inside a CAST, whatever it holds.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

_PARAMETER = re.compile(r"\{(?P<name>[A-Za-z_]\w*):(?P<type>[A-Za-z][\w(), ']*)\}")
_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\0": "\\0"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def bind(sql: str, parameters: Mapping[str, object] | None) -> str:
    """Return `sql` with every parameter replaced.

    Raises:
        KeyError: A parameter has no value, or a value no parameter.
        TypeError: A value of a kind that cannot be sent.
    """
    values = dict(parameters or {})
    used: set[str] = set()

    def literal(found: re.Match[str]) -> str:
        used.add(found["name"])
        return f"CAST({quote(_text(values[found['name']]))}, {quote(found['type'])})"

    bound = _PARAMETER.sub(literal, sql)
    if unused := set(values) - used:
        raise KeyError(*sorted(unused))
    return bound


def quote(text: str) -> str:
    """Return a ClickHouse string literal."""
    return f"'{text.translate(_ESCAPES)}'"


def identifier(name: str) -> str:
    """Return a quoted ClickHouse identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _item(value: object) -> str:
    """Return an element of an array: numbers stand bare in it, all else is quoted."""
    text = _text(value)
    return text if isinstance(value, int | float) else quote(text)


def _text(value: object) -> str:
    match value:
        case bool():
            return str(int(value))
        case str():
            return value
        case int() | float() | UUID():
            return str(value)
        case datetime():
            ms = (value - _EPOCH).total_seconds() * 1000
            return f"{ms / 1000:.3f}"
        case Sequence():
            return f"[{','.join(map(_item, value))}]"
        case _:
            msg = f"cannot send a {type(value).__name__} as a query parameter"
            raise TypeError(msg)
