"""How far a replay of files has come, in a small file of its own."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from ugc_core.files import write_private
from ugc_etl.replay.file_errors import ChangedFileError, UnreadableFileError


class FileMark(Struct, frozen=True, kw_only=True):
    """Which file exactly.

    Attributes:
        path: Absolute.
        size: In bytes.
        content_hash: Of everything in it, hexadecimal.
    """

    path: str
    size: int
    content_hash: str


class FileState(Struct, frozen=True, kw_only=True):
    """How far it has come: everything before is durable in the log.

    Attributes:
        files: The files, in order.
        file: Number of the one in hand, from 0.
        line: Its last line that is done.
    """

    files: tuple[FileMark, ...]
    file: int = 0
    line: int = 0


def mark_files(paths: Sequence[Path]) -> tuple[FileMark, ...]:
    """Read every file once, and return its mark.

    Raises:
        UnreadableFileError: One is not there.
    """
    marks: list[FileMark] = []
    for path in paths:
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
            size = path.stat().st_size
        except OSError as error:
            msg = f"{path}: cannot be read: {error}"
            raise UnreadableFileError(msg) from error
        marks.append(
            FileMark(path=str(path.absolute()), size=size, content_hash=digest.hexdigest())
        )
    return tuple(marks)


def default_state_path(directory: Path, paths: Sequence[Path]) -> Path:
    """Return where the state of a replay of these files is kept: one place for each set."""
    names = "\n".join(str(path.absolute()) for path in paths)
    digest = hashlib.blake2b(names.encode(), digest_size=4).hexdigest()
    return directory / "replays" / f"{paths[0].name}-{digest}.json"


def load_state(path: Path, marks: tuple[FileMark, ...]) -> FileState:
    """Return the state that was kept for exactly these files.

    Raises:
        ChangedFileError: There is none, or it is of other files or of another content.
    """
    again = "start anew without --resume: a report that is sent twice is one report"
    try:
        state = msgspec.json.decode(path.read_bytes(), type=FileState)
    except OSError as error:
        msg = f"nothing to resume: {path} cannot be read ({error.strerror}); {again}"
        raise ChangedFileError(msg) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        msg = f"{path} is no state of a replay ({error}); {again}"
        raise ChangedFileError(msg) from error
    if [mark.path for mark in state.files] != [mark.path for mark in marks]:
        names = " ".join(mark.path for mark in state.files)
        msg = f"{path} is of other files ({names}); name these, in this order, or {again}"
        raise ChangedFileError(msg)
    for before, now in zip(state.files, marks, strict=True):
        if before != now:
            msg = f"{now.path} has changed since it was interrupted; {again}"
            raise ChangedFileError(msg)
    return state


def save_state(path: Path, state: FileState) -> None:
    """Keep the state, in one step and on the disk."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, msgspec.json.encode(state).decode())
