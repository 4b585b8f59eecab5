"""What `ugc up` keeps in its data directory, and where."""

import os
import secrets
from pathlib import Path

import msgspec
from msgspec import Struct

from ugc_core.errors import ConfigError
from ugc_core.files import locked, write_private

_SECRET_BYTES = 32


class Running(Struct, frozen=True, kw_only=True):
    """How to reach a running `ugc up`.

    Attributes:
        pid: Its process id.
        api_url: Root of the HTTP service.
        settings: The settings that it gives its services, by dotted name.
    """

    pid: int
    api_url: str
    settings: dict[str, str | int]


class DataDir(Struct, frozen=True, kw_only=True):
    """One data directory; every path in it is absolute."""

    root: Path

    @classmethod
    def at(cls, path: Path) -> "DataDir":
        """Name a directory; nothing is made."""
        return cls(root=path.absolute())

    @property
    def lock(self) -> Path:
        """Held by `ugc up` and its services."""
        return self.root / "up.lock"

    @property
    def log(self) -> Path:
        """The SQLite log."""
        return self.root / "log.db"

    @property
    def clickhouse(self) -> Path:
        """Data of the embedded ClickHouse."""
        return self.root / "clickhouse"

    @property
    def logs(self) -> Path:
        """What the services said."""
        return self.root / "logs"

    @property
    def token_secret(self) -> Path:
        """Key of the development tokens."""
        return self.root / "secrets" / "token-secret"

    @property
    def clickhouse_password(self) -> Path:
        """Password of the embedded ClickHouse."""
        return self.root / "secrets" / "clickhouse-password"

    @property
    def docs_password(self) -> Path:
        """Password of the documentation pages."""
        return self.root / "secrets" / "docs-password"

    @property
    def run_file(self) -> Path:
        """How to reach the running services."""
        return self.root / "run.json"

    @property
    def unclean(self) -> Path:
        """There from the start of the services to their clean stop."""
        return self.root / "unclean"

    def make(self) -> None:
        """Make the directory and, once, its secrets and its lock; all private.

        Raises:
            ConfigError: It cannot be made or written.
        """
        try:
            for directory in (self.root, self.logs, self.token_secret.parent):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for path in (self.token_secret, self.clickhouse_password, self.docs_password):
                if not path.exists():
                    write_private(path, secrets.token_urlsafe(_SECRET_BYTES) + "\n")
            os.close(os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            msg = f"cannot use {self.root} as the data directory: {error}; choose another --data"
            raise ConfigError(msg) from error

    def running(self) -> Running | None:
        """Return how to reach the `ugc up` of this directory, if one runs."""
        if not locked(self.lock):
            return None
        try:
            return msgspec.json.decode(self.run_file.read_bytes(), type=Running)
        except (OSError, msgspec.DecodeError):
            return None  # it is only just starting

    def announce(self, running: Running) -> None:
        """Let other commands find us."""
        write_private(self.run_file, msgspec.json.encode(running).decode())
