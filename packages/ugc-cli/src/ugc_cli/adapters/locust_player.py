"""`python -m ugc_cli.adapters.locust_player`: the load generator, by Locust.

A process of its own, because Locust patches the standard library when it is imported. Reads
a plan from stdin, plays it, and says on stdout what became of each request, a JSON object a
line. SIGTERM ends the load; requests under way are waited for, so that every id is told.
"""

import signal
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

import gevent
import msgspec
from locust import FastHttpUser, constant_pacing, task
from locust.env import Environment
from locust.html import get_html_report
from locust.runners import Runner
from locust.stats import stats_history

from ugc_cli.load_testing.exchanges import READY, UNKNOWN, Exchange, Plan
from ugc_cli.load_testing.judging import judge
from ugc_cli.load_testing.viewing import Turn, Viewer
from ugc_core.clock import SystemClock

_ANSWER_S = 15.0
"""Longest wait for an answer; a player would have given up."""
_STOP_S = 20.0
"""Longer than an answer may take."""
_TELL_EVERY_S = 0.1


@dataclass(kw_only=True)
class Told:
    """Exchanges that wait to be written: one write for many of them."""

    lines: list[bytes] = field(default_factory=list)

    def add(self, exchange: Exchange) -> None:
        """Let it wait."""
        self.lines.append(msgspec.json.encode(exchange) + b"\n")

    def write(self) -> None:
        """Write what waits."""
        lines, self.lines = self.lines, []
        sys.stdout.buffer.write(b"".join(lines))
        sys.stdout.buffer.flush()

    def write_on(self) -> None:
        """Write again and again."""
        while True:
            gevent.sleep(_TELL_EVERY_S)
            self.write()


def player_class(plan: Plan, told: Told) -> type[FastHttpUser]:
    """Return the class of the plan's viewers; Locust makes the instances."""
    numbers = iter(range(len(plan.tokens)))

    class Player(FastHttpUser):
        """A viewer; what it sends is decided elsewhere."""

        host: str | None = plan.url
        network_timeout = connection_timeout = _ANSWER_S
        insecure = False
        max_redirects = 0
        wait_time = constant_pacing(plan.every_s)

        def on_start(self) -> None:
            """Take a number; begin in one's own moment, so that viewers do not march in step."""
            self.number = next(numbers)
            self.viewer = Viewer(
                scenario=plan.scenario,
                choice=Random(plan.seed + self.number),  # noqa: S311 - habits, no secret
                wall_ms=SystemClock().wall_ms,
            )
            self.headers = {
                "Authorization": f"Bearer {plan.tokens[self.number]}",
                "Content-Type": "application/json",
            }
            gevent.sleep(plan.every_s * self.number / len(plan.tokens))

        @task
        def play(self) -> None:
            """Send the next request."""
            turn = self.viewer.next()
            method = "POST" if turn.reports else "GET"
            with self.client.request(
                method,
                turn.path,
                name=turn.name,
                data=turn.body if turn.reports else None,  # type: ignore[arg-type]  # bytes work, too
                headers=self.headers,
                catch_response=True,
            ) as answer:
                verdict = judge(turn, answer.status_code or 0, answer.content or b"")
                error = verdict.error
                if not answer.status_code:
                    error = f"no answer: {type(answer.error).__name__}"
                ms = answer.request_meta["response_time"]
                self._tell(turn, answer.status_code or 0, ms, verdict.outcomes, error)
                if error:
                    answer.failure(error)
                else:
                    answer.success()

        def _tell(self, turn: Turn, status: int, ms: float, outcomes: str, error: str) -> None:
            pairs = zip(turn.reports, outcomes, strict=True)
            self.viewer.keep([report for report, outcome in pairs if outcome == UNKNOWN])
            told.add(
                Exchange(
                    name=turn.name,
                    viewer=self.number,
                    ms=round(ms, 2),
                    status=status,
                    error=error,
                    ids=turn.ids,
                    outcomes=outcomes,
                )
            )

    return Player


def play(plan: Plan) -> None:
    """Play the plan to its end, or to SIGTERM."""
    told = Told()
    environment = Environment(
        user_classes=[player_class(plan, told)], host=plan.url, stop_timeout=_STOP_S
    )
    runner = environment.create_local_runner()
    writing = gevent.spawn(told.write_on)
    history = gevent.spawn(stats_history, runner)
    gevent.signal_handler(signal.SIGTERM, partial(gevent.spawn, runner.quit))
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    runner.start(len(plan.tokens), spawn_rate=len(plan.tokens))
    gevent.spawn(_quit_after, runner, plan.duration_s)
    runner.greenlet.join()
    gevent.killall([writing, history])
    told.write()
    if plan.report:
        page = get_html_report(environment)  # type: ignore[no-untyped-call]  # theirs has no types
        Path(plan.report).write_text(page, "utf-8")


def _quit_after(runner: Runner, seconds: float) -> None:
    """End the load; in a greenlet, because gevent's clock stands still before the first one."""
    gevent.sleep(seconds)
    runner.quit()


def main() -> None:
    """Read the plan and play it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command is asked, and asks us
    play(msgspec.json.decode(sys.stdin.buffer.read(), type=Plan))


if __name__ == "__main__":
    main()
