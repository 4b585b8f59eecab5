"""How deep JSON is nested, told without decoding it.

Where a decoder gives up differs from one Python to the next; a bound of our own does not.
"""

import re

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)', re.DOTALL)
"""One that never ends goes to the end of the text: else each of its quotes would be tried."""


def deeper_than(most: int, text: bytes) -> bool:
    """Say whether `text` opens more than `most` arrays and objects inside each other."""
    if text.count(b"{") + text.count(b"[") <= most:
        return False  # nearly every report ends here
    depth = 0
    for byte in _STRING.sub(b"", text):
        depth += (byte in b"{[") - (byte in b"}]")
        if depth > most:
            return True
    return False
