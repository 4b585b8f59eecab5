"""What `ugc doctor` looks at, in this order, and what it thinks of it."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from msgspec import Struct

from ugc_core.clock import Clock
from ugc_core.errors import ConfigError, TransientError, UgcError
from ugc_core.settings import Settings


class Verdict(StrEnum):
    """How a thing is.

    Attributes:
        OK: As it should be.
        WARN: It works, and will not for ever; or somebody should know.
        FAIL: It does not work as it should.
        UNREACHABLE: It does not answer.
        SKIPPED: It cannot be looked at, because something before it gave no answer.
    """

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNREACHABLE = "unreachable"
    SKIPPED = "skipped"


class Diagnosis(Struct, frozen=True, kw_only=True):
    """What one check has found.

    Attributes:
        check: Which.
        verdict: How it is.
        why: What was seen, in one sentence.
        next: The command, or the change, that helps; empty if none is needed.
    """

    check: str
    verdict: Verdict
    why: str
    next: str = ""


_SETTINGS = "what the message says; ugc config show --sources has the settings"

Look = Callable[[], Awaitable[Iterable[Diagnosis]]]


class Check(Struct, frozen=True, kw_only=True):
    """One thing to look at.

    Attributes:
        name: What.
        look: Looks at it. A `TransientError` or an `OSError` says that it does not answer.
        next: What helps if it does not answer, or if looking fails.
        needs: Checks that must have had an answer first.
    """

    name: str
    look: Look
    next: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Patient:
    """What is examined.

    Attributes:
        settings: The settings.
        api: Root of the HTTP service.
        embedded: Whether a `ugc up` runs it.
        clock: Time.
        watched_s: How long the pipeline is watched, in seconds.
        deep: Whether to read files through, too.
    """

    settings: Settings
    api: str
    embedded: bool
    clock: Clock
    watched_s: float
    deep: bool = False

    @property
    def start(self) -> str:
        """What starts the services."""
        where = self.settings.data_dir
        return f"ugc up --data {where}" if self.embedded else "start the service"


async def examine(checks: Sequence[Check]) -> Sequence[Diagnosis]:
    """Carry the checks out, one after the other; none costs the others their turn."""
    found: list[Diagnosis] = []
    silent: set[str] = set()
    for check in checks:
        lacking = [name for name in check.needs if name in silent]
        if lacking:
            silent.add(check.name)
            why = f"the {lacking[0]} cannot be asked"
            found.append(Diagnosis(check=check.name, verdict=Verdict.SKIPPED, why=why))
            continue
        try:
            found += await check.look()
        except (UgcError, OSError) as error:
            silent.add(check.name)
            found.append(_failed(check, error))
    return found


def _failed(check: Check, error: Exception) -> Diagnosis:
    """Return what it means that something could not be looked at."""
    unreachable = isinstance(error, TransientError | OSError)
    verdict = Verdict.UNREACHABLE if unreachable else Verdict.FAIL
    then = _SETTINGS if isinstance(error, ConfigError) else check.next
    return Diagnosis(check=check.name, verdict=verdict, why=str(error), next=then)


def ok(check: str, why: str) -> list[Diagnosis]:
    """Return that all is well."""
    return [Diagnosis(check=check, verdict=Verdict.OK, why=why)]
