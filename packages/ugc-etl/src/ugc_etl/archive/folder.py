"""The folder of an archive: files that are whole or not there, and their manifest."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ugc_core.files import lock, sync_directory, write_private
from ugc_etl.adapters import parquet_archive
from ugc_etl.archive.errors import ArchiveFolderError
from ugc_etl.archive.layout import SUFFIX, ArchiveFile, joined
from ugc_etl.replay.spans import Span

_MANIFEST = "manifest.json"
_LOCK = ".lock"
_FRESH = ".new"


class Listed(Struct, frozen=True, kw_only=True):
    """One file in the manifest.

    Attributes:
        size: In bytes; another one means another file.
        topic: Where its records come from.
        partition: Their partition.
        spans: The offsets that it accounts for: first, and the one after the last.
        ranges: How many rows of the ledger these are; the file itself names each.
        ranges_hash: Hash of these rows, content hashes included, hexadecimal.
        lines: Lines that it holds.
        left_out: Lines that it does not.
        erasures: Names the set of erasures that it was held against.
    """

    size: int
    topic: str
    partition: int
    spans: tuple[tuple[int, int], ...]
    ranges: int
    ranges_hash: str
    lines: int
    left_out: int
    erasures: str


class Folder:
    """Knows every file in it; one process at a time."""

    def __init__(self, root: Path) -> None:
        """Use `opened`; this only wires."""
        self.root = root
        self.files: dict[Path, Listed] = {}

    @classmethod
    @contextmanager
    def opened(cls, root: Path) -> Iterator["Folder"]:
        """Take the folder for this process, making it if need be.

        Raises:
            ArchiveFolderError: It cannot be used.
            InUseError: Another process archives into it.
        """
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            holder = lock(
                root / _LOCK, what=f"archive {root}", then="wait for it, or choose another folder"
            )
            with holder:
                folder = cls(root)
                folder._look()
                try:
                    yield folder
                finally:
                    folder._list()
        except OSError as error:
            msg = f"cannot archive into {root}: {error}; mend that, or choose another folder"
            raise ArchiveFolderError(msg) from error

    def covered(self, topic: str, partition: int) -> Sequence[Span]:
        """Return the offsets of a partition that the files account for."""
        return joined(
            Span(partition=partition, start=start, end=end)
            for listed in self.files.values()
            if (listed.topic, listed.partition) == (topic, partition)
            for start, end in listed.spans
        )

    @contextmanager
    def fresh(self) -> Iterator[Path]:
        """Lend a path to write to; what is still there afterwards is taken away."""
        path = self.root / f"{_FRESH}{os.getpid()}"
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
            yield path
        finally:
            path.unlink(missing_ok=True)

    def keep(self, path: Path, about: ArchiveFile, *, instead_of: Path | None = None) -> Path:
        """Give a written file its name, once it is on the disk."""
        with path.open("rb") as file:
            os.fsync(file.fileno())
        final = instead_of or self.root / about.name
        path.replace(final)
        sync_directory(self.root)
        self.files[final] = _listed(final, about)
        return final

    def checked(self, path: Path, erasures: str) -> None:
        """Note that a file holds nothing of the users in a set of erasures."""
        self.files[path] = replace(self.files[path], erasures=erasures)

    def _list(self) -> None:
        """Write the manifest."""
        files = {path.name: listed for path, listed in sorted(self.files.items())}
        text = msgspec.json.format(msgspec.json.encode({"files": files}), indent=1)
        write_private(self.root / _MANIFEST, text.decode() + "\n")

    def _look(self) -> None:
        """Learn the files: from the manifest, and from those that it does not know."""
        listed = self._manifest()
        for path in sorted(self.root.glob(f"*{SUFFIX}")):
            known = listed.get(path.name)
            if known is not None and known.size == path.stat().st_size:
                self.files[path] = known
            elif (found := parquet_archive.about(path)) is not None:
                self.files[path] = _listed(path, found)
        for left in self.root.glob(f"{_FRESH}*"):
            left.unlink()  # of one that was killed

    def _manifest(self) -> Mapping[str, Listed]:
        try:
            text = (self.root / _MANIFEST).read_bytes()
            return msgspec.json.decode(text, type=dict[str, dict[str, Listed]])["files"]
        except (FileNotFoundError, msgspec.DecodeError, KeyError):
            return {}  # the files themselves say the same


def _listed(path: Path, about: ArchiveFile) -> Listed:
    rows = msgspec.json.encode(about.ranges)
    return Listed(
        size=path.stat().st_size,
        topic=about.topic,
        partition=about.partition,
        spans=tuple((span.start, span.end) for span in joined(about.spans)),
        ranges=len(about.ranges),
        ranges_hash=hashlib.blake2b(rows, digest_size=16).hexdigest(),
        lines=about.lines,
        left_out=about.left_out,
        erasures=about.erasures,
    )
