"""What ends an archiving."""

from ugc_core.errors import FatalError


class ArchiveMismatchError(FatalError):
    """The log does not hold what the ledger says was ingested: something was altered or lost."""


class ArchiveFolderError(FatalError):
    """The folder cannot be written, or holds something else than an archive."""
