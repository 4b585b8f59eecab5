"""What is read out of a request's ASGI scope."""

from typing import Final

from starlette.types import Scope

WHOLE_BODY: Final = "ugc.whole_body"
"""An extension of ours: there if all of the body came before the application was called."""


def header(scope: Scope, wanted: bytes) -> bytes | None:
    """Return the first header of a name, which has to be in lower case; None without one."""
    for name, value in scope["headers"]:
        if name == wanted:
            found: bytes = value
            return found
    return None


def whole_body(scope: Scope) -> bytes | None:
    """Take the body over if it is all here already; None if it has to be received."""
    extension = scope.get("extensions", {}).get(WHOLE_BODY)
    if extension is None:
        return None
    body: bytes = extension["take"]()
    return body
