"""What the engine says on stderr, where its exceptions do not."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

STDERR = 2


@contextmanager
def held_back() -> Iterator[Callable[[], str]]:
    """Hold back what native code writes to stderr; the function yielded returns it.

    When chDB cannot start, only that says why.
    """
    sys.stderr.flush()
    original = os.dup(STDERR)
    with tempfile.TemporaryFile() as talk:
        os.dup2(talk.fileno(), STDERR)
        try:
            yield lambda: _on_one_line(talk)
        finally:
            os.dup2(original, STDERR)
            os.close(original)


def _on_one_line(talk: IO[bytes]) -> str:
    talk.seek(0)
    return " ".join(talk.read().decode("utf-8", "replace").split())
