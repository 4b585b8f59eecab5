"""Which rows of the fault matrix are played here, and how often."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from chaos.rows import crowds, disks, letters, log_deaths, observers, pipeline, replays, services
from chaos.trial import Stage, Verdict

Log = Literal["file", "kafka"]
_SEEDS = 5
_SEEDS_WITHOUT_TOKENS = 2


@dataclass(frozen=True, kw_only=True)
class Row:
    """One fault.

    Attributes:
        name: Its number in the matrix, and a letter where it has parts.
        fault: What happens, in a few words.
        play: The scenario.
        pipeline: Whether it runs without deduplication tokens, too.
        seeds: How often the long form plays it; a fault that lasts longer than a minute once.
        log: On which log.
    """

    name: str
    fault: str
    play: Callable[[Stage], Awaitable[Verdict]]
    pipeline: bool = False
    seeds: int = _SEEDS
    log: Log = "file"

    @property
    def runs(self) -> Sequence[tuple[int, bool]]:
        """Each run's seed, and whether inserts carry tokens in it."""
        with_tokens = [(seed, True) for seed in range(1, self.seeds + 1)]
        without = min(self.seeds, _SEEDS_WITHOUT_TOKENS) if self.pipeline else 0
        return [*with_tokens, *((seed, False) for seed in range(1, without + 1))]


ROWS: Sequence[Row] = (
    Row(name="8", fault="API killed in mid-request", play=services.api_killed),
    Row(name="9", fault="SIGTERM under load", play=services.stopped_under_load),
    Row(
        name="11",
        fault="every report three times, reordered, some days late",
        play=pipeline.everything_three_times,
        pipeline=True,
    ),
    Row(
        name="13",
        fault="ETL killed between insert and commit",
        play=pipeline.killed_before_commit,
        pipeline=True,
    ),
    Row(name="14", fault="answer of an insert lost", play=pipeline.answer_lost, pipeline=True),
    Row(
        name="15",
        fault="Progress, then Exception",
        play=pipeline.progress_then_exception,
        pipeline=True,
    ),
    Row(
        name="19",
        fault="same batch again past the deduplication window",
        play=pipeline.past_the_window,
        pipeline=True,
    ),
    Row(name="20", fault="poison: few, then all", play=letters.poison, pipeline=True),
    Row(
        name="21",
        fault="dead letters cannot be written",
        play=letters.letters_refused,
        pipeline=True,
    ),
    Row(name="22a", fault="disk full: log", play=disks.log_disk_full),
    Row(name="22b", fault="disk full: warehouse", play=disks.warehouse_disk_full, pipeline=True),
    Row(name="23", fault="fsync returns EIO", play=disks.sync_fails),
    Row(
        name="24",
        fault="SIGKILL at append, trim, checkpoint of the log",
        play=log_deaths.killed_in_the_log,
    ),
    Row(
        name="25",
        fault="chdb-server killed and hung under `ugc up`",
        play=services.warehouse_killed,
        pipeline=True,
        seeds=1,
    ),
    Row(
        name="25b",
        fault="chdb-server killed with half an insert on its way",
        play=pipeline.warehouse_killed_midway,
        pipeline=True,
    ),
    Row(name="26", fault="second `ugc up`; stale lock", play=services.second_up),
    Row(name="28", fault="ten times the load; bad bodies", play=crowds.crowd),
    Row(
        name="29",
        fault="replays after an erasure, under traffic",
        play=replays.replayed,
        pipeline=True,
        seeds=1,
    ),
    Row(
        name="30",
        fault="collectors of traces and errors black-holed",
        play=observers.observers_dead,
        seeds=1,
    ),
)
