"""Keeps secrets out of what is said: fields by their names, tokens and passwords by their form.

Nothing here is a licence to log a token. It is for what gets into a line unseen: an exception's
text that quotes a request, a URL with its password, a library's own idea of a message.
"""

import base64
import binascii
import re
from collections.abc import Collection, Mapping
from typing import Final

from structlog.typing import EventDict, WrappedLogger

MASK: Final = "********"
_DEPTH: Final = 6
_MOST_CHARACTERS: Final = 20_000
"""Kept of one text, half from its beginning and half from its end."""
_SHORTEST_SECRET: Final = 6
"""A shorter one is a word that occurs for other reasons."""
_LONGEST_WORD: Final = 11
"""What is longer may be a token, even of small letters alone."""

_NAMED = re.compile(
    r"authori[sz]ation|token|passw|secret|cookie|credential|api_?key|private_?key|dsn"
    r"|(?:^|_)body(?:$|_)",
    re.IGNORECASE,
)
# The forms, each read in one pass: no part of a pattern can match in two ways.
_PEM = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]*(?:-----END [A-Z ]{0,40}KEY-----)?")
_JOSE = re.compile(  # `{"`, `{ ` or `{` at a line's end, in base64; what follows may be cut off
    r"e(?:yJ|yA|wo|w0)[A-Za-z0-9_-]{14,}(?:\.[A-Za-z0-9_-]*)*"
)
_THREE_PARTS = re.compile(
    r"(?<![A-Za-z0-9_.-])[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"
)
_BEARER = re.compile(r"\b(bearer\s+)([A-Za-z0-9+/=._~-]+)", re.IGNORECASE)
_BASIC = re.compile(r"\b(basic\s+)([A-Za-z0-9+/=_-]{4,})", re.IGNORECASE)
_USERINFO = re.compile(r"(://)[^\s/@\"'<>]*@")
_PAIR = re.compile(
    r"((?:token|passw(?:or)?d|secret|cookie|api_?key)[\"']?\s?(?:=|(?<=[\"'])\s?:)\s?)"
    r"(\"[^\"]*\"|'[^']*'|[^\s\"'&,;)}\]]+)",
    re.IGNORECASE,
)


class Discretion:
    """A processor of structlog."""

    def __init__(self, secrets: Collection[str] = (), *, depth: int = _DEPTH) -> None:
        """Keep `secrets` out by their very text; what is nested deeper becomes a text itself."""
        self._depth = depth
        known = sorted({found for found in secrets if len(found) >= _SHORTEST_SECRET}, key=len)
        self._secrets = known[::-1]

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        """Return the line's fields with nothing in them that has to stay here."""
        return {
            str(name): self._field(str(name), value, self._depth) for name, value in event.items()
        }

    def text(self, text: str) -> str:
        """Return a text with its secrets masked, and its middle left out if it is very long."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        text = _PEM.sub(MASK, text)
        text = _BASIC.sub(_mask_basic, text)
        text = _BEARER.sub(_mask_bearer, text)
        text = _JOSE.sub(MASK, text)
        text = _THREE_PARTS.sub(MASK, text)
        text = _USERINFO.sub(rf"\1{MASK}@", text)
        return _shortened(_PAIR.sub(rf"\1{MASK}", text))

    def _field(self, name: str, value: object, depth: int) -> object:
        if value is None or isinstance(value, bool | int | float):
            return value  # how many tokens there are is no secret
        return MASK if _NAMED.search(name) else self._value(value, depth)

    def _value(self, value: object, depth: int) -> object:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self.text(value)
        if depth and isinstance(value, Mapping):
            return {
                self.text(str(name)): self._field(str(name), found, depth - 1)
                for name, found in value.items()
            }
        if depth and isinstance(value, list | tuple | set | frozenset):
            return [self._value(found, depth - 1) for found in value]
        return self.text(
            value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        )


_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def one_line(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Let no value end its line, move the cursor or turn the direction of what follows.

    A traceback keeps its lines, each behind a bar: none of them can pass for a line of the log.
    """
    return {name: _escaped_field(name, value) for name, value in event.items()}


def _escaped_field(name: str, value: object) -> object:
    if not isinstance(value, str):
        return value
    if name in {"exception", "stack"}:
        lines = value.split("\n")
        return "\n".join(f"  | {_UNPRINTABLE.sub(_escaped, line)}" for line in lines)
    return _UNPRINTABLE.sub(_escaped, value)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _mask_bearer(found: re.Match[str]) -> str:
    """Mask what follows `Bearer`, unless it is a word, as in "no bearer token"."""
    credentials = found[2]
    is_short = len(credentials) <= _LONGEST_WORD
    is_word = is_short and credentials.rstrip(".").isalpha() and credentials.islower()
    return found[0] if is_word else f"{found[1]}{MASK}"


def _mask_basic(found: re.Match[str]) -> str:
    """Mask what follows `Basic`, if it holds a user and a password."""
    text = found[2].replace("-", "+").replace("_", "/").rstrip("=")
    try:
        held = base64.b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        return found[0]
    return f"{found[1]}{MASK}" if b":" in held else found[0]


def _shortened(text: str) -> str:
    left_out = len(text) - _MOST_CHARACTERS
    if left_out <= 0:
        return text
    half = _MOST_CHARACTERS // 2
    return f"{text[:half]} [{left_out} characters left out] {text[-half:]}"
