"""What ends the replay of a file."""

from ugc_core.errors import FatalError


class UnreadableFileError(FatalError):
    """A file is not there, breaks off, or is of no kind that can be read."""


class ChangedFileError(FatalError):
    """An interrupted replay cannot go on: the files are not the same any more."""


class StrictReplayError(FatalError):
    """Some lines are no reports, and that was to stop everything."""
