"""Where settings come from: flag > `UGC_*` variable > `ugc.toml` > default.

A variable names a setting by its path: `log.url` is `UGC_LOG__URL`, `data_dir` is
`UGC_DATA_DIR`. An unknown name stops the start: a misspelt one would silently leave the
default in force. Secrets may come from files: `auth.secret_file` for `auth.secret`. A list is
an array in the file; elsewhere commas stand between its items.
"""

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ugc_core.discretion import MASK
from ugc_core.errors import ConfigError
from ugc_core.setting_types import Section
from ugc_core.settings import SECRETS, Settings

PREFIX = "UGC_"
CONFIG_FILE = "UGC_CONFIG_FILE"
REQUIRE = "UGC_REQUIRE"
"""Read by the test suite alone: what may not be skipped."""
DEFAULT_FILE = Path("ugc.toml")


class Origin(NamedTuple):
    """One value before it is checked, and where it was found."""

    value: object
    source: str


class Loaded(NamedTuple):
    """The settings, and for each of them where its value came from."""

    settings: Settings
    sources: Mapping[str, str]

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """Yield (name, value, source) of every setting; secrets are masked."""
        for name, value in leaves(self.settings):
            masked = name in SECRETS and value
            yield name, MASK if masked else text(value), self.sources.get(name, "default")


def secrets_of(settings: Settings) -> list[str]:
    """Return every secret that is set, for whoever has to keep them out of sight."""
    return [str(value) for name, value in leaves(settings) if name in SECRETS and value]


def load(environ: Mapping[str, str], flags: Mapping[str, object] | None = None) -> Loaded:
    """Read every source and check the whole.

    Args:
        environ: The environment.
        flags: Values given on the command line, by dotted name; None means not given.

    Raises:
        ConfigError: A name is unknown, a value does not fit, a file cannot be read.
    """
    found = _from_file(environ) | _from_environment(environ)
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    found |= {name: Origin(value, "flag") for name, value in given.items()}
    _refuse_unknown(found)
    found |= _from_secret_files(found)
    settings = _convert(found)
    return Loaded(settings, {name: origin.source for name, origin in found.items()})


def leaves(section: Section, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield the dotted name and the value of every setting below `section`."""
    for field in msgspec.structs.fields(section):
        value = getattr(section, field.name)
        if isinstance(value, Section):
            yield from leaves(value, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", value


def text(value: object) -> str:
    """Return a setting's value as a variable would give it."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "" if value is None else str(value)


def variable(name: str) -> str:
    """Return the environment variable of a setting: `log.url` gives `UGC_LOG__URL`."""
    return PREFIX + name.upper().replace(".", "__")


def _from_environment(environ: Mapping[str, str]) -> dict[str, Origin]:
    return {
        name.removeprefix(PREFIX).lower().replace("__", "."): Origin(value, f"env {name}")
        for name, value in environ.items()
        if name.startswith(PREFIX) and name not in {CONFIG_FILE, REQUIRE}
    }


def _from_file(environ: Mapping[str, str]) -> dict[str, Origin]:
    named = environ.get(CONFIG_FILE)
    path = Path(named) if named else DEFAULT_FILE
    if not named and not path.exists():
        return {}
    try:
        tree = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"cannot read the settings in {path}: {error}"
        raise ConfigError(msg) from error
    return {name: Origin(value, f"file {path}") for name, value in _flatten(tree, "")}


def _flatten(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, object]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _from_secret_files(found: Mapping[str, Origin]) -> dict[str, Origin]:
    """Read each `…_file` twin; a secret given twice is a contradiction."""
    read: dict[str, Origin] = {}
    for name in SECRETS:
        file = found.get(f"{name}_file")
        if file is None:
            continue
        if name in found:
            msg = (
                f"{name} is set twice: {variable(name)} ({found[name].source}) and"
                f" {variable(name)}_FILE ({file.source}); keep one"
            )
            raise ConfigError(msg)
        try:
            secret = Path(str(file.value)).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            msg = f"{name}_file: cannot read {file.value}: {error}"
            raise ConfigError(msg) from error
        if not secret:  # as if it were not set: open where a password was meant
            msg = f"{name}_file: {file.value} is empty ({file.source})"
            raise ConfigError(msg)
        read[name] = Origin(secret, f"file {file.value}")
    return read


def _refuse_unknown(found: Mapping[str, Origin]) -> None:
    known = [name for name, _ in leaves(Settings())]
    for name, origin in found.items():
        if name in known:
            continue
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        shown = variable(near[0]) if near and origin.source.startswith("env ") else None
        hint = f"; did you mean {shown or near[0]}?" if near else "."
        msg = f"unknown setting {name} ({origin.source}){hint} `ugc config show` lists them all"
        raise ConfigError(msg)


def _convert(found: Mapping[str, Origin]) -> Settings:
    tree: dict[str, Any] = {}
    lists = {name for name, value in leaves(Settings()) if isinstance(value, tuple)}
    for name, origin in found.items():
        *parents, leaf = name.split(".")
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[leaf] = _items(origin.value) if name in lists else origin.value
    try:
        return msgspec.convert(tree, Settings, strict=False, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(str(error), found)) from error


def _items(value: object) -> object:
    """Return the items of a list that was given as one text."""
    if not isinstance(value, str):
        return value
    return [item.strip() for item in value.split(",") if item.strip()]


def _path(kind: type, raw: object) -> object:
    if kind is Path and isinstance(raw, str | Path) and raw != "":  # Path("") is the folder at hand
        return Path(raw)
    msg = f"expected a path, found {raw!r}"
    raise ValueError(msg)


def _explain(message: str, found: Mapping[str, Origin]) -> str:
    """Turn msgspec's "… - at `$.etl.max_rows`" into the setting and its source."""
    reason, _, path = message.partition(" - at `$.")
    name = path.rstrip("`")
    setting = name.partition("[")[0]  # of an item of a list
    source = found[setting].source if setting in found else "?"
    return f"{name} ({source}): {reason[:1].lower()}{reason[1:]}"
