"""The data directory: what is in it, who may read it, and who runs on it."""

import stat
from pathlib import Path

import pytest

from ugc_cli.data_dir import DataDir, Running
from ugc_core.errors import ConfigError, InUseError
from ugc_core.files import lock

RUNNING = Running(pid=7, api_url="http://127.0.0.1:1", settings={"log.url": "sqlite:///x"})


def secrets(directory: DataDir) -> list[str]:
    paths = (directory.token_secret, directory.clickhouse_password, directory.docs_password)
    return [path.read_text().strip() for path in paths]


def held(directory: DataDir):
    return lock(directory.lock, what="it", then="wait")


def test_naming_a_directory_makes_nothing(tmp_path):
    directory = DataDir.at(tmp_path / "d")

    assert directory.running() is None
    assert list(tmp_path.iterdir()) == []


def test_a_relative_path_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d").mkdir()

    assert DataDir.at(tmp_path / "d") == DataDir.at(Path("d"))


def test_everything_made_is_for_its_owner_alone(tmp_path):
    directory = DataDir.at(tmp_path / "a" / "b")

    directory.make()

    for path in (directory.root, directory.logs, directory.token_secret.parent):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    for path in (directory.token_secret, directory.clickhouse_password, directory.docs_password):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_secrets_are_long_different_and_made_once(tmp_path):
    first, second = DataDir.at(tmp_path / "1"), DataDir.at(tmp_path / "2")
    first.make()
    second.make()
    found = secrets(first) + secrets(second)

    first.make()

    assert len(set(found)) == 6
    assert all(len(secret) >= 43 for secret in found)  # 32 bytes in base64
    assert secrets(first) == found[:3]


def test_a_secret_that_somebody_put_there_is_kept(tmp_path):
    directory = DataDir.at(tmp_path / "d")
    directory.token_secret.parent.mkdir(parents=True)
    directory.token_secret.write_text("mine")

    directory.make()

    assert directory.token_secret.read_text() == "mine"


def test_a_place_that_cannot_be_used_is_a_wrong_setting(tmp_path):
    (tmp_path / "file").write_text("")

    for place in ("file", "file/below"):
        with pytest.raises(ConfigError, match="choose another --data"):
            DataDir.at(tmp_path / place).make()


def test_a_running_system_is_found_for_as_long_as_it_holds_the_lock(tmp_path):
    directory = DataDir.at(tmp_path / "d")
    directory.make()
    with held(directory):
        assert directory.running() is None  # it is only just starting
        directory.announce(RUNNING)
        assert directory.running() == RUNNING
        assert stat.S_IMODE(directory.run_file.stat().st_mode) == 0o600

    assert directory.run_file.exists()  # left behind by a crash
    assert directory.running() is None


def test_a_run_file_that_is_damaged_means_nothing_runs(tmp_path):
    directory = DataDir.at(tmp_path / "d")
    directory.make()
    with held(directory):
        directory.run_file.write_text('{"pid": "seven"}')

        assert directory.running() is None


def test_only_one_holds_the_directory(tmp_path):
    directory = DataDir.at(tmp_path / "d")
    directory.make()
    with held(directory), pytest.raises(InUseError, match="it is in use"), held(directory):
        pass
