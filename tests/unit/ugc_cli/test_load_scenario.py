"""Scenario files of a load test."""

from pathlib import Path

import pytest

from ugc_cli.load_testing.scenario import (
    Scenario,
    ScenarioError,
    Weights,
    parse_scenario,
    read_scenario,
)

SCENARIOS = sorted((Path(__file__).parents[3] / "stress-testing" / "scenarios").glob("*.toml"))


def test_an_empty_file_is_the_built_in_scenario():
    assert parse_scenario("") == Scenario()


def test_a_file_says_only_what_differs():
    found = parse_scenario('name = "offline"\nfilms = 3\n[weights]\nbatch = 50\n')

    assert found == Scenario(name="offline", films=3, weights=Weights(batch=50))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("heartbeats_s = 10", "unknown field `heartbeats_s`"),
        ("[weights]\nheartbeats = 1", "unknown field `heartbeats`"),
        ("[weights]\nbatch = -1", "$.weights.batch"),
        ("heartbeat_s = 0", "$.heartbeat_s"),
        ("batch_size = 501", "$.batch_size"),
        ("films = many", "Invalid value"),
        (
            "[weights]\nheartbeat = 0\nbatch = 0\nstop = 0\nseek = 0\nretry = 0\nresume = 0",
            "would do nothing",
        ),
    ],
)
def test_what_is_wrong_is_named(text, reason):
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text)

    assert reason in str(caught.value)


def test_an_unreadable_file_is_named(tmp_path: Path):
    with pytest.raises(ScenarioError, match=r"nowhere\.toml"):
        read_scenario(tmp_path / "nowhere.toml")


def test_batches_make_requests_heavier():
    singles = Weights(heartbeat=1, batch=0, stop=0, seek=0, retry=0, resume=1)
    batches = Weights(heartbeat=0, batch=1, stop=0, seek=0, retry=0, resume=0)

    assert Scenario(weights=singles).reports_per_request() == 0.5
    assert Scenario(weights=batches, batch_size=30).reports_per_request() == 30


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_scenarios_of_the_repository_can_be_read(path: Path):
    assert read_scenario(path).name == path.stem


def test_the_evening_is_the_built_in_scenario():
    assert read_scenario(SCENARIOS[0].with_stem("evening")) == Scenario()
