"""Which settings a command works with: its own, or those of the running `ugc up`."""

from pathlib import Path

from ugc_cli.data_dir import DataDir
from ugc_core.environment import environment
from ugc_core.errors import TransientError
from ugc_core.settings import Settings
from ugc_core.sources import Loaded, load, variable

_PLACES = ("log.url", "warehouse.url")


class NotRunningError(TransientError):
    """No `ugc up` runs on the data directory, and no other place is set."""


def load_settings(data: Path | None = None) -> Loaded:
    """Read the settings; `data` is the value of `--data`, if it was given."""
    return load(environment(), {"data_dir": None if data is None else str(data)})


def resolve(data: Path | None = None) -> Loaded:
    """Return the settings to work with.

    Whoever names a log or a warehouse means that one. Otherwise the running `ugc up` of the
    data directory says where they are.

    Raises:
        ConfigError: A setting is wrong.
        NotRunningError: Nothing is set and nothing runs.
    """
    loaded = load_settings(data)
    if any(name in loaded.sources for name in _PLACES):
        return loaded
    directory = DataDir.at(loaded.settings.data_dir)
    running = directory.running()
    if running is None:
        msg = (
            f"no `ugc up` is running on {directory.root}. Start one (`ugc up`), name its"
            f" directory (`--data DIR`), or set {' and '.join(map(variable, _PLACES))}"
        )
        raise NotRunningError(msg)
    # A secret that the person has set stands; its file beside it would be a contradiction.
    told = {
        name: value
        for name, value in running.settings.items()
        if name.removesuffix("_file") not in loaded.sources
    }
    flags: dict[str, object] = {"data_dir": str(directory.root), **told}
    settings = load(environment(), flags).settings
    sources = dict(loaded.sources) | dict.fromkeys(told, f"ugc up ({directory.root})")
    return Loaded(settings, sources)


def resolve_log(data: Path | None = None) -> tuple[Settings, bool]:
    """Return the settings to work on a log with, and whether there is a warehouse beside it.

    The log of a data directory is a file: it can be worked on while no `ugc up` runs.

    Raises:
        ConfigError: A setting is wrong.
        NotRunningError: Nothing is set, nothing runs, and there is no such file.
    """
    try:
        return resolve(data).settings, True
    except NotRunningError:
        directory = DataDir.at(load_settings(data).settings.data_dir)
        if not directory.log.exists():
            raise
        flags: dict[str, object] = {"data_dir": str(directory.root)}
        flags["log.url"] = f"sqlite:///{directory.log}"
        return load(environment(), flags).settings, False


def api_url(settings: Settings) -> str:
    """Return the root of the HTTP service."""
    running = DataDir.at(settings.data_dir).running()
    return running.api_url if running else f"http://{settings.api.host}:{settings.api.port}"
