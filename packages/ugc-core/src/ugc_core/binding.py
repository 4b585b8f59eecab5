"""Query parameters: `{name:Type}` becomes a literal of that type.

ClickHouse substitutes such parameters itself, but the native protocol carries them only
from a revision on that our client does not speak. So the same is done here, in one place:
every value travels as a literal inside a cast that refuses what does not fit its type (a
plain CAST makes 44 of the UInt8 300).
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

_PARAMETER = re.compile(r"\{(?P<name>[A-Za-z_]\w*):(?P<type>[A-Za-z][\w(), '/+-]*)\}")
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
        return f"accurateCast({_literal(values[found['name']])}, {quote(found['type'])})"

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


def _literal(value: object) -> str:
    match value:
        case str():
            return quote(value)
        case bool() | int() | float() | UUID():
            return quote(_text(value))
        case datetime():
            # A text would be read in the server's time zone, and a number of seconds as a date.
            ms = (value - _EPOCH) // timedelta(milliseconds=1)
            return f"fromUnixTimestamp64Milli({ms}, 'UTC')"
        case Sequence() if not isinstance(value, bytes | bytearray):
            return f"[{', '.join(map(_item, value))}]"
        case _:
            msg = f"cannot send a {type(value).__name__} as a query parameter"
            raise TypeError(msg)


def _item(value: object) -> str:
    """Return an element of an array: numbers stand bare in it."""
    return _text(value) if isinstance(value, int | float) else _literal(value)


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)
