"""Doctor: the log, its topics, the pipeline that reads it, and what it could not store."""

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from ugc_cli.diagnosis import Check, Diagnosis, Patient, Verdict, ok
from ugc_cli.letters import open_box
from ugc_cli.probes import http_ok
from ugc_cli.state import Lag, Looking, held_up
from ugc_core.bootstrap import (
    open_log_admin,
    open_log_scanner,
    open_log_writer,
    open_warehouse,
    topics,
)
from ugc_core.errors import LogDamagedError, LogUnavailableError
from ugc_core.urls import SqliteLogTarget, log_target, warehouse_target
from ugc_etl.adapters.clickhouse_replay_ledger import ClickHouseReplayLedger
from ugc_etl.replay.planning import Planning
from ugc_etl.replay.plans import Kind, Selection
from ugc_etl.replay.spans import Span

_LOOK_EVERY_S = 0.5


def checks(patient: Patient) -> list[Check]:
    """Return what is looked at in the log."""
    log = _Log(patient)
    sqlite = isinstance(log_target(patient.settings.log.url), SqliteLogTarget)
    way = patient.start if sqlite else "see that the brokers run, and that UGC_LOG__URL is right"
    found = [
        Check(name="log", look=log.reachable, next=way),
        Check(name="topics", look=log.topics, next="ugc init --plan", needs=("log",)),
    ]
    if patient.deep and sqlite:
        found.append(Check(name="log file", look=log.whole, next=way, needs=("log",)))
    return found


def later_checks(patient: Patient) -> list[Check]:
    """Return what is looked at once the warehouse is known, too."""
    log = _Log(patient)
    return [
        Check(name="api", look=log.api, next=patient.start),
        Check(name="pipeline", look=log.pipeline, next="ugc status", needs=("log",)),
        Check(name="dead letters", look=log.letters, next="ugc dlq ls", needs=("log",)),
        Check(
            name="ledger",
            look=log.ledger,
            next="ugc verify",
            needs=("log", "warehouse"),
        ),
    ]


class _Log:
    """Looks at the log of a system."""

    def __init__(self, patient: Patient) -> None:
        self._patient = patient
        self._section = patient.settings.log

    async def reachable(self) -> Iterable[Diagnosis]:
        """Ask for the ends of the topic, without making a log that is not there."""
        target = log_target(self._section.url)
        if isinstance(target, SqliteLogTarget) and not target.path.exists():
            msg = f"{target.path} does not exist"
            raise LogUnavailableError(msg)
        async with open_log_admin(self._section) as admin:
            ends = await admin.watermarks(self._section.topic)
        records = sum(one.high - one.low for one in ends.values())
        return ok("log", f"{self._section.url} answers and holds {records:,} records")

    async def topics(self) -> Iterable[Diagnosis]:
        """Compare the topics with the settings."""
        async with open_log_admin(self._section) as admin:
            changes = await admin.plan(topics(self._section))
        if not changes:
            return ok("topics", f"{self._section.topic} and its dead letters are as they should be")
        why = "; ".join(change.summary for change in changes)
        return [
            Diagnosis(check="topics", verdict=Verdict.FAIL, why=f"to do: {why}", next="ugc init")
        ]

    async def whole(self) -> Iterable[Diagnosis]:
        """Let SQLite check its file."""
        writer = open_log_writer(
            self._section, self._section.topic, clock=self._patient.clock, check=True
        )
        try:
            async with writer:
                return ok("log file", "SQLite finds no fault in it")
        except LogDamagedError as error:
            then = "stop everything, copy the file, and follow what the message says"
            return [Diagnosis(check="log file", verdict=Verdict.FAIL, why=str(error), next=then)]

    async def api(self) -> Iterable[Diagnosis]:
        """Ask whether the API takes reports."""
        url = urlsplit(self._patient.api)
        await http_ok(url.hostname or "", url.port or 80, "/readyz")
        return ok("api", f"{self._patient.api} takes reports")

    async def pipeline(self) -> Iterable[Diagnosis]:
        """Look twice, or until it has moved: lag alone is no illness."""
        patient = self._patient
        looking = Looking(settings=patient.settings, api=patient.api, clock=patient.clock)
        before = await looking.lags()
        members = await looking.members()
        if not members:
            return [_unread(patient, _total(before))]
        if not _total(before):
            many = f"{len(members)} members" if len(members) > 1 else str(members[0])
            return ok("pipeline", f"everything that was appended is ingested, by {many}")
        until = patient.clock.now() + patient.watched_s
        after = before
        while patient.clock.now() < until and not _moved(before, after):
            await patient.clock.sleep(_LOOK_EVERY_S)
            after = await looking.lags()
        return judge_pipeline(before, after, patient)

    async def letters(self) -> Iterable[Diagnosis]:
        """Count what is open."""
        async with open_box(self._section) as box:
            found = (await box.known()).open
        if not found:
            return ok("dead letters", "none is open")
        why = f"{found} {'is' if found == 1 else 'are'} open: lines that could not be stored"
        return [Diagnosis(check="dead letters", verdict=Verdict.WARN, why=why, next="ugc dlq ls")]

    async def ledger(self) -> Iterable[Diagnosis]:
        """Look for records that were committed past and are in no batch of the ledger."""
        settings, log = self._patient.settings, self._section
        target = warehouse_target(settings.warehouse.url)
        async with (
            open_log_admin(log) as admin,
            open_log_scanner(log) as scanner,
            open_warehouse(settings.warehouse) as warehouse,
        ):
            planning = Planning(
                admin=admin,
                scanner=scanner,
                ledger=ClickHouseReplayLedger(warehouse, target),
                topic=log.topic,
                dlq_topic=log.dlq_topic,
                group=log.group,
            )
            spans = await planning.spans(Selection(kind=Kind.GAPS))
        gaps = [span for span in spans if await self._holds(span)]
        if not gaps:
            return ok("ledger", "it accounts for everything that was committed")
        first = gaps[0]
        why = (
            f"{len(gaps)} gaps: such as {log.topic}[{first.partition}] offsets {first.start} to"
            f" {first.end - 1}, committed and in no batch"
        )
        then = "ugc verify; then ugc replay log --gaps"
        return [Diagnosis(check="ledger", verdict=Verdict.FAIL, why=why, next=then)]

    async def _holds(self, span: Span) -> bool:
        """Say whether there are records in a gap: offsets alone may be missing."""
        async with open_log_scanner(self._section) as scanner:
            return bool(
                await scanner.scan(
                    self._section.topic, span.partition, span.start, span.end, max_records=1
                )
            )


def _unread(patient: Patient, waiting: int) -> Diagnosis:
    group = patient.settings.log.group
    why = f"nobody reads for group {group}; {waiting:,} records wait"
    then = patient.start if patient.embedded else "start a `ugc etl`, or read what it said"
    return Diagnosis(check="pipeline", verdict=Verdict.FAIL, why=why, next=then)


def _total(lags: Iterable[Lag]) -> int:
    return sum(one.lag for one in lags)


def _moved(before: Iterable[Lag], after: Iterable[Lag]) -> bool:
    """Say whether every partition that was behind has been committed further."""
    now = {one.partition: one for one in after}
    return all(
        (now[one.partition].committed or one.low) > (one.committed or one.low)
        for one in before
        if one.lag and one.partition in now
    )


def judge_pipeline(
    before: Sequence[Lag], after: Sequence[Lag], patient: Patient
) -> list[Diagnosis]:
    """Judge two looks: standing still is worse than falling behind, and lag alone is nothing."""
    lag, grown = _total(after), _total(after) - _total(before)
    oldest = max((one.oldest_s or 0.0 for one in after), default=0.0)
    seen = f"{lag:,} records are not ingested, the oldest for {oldest:.0f} s"
    if _moved(before, after):
        if grown <= 0:
            return ok("pipeline", f"{seen}; it is catching up")
        why = f"{seen}, and they grow: reports come faster than they are stored"
        then = "ugc status --watch; if it goes on, start more `ugc etl`"
        return [Diagnosis(check="pipeline", verdict=Verdict.WARN, why=why, next=then)]
    if (reason := held_up(after)) is not None:
        why = f"{seen}; {reason}"
        then = "ask who else writes to this topic; kafka-transactions.sh ends a hanging one"
        return [Diagnosis(check="pipeline", verdict=Verdict.WARN, why=why, next=then)]
    stuck = [
        one.partition
        for one in after
        if one.lag and not _moved([b for b in before if b.partition == one.partition], after)
    ]
    where = ", ".join(map(str, stuck))
    why = f"{seen}; nothing was committed for {patient.watched_s:g} s in partitions {where}"
    logs = patient.settings.data_dir / "logs" / "ugc-etl.log"
    then = f"read {logs}" if patient.embedded else "read what `ugc etl` says, or start one"
    return [Diagnosis(check="pipeline", verdict=Verdict.FAIL, why=why, next=then)]
