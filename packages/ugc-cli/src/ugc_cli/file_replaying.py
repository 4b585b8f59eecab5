"""What `ugc replay file` does with its options."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from ugc_cli import console
from ugc_cli.interrupts import until_done_or_stopped
from ugc_cli.progress import Meter, metered
from ugc_core.backoff import Backoff
from ugc_core.bootstrap import open_log_writer, open_warehouse
from ugc_core.clock import Clock
from ugc_core.log import LogWriter
from ugc_core.settings import Settings
from ugc_etl.erasures import ErasedUsers, read_erased
from ugc_etl.replay.file_errors import StrictReplayError
from ugc_etl.replay.file_lines import is_archive
from ugc_etl.replay.file_replay import FileReplay, FileTally
from ugc_etl.replay.file_reports import history
from ugc_etl.replay.file_state import (
    FileState,
    default_state_path,
    load_state,
    mark_files,
    save_state,
)
from ugc_etl.replay.token_bucket import TokenBucket
from ugc_etl.retry import Retry

_LISTED = 20


class FileOptions(Struct, frozen=True, kw_only=True):
    """The options of `ugc replay file`: files, or a table."""

    files: Sequence[Path]
    table: str | None = None
    strict: bool = False
    resume: bool = False
    state: Path | None = None
    dry_run: bool = False
    rate: float | None = None


class FileOutcome(Struct, frozen=True, kw_only=True):
    """How a replay of files ended.

    Attributes:
        tally: What this run has counted.
        finished: Whether it came to the end.
        dry_run: Whether it was only counted.
    """

    tally: FileTally
    finished: bool
    dry_run: bool

    def as_json(self) -> Mapping[str, object]:
        """Return everything by name."""
        tally = self.tally
        return {
            "dry_run": self.dry_run,
            "finished": self.finished,
            "lines": tally.lines,
            "accepted": tally.accepted,
            "legacy": tally.legacy,
            "derived_ids": tally.derived,
            "erased": tally.erased,
            "refused": tally.refused,
            "refused_lines": [msgspec.structs.asdict(line) for line in tally.listed],
        }


def show(outcome: FileOutcome) -> None:
    """Print the counts, and the first bad lines."""
    counts = outcome.as_json()
    names = ("lines", "accepted", "legacy", "derived_ids", "erased", "refused")
    console.emit_table(("reports", "count"), [(name, counts[name]) for name in names])
    _list_refused(outcome.tally)
    if outcome.dry_run:
        console.say("Nothing was sent.")


async def replay_files(settings: Settings, options: FileOptions, *, clock: Clock) -> FileOutcome:
    """Append the files' reports, until done or interrupted.

    Raises:
        ChangedFileError: It cannot be resumed.
        StrictReplayError: Some lines are no reports, and nothing was sent.
        UnreadableFileError: A file is not there, or not whole.
    """
    marks = mark_files(options.files)
    path = options.state or default_state_path(settings.data_dir, options.files)
    state = load_state(path, marks) if options.resume else FileState(files=marks)
    run = _Run(settings, options, path, clock, await _erased(settings, options.files))
    if options.strict and not options.dry_run:
        checked = await run.go(state, None)
        if not checked.finished:
            return FileOutcome(tally=FileTally(), finished=False, dry_run=False)
        refuse_if_strict(checked.tally)
    async with open_writer(settings, options, clock) as writer:
        if writer is not None:
            save_state(path, state)
        outcome = await run.go(state, writer)
    if writer is not None and outcome.finished:
        path.unlink(missing_ok=True)
    return outcome


class _Run:
    """One way through the files."""

    def __init__(
        self,
        settings: Settings,
        options: FileOptions,
        path: Path,
        clock: Clock,
        erased: ErasedUsers,
    ) -> None:
        self._settings = settings
        self._erased = erased
        self._options = options
        self._path = path
        self._clock = clock

    async def go(self, state: FileState, writer: LogWriter | None) -> FileOutcome:
        """Send with `writer`, or check only; go on after `state`."""
        replay = make_replay(self._settings, self._options, writer, self._clock)
        replay.erased = self._erased
        total = sum(mark.size for mark in state.files)
        what = "checking" if writer is None else "replay"

        async def work(stop: asyncio.Event) -> bool:
            for number in range(state.file, len(state.files)):
                after = state.line if number == state.file else 0
                path = self._options.files[number]
                at = msgspec.structs.replace(state, file=number, line=after)
                if not await replay.run(path, after=after, stop=stop, done=noted(at)):
                    return False
            return True

        with metered(what, total, self._clock) as meter:

            def noted(at: FileState) -> "_Noting":
                before = sum(mark.size for mark in at.files[: at.file])
                keep = None if writer is None else self._path
                return _Noting(at, replay, meter, before, keep)

            done = await until_done_or_stopped(work, drain_s=self._settings.etl.drain_s)
        return FileOutcome(tally=replay.tally, finished=bool(done), dry_run=self._options.dry_run)


class _Noting:
    """Keeps how far it is after every window, and shows it."""

    def __init__(
        self, at: FileState, replay: FileReplay, meter: Meter, before: int, keep: Path | None
    ) -> None:
        self._at = at
        self._replay = replay
        self._meter = meter
        self._before = before
        self._keep = keep

    def __call__(self, line: int) -> None:
        """Note that everything up to `line` is done."""
        tally = self._replay.tally
        self._meter.reach(self._before + tally.position, f"{tally.accepted:,} reports")
        if self._keep is not None:
            save_state(self._keep, msgspec.structs.replace(self._at, line=line))


def make_replay(
    settings: Settings, options: FileOptions, writer: LogWriter | None, clock: Clock
) -> FileReplay:
    """Return what sends lines with `writer`, or checks them only."""
    etl, rate = settings.etl, options.rate
    replay = FileReplay(
        writer=writer,
        retry=Retry(
            clock=clock,
            backoff=Backoff(first_s=etl.retry_first_s, most_s=etl.retry_most_s),
        ),
        clock=clock,
        window=history(settings.api.max_ahead_hours),
        topic=settings.log.topic,
    )
    if rate is not None and writer is not None:
        replay.bucket = TokenBucket(rate, clock)
        replay.window_lines = max(min(replay.window_lines, int(rate)), 1)
    return replay


def refuse_if_strict(tally: FileTally) -> None:
    """End it if a line is no report.

    Raises:
        StrictReplayError: One is none.
    """
    if tally.refused:
        _list_refused(tally)
        msg = f"{tally.refused} lines are no reports; nothing was sent (--strict)"
        raise StrictReplayError(msg)


@asynccontextmanager
async def open_writer(
    settings: Settings, options: FileOptions, clock: Clock
) -> AsyncIterator[LogWriter | None]:
    """Open the log for appending; None for a dry run."""
    if options.dry_run:
        yield None
        return
    async with open_log_writer(settings.log, settings.log.topic, clock=clock) as writer:
        yield writer


async def _erased(settings: Settings, files: Sequence[Path]) -> ErasedUsers:
    """Return whose lines stay out of what an archive gives back.

    An archive may hold what lay below an erasure in the log; nothing of that must come after
    it. Other files tell the time of a report alone, and that the pipeline judges.
    """
    if not any(map(is_archive, files)):
        return ErasedUsers()
    async with open_warehouse(settings.warehouse) as warehouse:
        return await read_erased(warehouse)


def _list_refused(tally: FileTally) -> None:
    for line in tally.listed[:_LISTED]:
        console.say(f"{line.file}, line {line.line}: {line.reason}")
    if tally.refused > _LISTED:
        console.say(f"… and {tally.refused - _LISTED} more; --json lists up to 1000.")
