"""From options and settings to a plan, with what is absurd or dangerous refused."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import typer
from msgspec import Struct

from ugc_cli.data_dir import DataDir
from ugc_cli.load_testing.bounds import MOST_REPORTS, parse_duration, root_of
from ugc_cli.load_testing.exchanges import Plan
from ugc_cli.load_testing.scenario import Scenario, read_scenario
from ugc_cli.load_testing.viewers import Viewers, fresh_viewers, known_viewers
from ugc_cli.resolve import api_url
from ugc_core.api_settings import AuthSection
from ugc_core.clock import Clock
from ugc_core.errors import ConfigError
from ugc_core.settings import Settings
from ugc_core.sources import load, variable

T = TypeVar("T")
_USERS = 20


class Wanted(Struct, frozen=True, kw_only=True):
    """The options, as they were written."""

    url: str | None
    users: int | None
    rate: float | None
    duration: str
    scenario: Path | None
    token_file: Path | None
    report: Path | None


def make_plan(wanted: Wanted, settings: Settings, clock: Clock) -> tuple[Plan, Viewers]:
    """Return what the generator shall do, and who the viewers are.

    Raises:
        ConfigError: There is nothing to sign tokens with, or a file of them is wrong.
        ScenarioError: The scenario file is wrong.
        typer.BadParameter: An option is wrong, or all of them together are absurd.
    """
    target = _option(lambda: root_of(wanted.url or api_url(settings)), "URL")
    duration_s = _option(lambda: parse_duration(wanted.duration), "--duration")
    scenario = read_scenario(wanted.scenario) if wanted.scenario else Scenario()
    if wanted.token_file:
        viewers = known_viewers(wanted.token_file, wanted.users)
    else:
        viewers = fresh_viewers(
            wanted.users or _USERS, _auth(settings), duration_s=duration_s, now_ms=clock.wall_ms()
        )
    many = len(viewers.tokens)
    every_s = many / wanted.rate if wanted.rate else scenario.heartbeat_s
    reports = duration_s * many / every_s * scenario.reports_per_request()
    if reports > MOST_REPORTS:
        msg = (
            f"about {reports:,.0f} reports are too many, {MOST_REPORTS:,} are the most;"
            " lower --rate, --users or --duration"
        )
        raise typer.BadParameter(msg)
    plan = Plan(
        url=target,
        tokens=viewers.tokens,
        every_s=every_s,
        duration_s=duration_s,
        scenario=scenario,
        seed=secrets.randbits(32),
        report=str(wanted.report.absolute()) if wanted.report else None,
    )
    return plan, viewers


def _option(read: Callable[[], T], name: str) -> T:
    try:
        return read()
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=name) from error


def _auth(settings: Settings) -> AuthSection:
    """Return what tokens are signed with: the settings' secret, or that of the data directory."""
    if settings.auth.secret:
        return settings.auth
    path = DataDir.at(settings.data_dir).token_secret
    if not path.exists():
        msg = (
            f"there is no secret to sign viewers' tokens with: set {variable('auth.secret_file')},"
            " name the directory of a `ugc up` (--data DIR), or give tokens (--token-file FILE)"
        )
        raise ConfigError(msg)
    signing = {"auth.secret_file": str(path), "auth.audience": settings.auth.audience}
    return load({}, {**signing, "auth.issuer": settings.auth.issuer}).settings.auth
