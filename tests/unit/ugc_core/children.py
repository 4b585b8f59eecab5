"""Programs in processes of their own, which say when they are where a test wants them."""

import subprocess
import sys
from contextlib import contextmanager


@contextmanager
def child(program, *arguments, says="ready"):
    """Run a program that says a word when it is ready; it ends with the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"{says}\n".encode()
        yield process
        process.kill()
