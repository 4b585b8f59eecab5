"""`python -m ugc_cli.die_with_parent PARENT COMMAND…`: exec, but never outlive the parent.

A supervisor that is killed cannot stop its children. On Linux the kernel does it for us
(prctl(2), PR_SET_PDEATHSIG). SIGKILL, not SIGTERM: what is acknowledged is durable anyway,
and the next start finds ports and locks free at once.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Bind our life to the parent's, and become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)  # it died before we asked
    os.execv(command[0], command)  # noqa: S606 - a list built by the supervisor


if __name__ == "__main__":
    main()
