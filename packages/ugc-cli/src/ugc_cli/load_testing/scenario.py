"""What a load test's viewers do, and how often: read from a TOML file, or the one built in."""

import tomllib
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from ugc_core.errors import FatalError

Weight = Annotated[int, Meta(ge=0, le=1_000_000)]


class ScenarioError(FatalError):
    """The scenario file cannot be used."""


class Weights(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often a viewer does each thing, relative to the others; 0: never.

    A session begins with a start in any case.

    Attributes:
        heartbeat: Reports the stretch that it has just watched, alone.
        batch: Reports many stretches at once, as a device does that was offline.
        stop: Ends the session; the next turn starts another film.
        seek: Jumps to another place in the film.
        retry: Sends its last request once more, with the same ids.
        resume: Reads its resume point.
    """

    heartbeat: Weight = 80
    batch: Weight = 5
    stop: Weight = 3
    seek: Weight = 4
    retry: Weight = 4
    resume: Weight = 4


class Scenario(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mix of what viewers do.

    Attributes:
        name: For the summary.
        heartbeat_s: Seconds of film between two reports; without `--rate` also the seconds
            between two requests of a viewer.
        batch_size: Reports in a batch.
        films: Films to choose from.
        film_s: Length of each, in seconds.
        weights: The mix.
    """

    name: Annotated[str, Meta(min_length=1, max_length=60)] = "evening"
    heartbeat_s: Annotated[float, Meta(ge=1, le=60)] = 10.0
    batch_size: Annotated[int, Meta(ge=2, le=500)] = 20
    films: Annotated[int, Meta(ge=1, le=10_000)] = 40
    film_s: Annotated[float, Meta(ge=60, le=172_800)] = 5400.0
    weights: Weights = Weights()

    def reports_per_request(self) -> float:
        """Return about how many reports a request carries."""
        shares = msgspec.structs.asdict(self.weights)
        batches = shares["batch"] * self.batch_size
        singles = sum(shares[name] for name in ("heartbeat", "stop", "seek", "retry"))
        return float((batches + singles) / sum(shares.values()))


def read_scenario(path: Path) -> Scenario:
    """Read a scenario file.

    Raises:
        ScenarioError: It cannot be read, or a name or value in it is wrong.
    """
    try:
        return parse_scenario(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, ScenarioError) as error:
        msg = f"cannot use the scenario in {path}: {error}"
        raise ScenarioError(msg) from error


def parse_scenario(text: str) -> Scenario:
    """Read a scenario.

    Raises:
        ScenarioError: It is no TOML, or a name or value in it is wrong.
    """
    try:
        scenario = msgspec.convert(tomllib.loads(text), Scenario)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ScenarioError(str(error)) from error
    if not any(msgspec.structs.astuple(scenario.weights)):
        msg = "all weights are 0: the viewers would do nothing"
        raise ScenarioError(msg)
    return scenario
