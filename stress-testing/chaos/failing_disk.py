"""`python -m chaos.failing_disk FLAG`: the HTTP service on a disk whose sync fails on demand.

SQLite gets a VFS whose fsync returns EIO as soon as the file FLAG exists. Everything else
is the service as it is.
"""

import sys
from pathlib import Path

import apsw

from ugc_api.main import main


class Disk(apsw.VFS):
    """The real file system, until the flag is raised."""

    def __init__(self, flag: Path) -> None:
        """Become the default for every file that is opened from now on."""
        self.flag = flag
        super().__init__("failing", "unix", makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> "File":  # noqa: N802
        """Open a file on this disk."""
        return File(self.flag, name, flags)


class File(apsw.VFSFile):
    """One file on it."""

    def __init__(self, flag: Path, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        """Open the real one."""
        self._flag = flag
        super().__init__("unix", name, flags)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        """Sync, or fail like a disk that is broken."""
        if self._flag.exists():
            raise apsw.exception_for(apsw.SQLITE_IOERR_FSYNC)
        super().xSync(flags)


if __name__ == "__main__":
    _disk = Disk(Path(sys.argv.pop(1)))
    main()
