"""The process environment, read in this one place."""

import os
from collections.abc import Mapping


def environment() -> Mapping[str, str]:
    """Return a copy of the environment, as it is now."""
    return dict(os.environ)


def wants_colour(environ: Mapping[str, str]) -> bool:
    """Say whether colour is allowed (https://no-color.org)."""
    return not environ.get("NO_COLOR")
