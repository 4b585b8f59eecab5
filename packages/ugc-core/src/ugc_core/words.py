"""The words of a report, `kind` and `device`: each is matched once, for there are few of them.

Left to the decoder, a pattern costs half a microsecond a word.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Protocol

KIND_PATTERN: Final = r"^[a-z][a-z0-9_]{0,31}$(?!\n)"
"""`$` alone also matches before a final line break; ECMA-262 has no \\Z."""
DEVICE_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9 ._/()+-]{0,31}$(?!\n)"
_LONGEST: Final = 32
_MOST_WORDS: Final = 4096


def is_word(pattern: str, word: str | None) -> bool:
    """Say whether a word is absent or matches; a longer one than can match is not remembered."""
    return word is None or (len(word) <= _LONGEST and _matches(pattern, word))


class Worded(Protocol):
    """A report or an event, as far as its words go."""

    @property
    def kind(self) -> str | None:
        """Why it was sent."""

    @property
    def device(self) -> str | None:
        """What it was sent from."""


def have_words(found: Sequence[Worded]) -> bool:
    """Say whether every `kind` and every `device` is absent or matches."""
    return all(is_word(KIND_PATTERN, kind) for kind in {one.kind for one in found}) and all(
        is_word(DEVICE_PATTERN, device) for device in {one.device for one in found}
    )


@lru_cache(maxsize=_MOST_WORDS)
def _matches(pattern: str, word: str) -> bool:
    return re.search(pattern, word) is not None
