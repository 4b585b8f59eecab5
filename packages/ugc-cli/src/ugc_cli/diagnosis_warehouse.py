"""Doctor: the warehouse, its tables, its parts, its disks and its clock."""

from collections.abc import Iterable

from ugc_cli.diagnosis import Check, Diagnosis, Patient, Verdict, ok
from ugc_cli.diagnosis_settings import judge_disk
from ugc_cli.state import parts_of
from ugc_core import warehouse_schema
from ugc_core.bootstrap import open_warehouse
from ugc_core.urls import warehouse_target
from ugc_core.warehouse import Answer
from ugc_etl.erasures import read_erased
from ugc_etl.replay.rebuild_sql import LEFTOVER

_MANY_PARTS = 300
_TOO_MANY_PARTS = 1000
"""From here on ClickHouse slows inserts down, and refuses them at 3000."""
_LITTLE_SKEW_MS = 2000
_MUCH_SKEW_MS = 60_000
_STALE_ERASURE_MS = 600_000
_DISKS = "SELECT name, free_space, total_space FROM system.disks WHERE total_space > 0"
_NOW = "SELECT toUnixTimestamp64Milli(now64(3))"


def checks(patient: Patient) -> list[Check]:
    """Return what is looked at in the warehouse."""
    house = _House(patient)
    needs = ("warehouse",)
    way = patient.start if patient.embedded else "see that ClickHouse runs, and UGC_WAREHOUSE__URL"
    return [
        Check(name="warehouse", look=house.reachable, next=way),
        Check(name="tables", look=house.tables, next="ugc init --plan", needs=needs),
    ]


def later_checks(patient: Patient) -> list[Check]:
    """Return what is looked at once the tables are known to be there."""
    house = _House(patient)
    needs = ("warehouse",)
    return [
        Check(name="erasures", look=house.erasures, next="ugc init --plan", needs=needs),
        Check(name="parts", look=house.parts, next="ugc status", needs=needs),
        Check(name="warehouse disk", look=house.disks, next="ugc status", needs=needs),
        Check(name="clocks", look=house.clocks, next="ugc status", needs=needs),
    ]


class _House:
    """Looks at the warehouse of a system."""

    def __init__(self, patient: Patient) -> None:
        self._patient = patient
        self._section = patient.settings.warehouse
        self._target = warehouse_target(self._section.url)

    async def reachable(self) -> Iterable[Diagnosis]:
        """Ask every node for its version."""
        async with open_warehouse(self._section, database="default") as warehouse:
            answers = await warehouse.read_each("SELECT version()")
        found = {
            str(answer.rows[0][0]) for answer in answers.values() if isinstance(answer, Answer)
        }
        silent = {
            node: str(error) for node, error in answers.items() if not isinstance(error, Answer)
        }
        if not silent:
            return ok("warehouse", f"ClickHouse {', '.join(sorted(found))} answers")
        if not found:
            raise next(error for error in answers.values() if not isinstance(error, Answer))
        return [
            Diagnosis(
                check="warehouse",
                verdict=Verdict.FAIL,
                why=f"{node} does not answer: {reason}",
                next=f"start ClickHouse on {node}; the others stand in for it",
            )
            for node, reason in silent.items()
        ]

    async def tables(self) -> Iterable[Diagnosis]:
        """Compare the tables with the migrations, and look for what a rebuild has left."""
        async with open_warehouse(self._section, database="default") as warehouse:
            found = await warehouse_schema.plan(
                warehouse, self._target, views_ttl_days=self._section.views_ttl_days
            )
            names = await warehouse.read(
                "SELECT name FROM system.tables WHERE database = {database:String}",
                {"database": self._target.database},
            )
        wrong = [f"apply {one.number:04d}_{one.name}" for one in found.todo]
        wrong += [one.summary for one in found.drift]
        seen = [
            Diagnosis(
                check="tables",
                verdict=Verdict.FAIL,
                why=f"database {self._target.database}: {what}",
                next="ugc init --plan; then ugc init",
            )
            for what in wrong
        ]
        left = sorted(str(name) for (name,) in names.rows if LEFTOVER.fullmatch(str(name)))
        if left:
            why = f"a rebuild runs, or was killed: {', '.join(left)}"
            then = "if none runs: ugc replay log --swap --yes"
            seen.append(Diagnosis(check="tables", verdict=Verdict.WARN, why=why, next=then))
        return seen or ok("tables", f"database {self._target.database} is as it should be")

    async def erasures(self) -> Iterable[Diagnosis]:
        """Look for erasures that were begun long ago and are not done."""
        before = self._patient.clock.wall_ms() - _STALE_ERASURE_MS
        async with open_warehouse(self._section) as warehouse:
            known = await read_erased(warehouse)
        late = [one for one in known if not one.done and one.requested_ms < before]
        if not late:
            return ok("erasures", "none is unfinished")
        why = f"{len(late)} were begun more than {_STALE_ERASURE_MS // 60_000} min ago, not ended"
        then = f"ugc forget {late[0].user_id} --check"
        return [Diagnosis(check="erasures", verdict=Verdict.FAIL, why=why, next=then)]

    async def parts(self) -> Iterable[Diagnosis]:
        """Look for partitions with many parts."""
        async with open_warehouse(self._section) as warehouse:
            found, _ = await parts_of(warehouse, self._target.database)
        name, most = max(
            ((name, parts.most) for name, parts in found.items()),
            key=lambda one: one[1],
            default=("", 0),
        )
        if most < _MANY_PARTS:
            return ok("parts", f"at most {most} in one partition")
        verdict = Verdict.FAIL if most >= _TOO_MANY_PARTS else Verdict.WARN
        why = (
            f"{most} in one partition of {name}: inserts come faster than they are merged;"
            f" ClickHouse slows them down from {_TOO_MANY_PARTS} on, and refuses them at 3000"
        )
        then = "larger batches: raise UGC_ETL__MAX_AGE_S; see that merges run (system.merges)"
        return [Diagnosis(check="parts", verdict=verdict, why=why, next=then)]

    async def disks(self) -> Iterable[Diagnosis]:
        """Look what is free on each node."""
        async with open_warehouse(self._section, database="default") as warehouse:
            answers = await warehouse.read_each(_DISKS)
        found: list[Diagnosis] = []
        for node, answer in answers.items():
            if isinstance(answer, Answer):
                for name, free, total in answer.rows:
                    found += judge_disk(
                        "warehouse disk",
                        f"disk {name} of {node}",
                        free=int(str(free)),
                        total=int(str(total)),
                        then="make room, or add a disk: a full one stops inserts (nothing is lost)",
                    )
        return found

    async def clocks(self) -> Iterable[Diagnosis]:
        """Compare this machine's clock with every node's."""
        clock = self._patient.clock
        async with open_warehouse(self._section, database="default") as warehouse:
            await warehouse.read_each("SELECT 1")  # connects, which takes its time
            before = clock.wall_ms()
            answers = await warehouse.read_each(_NOW)
            after = clock.wall_ms()
        found: list[Diagnosis] = []
        for node, answer in answers.items():
            if isinstance(answer, Answer):
                now = int(str(answer.rows[0][0]))
                # Whatever moment of the question the node has answered in, is no skew.
                skew = max(before - now, now - after, 0)
                found += judge_skew(node, skew)
        return found


def judge_skew(node: str, skew_ms: int) -> list[Diagnosis]:
    """Judge how far a node's clock is from ours."""
    why = f"{node} and this machine differ by {skew_ms / 1000:.1f} s"
    if skew_ms < _LITTLE_SKEW_MS:
        return ok("clocks", why)
    verdict = Verdict.FAIL if skew_ms >= _MUCH_SKEW_MS else Verdict.WARN
    then = "see that both are set by NTP: times of reception and freshness are wrong by as much"
    return [Diagnosis(check="clocks", verdict=verdict, why=why, next=then)]
