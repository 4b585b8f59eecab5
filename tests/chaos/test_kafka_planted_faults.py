"""What the Kafka rows look at, with a fault planted: each look has to say so."""

import socket
import sys
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from chaos.cluster import Cluster
from chaos.judge import Difference, ledger_gaps
from chaos.looks import committed_and_missing
from chaos.parts import Parts, running_parts
from chaos.programs import Program, until_told
from chaos.rows.brokers import expect_prompt
from chaos.rows.lines import descriptors, expect_closed
from chaos.stored import Entry, Stored
from chaos.trial import Stage, Trial, trial

from ugc_core.log import Watermarks

PROGRAMS = str(Path(__file__).parents[2] / "stress-testing")
DIED = 70
MANY = 30


async def test_a_pipeline_that_commits_before_it_inserts_is_found(tmp_path, cluster: Cluster):
    stage = Stage(folder=tmp_path, events=60, seed=1, cluster=cluster)
    async with running_parts(stage.places, {}) as parts:
        hasty = hasty_etl(tmp_path, parts)
        async with trial(stage, parts) as run:
            await run.share(of=1)
            with ExitStack() as stack:
                stack.callback(hasty.put_away)
                hasty.begin()
                assert await hasty.ended() == DIED
            lost = {str(event_id) for event_id in await committed_and_missing(parts.settings)}
            await parts.etl.start()
            await run.recovered()

            await plant_open_connections(run, parts)
            run.traffic.slowest_refusal_s, run.traffic.unadvised = 9.0, 1
            expect_prompt(run)
        verdict = await run.verdict()

    assert lost
    assert {found.what for found in verdict.differences if found.kind == "lost"} == lost
    assert {found.kind for found in verdict.differences} >= {"ledger", "verify"}
    said = [what for kind, what in verdict.differences if kind == "expectation"]
    assert len(said) == 3
    assert said[0].startswith("descriptors: ")
    assert said[1:] == [
        "a refusal took 9.0 s",
        "a refusal did not say when to try again",
    ]


def hasty_etl(folder: Path, parts: Parts) -> Program:
    """Return a pipeline that commits its first batch and dies before it inserts."""
    return Program(
        [sys.executable, "-m", "chaos.hasty_etl"],
        output=folder / "hasty",
        environment={**parts.etl.environment, "PYTHONPATH": PROGRAMS},
        ready="ready:",
    )


async def plant_open_connections(run: Trial, parts: Parts) -> None:
    """Hold connections to the API open, as one that leaks would."""
    before, where = descriptors(parts), urlsplit(parts.api)

    async def held() -> bool:
        return descriptors(parts)["ugc_api"] >= before["ugc_api"] + MANY // 2

    with ExitStack() as stack:
        for _ in range(MANY):
            stack.enter_context(socket.create_connection((where.hostname, where.port), timeout=10))
        await until_told(held, "the connections are there")
        await expect_closed(run, parts, before, within_s=0.1)


def stored(*ranges: tuple[int, int]) -> Stored:
    """Return a system at rest with such a ledger."""
    ledger = [
        Entry("views", 0, first, last, lines=1, stored=1, dead=0, erased=0)
        for first, last in ranges
    ]
    return Stored(
        rows=[],
        playback={},
        resume={},
        films={},
        ledger=ledger,
        letters=[],
        ends={0: Watermarks(low=0, high=10)},
        committed={0: 10},
        log_lines=10,
    )


def test_where_the_log_was_read_again_ranges_may_overlap_and_a_hole_is_found_all_the_same():
    overlapping = stored((0, 4), (2, 6), (7, 9))
    with_a_hole = stored((0, 4), (0, 4), (2, 6), (8, 9))

    assert ledger_gaps(overlapping, reread=True) == []
    assert ledger_gaps(overlapping) != []
    assert ledger_gaps(with_a_hole, reread=True) == [Difference("ledger", "views[0] 8-9 follows 7")]
