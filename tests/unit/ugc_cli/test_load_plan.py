"""What a load test may be asked for."""

from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
import pytest
import typer

from ugc_cli.load_testing.bounds import is_loopback, parse_duration, root_of
from ugc_cli.load_testing.generating import GeneratorError, require_locust
from ugc_cli.load_testing.planning import Wanted, make_plan
from ugc_cli.tokens import Claims, mint
from ugc_core.api_settings import AuthSection
from ugc_core.clock import ManualClock
from ugc_core.errors import ConfigError
from ugc_core.settings import Settings

SECRET = "a secret of at least thirty-two bytes"
SIGNING = Settings(auth=AuthSection(secret=SECRET))


def wanted(**changes: Any) -> Wanted:
    fields: dict[str, Any] = dict.fromkeys(Wanted.__struct_fields__)
    fields |= {"url": "http://127.0.0.1:8000", "duration": "60s"}
    return Wanted(**(fields | changes))


@pytest.mark.parametrize(
    ("text", "seconds"), [("60s", 60), ("90", 90), ("5m", 300), ("2h", 7200), ("1500ms", 1.5)]
)
def test_a_duration_is_seconds(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-5s", "1d", "0s", "900ms", "25h", "1e3", "5 s"])
def test_no_duration_and_an_absurd_one_are_refused(text):
    with pytest.raises(ValueError, match=r"duration|bounds"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("http://h:8000", "http://h:8000"),
        ("http://h:8000/", "http://h:8000"),
        ("http://h:8000/api/v1/", "http://h:8000"),
        ("https://h/ugc/api/v1", "https://h/ugc"),
    ],
)
def test_the_root_of_the_api_is_found(url, root):
    assert root_of(url) == root


@pytest.mark.parametrize("url", ["h:8000", "ftp://h", "http://", "http://u:p@h", "http://h/?x=1"])
def test_what_is_no_root_is_refused(url):
    with pytest.raises(ValueError, match="URL"):
        root_of(url)


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("http://127.0.0.1:1", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:1", True),
        ("http://localhost", True),
        ("http://10.0.0.1", False),
        ("http://example.com", False),
        ("http://localhost.example.com", False),
        ("http://[::2]", False),
    ],
)
def test_only_this_machine_is_loopback(url, own):
    assert is_loopback(url) is own


def test_viewers_share_the_rate():
    plan, viewers = make_plan(wanted(users=50, rate=200.0), SIGNING, ManualClock())

    assert plan.every_s == 0.25
    assert len(set(viewers.users)) == len(set(plan.tokens)) == 50


def test_without_a_rate_a_viewer_asks_once_a_heartbeat():
    plan, _ = make_plan(wanted(), SIGNING, ManualClock())

    assert (len(plan.tokens), plan.every_s) == (20, 10)


def test_tokens_outlive_the_load():
    clock = ManualClock()
    plan, viewers = make_plan(wanted(duration="2h"), SIGNING, clock)

    claims = jwt.decode(plan.tokens[3], options={"verify_signature": False})

    assert claims["sub"] == str(viewers.users[3])
    assert claims["exp"] > clock.wall_ms() / 1000 + 7200


def test_a_load_that_would_never_fit_is_refused():
    with pytest.raises(typer.BadParameter, match="too many"):
        make_plan(wanted(rate=20_000.0, duration="24h"), SIGNING, ManualClock())


def test_without_a_secret_the_ways_out_are_named(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"UGC_AUTH__SECRET_FILE.*--data.*--token-file"):
        make_plan(wanted(), Settings(data_dir=tmp_path), ManualClock())


def test_tokens_come_from_a_file(tmp_path: Path):
    path = tmp_path / "tokens"
    owners = [UUID(int=1), UUID(int=2)]
    claims = [Claims(user_id=user) for user in owners]
    tokens = [mint(one, AuthSection(secret=SECRET), now_ms=0) for one in claims]
    path.write_text("\n".join(tokens))

    plan, viewers = make_plan(wanted(token_file=path), Settings(), ManualClock())

    assert (viewers.users, plan.tokens) == (owners, tokens)
    with pytest.raises(ConfigError, match="2 tokens, one a line; 3 viewers"):
        make_plan(wanted(token_file=path, users=3), Settings(), ManualClock())
    path.write_text(f"{tokens[0]}\nnonsense")
    with pytest.raises(ConfigError, match="token 2 of"):
        make_plan(wanted(token_file=path), Settings(), ManualClock())


def test_a_missing_generator_is_said_with_the_command_that_installs_it():
    with pytest.raises(GeneratorError, match=r"pip install 'ugc-cli\[load-test\]'"):
        require_locust(installed=False)
    require_locust(installed=True)
