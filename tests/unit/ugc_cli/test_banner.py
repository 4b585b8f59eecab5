"""What `ugc up` shows once everything runs."""

import io
import shlex
from uuid import UUID

from rich.console import Console

from ugc_cli import banner
from ugc_cli.data_dir import DataDir
from ugc_core.settings import Settings, WarehouseSection

USER = UUID(int=5)
ROOT = "http://127.0.0.1:8000"


def welcome(tmp_path, *, root: str = ROOT) -> tuple[banner.Welcome, DataDir]:
    directory = DataDir.at(tmp_path / ("long-" * 20))
    settings = Settings(warehouse=WarehouseSection(url="clickhouse://127.0.0.1:9000/movies"))
    return banner.welcome(root, settings, directory, USER, "t" * 250), directory


def shown(tmp_path, *, hint: str = "") -> str:
    text = io.StringIO()
    banner.show(Console(file=text, width=80), *welcome(tmp_path), hint)
    return text.getvalue()


def test_it_gathers_every_address(tmp_path):
    found, directory = welcome(tmp_path)

    assert found.api == f"{ROOT}/api/v1/"
    assert found.docs == f"{ROOT}/api/docs"
    assert found.metrics == f"{ROOT}/metrics"
    assert (found.clickhouse, found.database) == ("127.0.0.1:9000", "movies")
    assert (found.data, found.user) == (str(directory.root), USER)


def test_the_curl_line_survives_a_shell(tmp_path):
    found, _ = welcome(tmp_path)

    words = shlex.split(found.curl)

    assert words[:2] == ["curl", "-sS"]
    assert words[2] == f"{ROOT}/api/v1/progresses/films/{banner.FILM}/"
    assert f"Authorization: Bearer {found.token}" in words
    assert words[-2:] == ["-d", '{"progress": 120, "total": 5400}']


def test_what_is_to_be_copied_stays_on_one_line(tmp_path):
    found, directory = welcome(tmp_path)

    lines = [line.strip() for line in shown(tmp_path).splitlines()]

    assert found.token in lines
    assert found.curl in lines
    assert found.curl.split(" -H 'Content-Type")[0] in lines
    for path in (directory.root, directory.logs, directory.token_secret.parent):
        assert any(line.endswith(f"  {path}") for line in lines)


def test_the_next_command_knows_where_the_data_is(tmp_path):
    assert "ugc query 'SELECT * FROM views'" in shown(tmp_path)
    assert "ugc query --data d 'SELECT * FROM views'" in shown(tmp_path, hint=" --data d")


def test_it_says_that_it_is_for_development_and_how_to_stop(tmp_path):
    text = shown(tmp_path)

    assert "This is for development" in text
    assert text.endswith("Ctrl-C stops everything; what was accepted is kept.\n")
