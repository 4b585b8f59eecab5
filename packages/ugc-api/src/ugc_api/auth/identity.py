"""Who asks, as a verified token says."""

from msgspec import Struct

from ugc_core.acceptance import Viewer

ANALYST = "analyst"
"""The role that may read the numbers of whole audiences."""


class Identity(Struct, frozen=True, kw_only=True):
    """The owner of a token.

    Attributes:
        viewer: The user, and the household member if the token names one.
        log_key: The user's key in the log; made once a token, and not once a report.
        roles: What the token allows beyond the owner's own data.
    """

    viewer: Viewer
    log_key: bytes
    roles: frozenset[str] = frozenset()
