"""Whose settings a command works with: its own, or those of a running system."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ugc_cli.data_dir import DataDir, Running
from ugc_cli.resolve import NotRunningError, api_url, load_settings, resolve, resolve_log
from ugc_core.environment import environment
from ugc_core.errors import ConfigError
from ugc_core.files import lock

Run = Callable[..., DataDir]


@pytest.fixture(autouse=True)
def _bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory, and no setting in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in environment():
        if name.startswith("UGC_"):
            monkeypatch.delenv(name)


@pytest.fixture
def run() -> Iterator[Run]:
    """Make a directory look as if `ugc up` ran on it."""
    with ExitStack() as stack:

        def hold(path: str, **settings: str | int) -> DataDir:
            directory = DataDir.at(Path(path))
            directory.make()
            stack.enter_context(lock(directory.lock, what="it", then="wait"))
            told = {name.replace("__", "."): value for name, value in settings.items()}
            url = "http://127.0.0.1:4711"
            directory.announce(Running(pid=7, api_url=url, settings=told))
            return directory

        yield hold


def test_nothing_set_and_nothing_running_is_an_error_with_the_ways_out(tmp_path):
    with pytest.raises(NotRunningError) as raised:
        resolve()

    for words in (str(tmp_path / ".ugc"), "ugc up", "--data DIR", "UGC_LOG__URL"):
        assert words in str(raised.value)


def test_the_system_in_the_usual_directory_is_found(run):
    directory = run(".ugc", log__url="sqlite:///there.db", api__port=4711)

    found = resolve()

    assert found.settings.log.url == "sqlite:///there.db"
    assert found.settings.api.port == 4711
    assert found.settings.data_dir == directory.root
    assert found.sources["log.url"] == f"ugc up ({directory.root})"
    assert api_url(found.settings) == "http://127.0.0.1:4711"


def test_a_named_directory_is_used_instead(run):
    run(".ugc", log__url="sqlite:///usual.db")
    run("other", log__url="sqlite:///other.db")

    assert resolve(Path("other")).settings.log.url == "sqlite:///other.db"


def test_a_flag_wins_over_the_variable_and_that_over_the_file(run, monkeypatch):
    for name in ("flag", "variable", "file"):
        run(name, log__url=f"sqlite:///{name}.db")
    Path("ugc.toml").write_text('data_dir = "file"\n')
    assert resolve().settings.log.url == "sqlite:///file.db"

    monkeypatch.setenv("UGC_DATA_DIR", "variable")
    assert resolve().settings.log.url == "sqlite:///variable.db"

    assert resolve(Path("flag")).settings.log.url == "sqlite:///flag.db"


@pytest.mark.parametrize(
    ("name", "value"),
    [("UGC_LOG__URL", "sqlite:///mine.db"), ("UGC_WAREHOUSE__URL", "clickhouse://h:9000/mine")],
)
def test_whoever_names_a_log_or_a_warehouse_means_that_one(run, monkeypatch, name, value):
    run(".ugc", log__url="sqlite:///embedded.db", warehouse__url="clickhouse://e:1/movies")
    monkeypatch.setenv(name, value)

    found = resolve()

    assert value in {found.settings.log.url, found.settings.warehouse.url}
    assert "embedded" not in found.settings.log.url
    assert not any(source.startswith("ugc up") for source in found.sources.values())


def test_a_log_named_in_the_file_counts_as_named(run):
    run(".ugc", log__url="sqlite:///embedded.db")
    Path("ugc.toml").write_text('[log]\nurl = "sqlite:///mine.db"\n')

    assert resolve().settings.log.url == "sqlite:///mine.db"


def test_other_settings_of_ones_own_stay_in_force(run, monkeypatch):
    run(".ugc", log__url="sqlite:///embedded.db")
    monkeypatch.setenv("UGC_LOG__GROUP", "mine")

    found = resolve()

    assert (found.settings.log.url, found.settings.log.group) == ("sqlite:///embedded.db", "mine")
    assert found.sources["log.group"] == "env UGC_LOG__GROUP"


def test_a_misspelt_setting_stops_every_command(run, monkeypatch):
    run(".ugc", log__url="sqlite:///embedded.db")
    monkeypatch.setenv("UGC_LOG__GRUOP", "x")

    for read in (resolve, load_settings):
        with pytest.raises(ConfigError, match=r"did you mean UGC_LOG__GROUP\?"):
            read()


def test_without_a_running_system_the_api_is_where_the_settings_say(monkeypatch):
    monkeypatch.setenv("UGC_API__PORT", "9123")

    assert api_url(load_settings().settings) == "http://127.0.0.1:9123"


def test_a_secret_of_ones_own_stands_beside_a_running_system(run, monkeypatch):
    run(".ugc", log__url="sqlite:///embedded.db", auth__secret_file="secrets/token-secret")
    monkeypatch.setenv("UGC_AUTH__SECRET", "a secret of at least thirty-two bytes")

    found = resolve()

    assert found.settings.auth.secret == "a secret of at least thirty-two bytes"
    assert found.settings.log.url == "sqlite:///embedded.db"


def test_the_log_of_a_directory_is_found_while_nothing_runs(tmp_path):
    for read in (resolve, resolve_log):
        with pytest.raises(NotRunningError):
            read()
    (tmp_path / ".ugc").mkdir()
    (tmp_path / ".ugc" / "log.db").touch()

    settings, warehouse = resolve_log()

    assert settings.log.url == f"sqlite:///{tmp_path / '.ugc' / 'log.db'}"
    assert not warehouse


def test_a_running_system_has_a_warehouse_beside_its_log(run):
    run(".ugc", log__url="sqlite:///there.db")

    settings, warehouse = resolve_log()

    assert (settings.log.url, warehouse) == ("sqlite:///there.db", True)
