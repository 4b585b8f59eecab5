"""What the kernel holds of an answer: a client that reads nothing is told by it alone."""

import asyncio
import fcntl
import struct
import termios


def unacknowledged(transport: asyncio.Transport) -> int:
    """Return the bytes that the client has not acknowledged: the kernel holds megabytes.

    Reference: tcp(7), SIOCOUTQ. Where the kernel does not tell, it is taken to hold nothing.
    """
    peer = transport.get_extra_info("socket")
    try:
        answer = fcntl.ioctl(peer.fileno(), termios.TIOCOUTQ, bytes(4))
    except OSError:
        return 0
    found: tuple[int] = struct.unpack("i", answer)
    return found[0]
