"""TCP ports of this machine."""

import socket

from ugc_core.errors import InUseError


def claim(host: str, port: int, *, option: str, what: str) -> int:
    """Return a port that can be listened on: `port`, or any free one for 0.

    Raises:
        InUseError: Another program listens there.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            msg = (
                f"port {port} for the {what} cannot be used on {host}: {error.strerror};"
                f" choose another with {option} N (0 takes any free one)"
            )
            raise InUseError(msg) from error
        found: int = probe.getsockname()[1]
        return found
