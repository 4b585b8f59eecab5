"""Whether this instance may get traffic, and how its dependencies are."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

from msgspec import Struct

from ugc_api.auth.ports import KeyState
from ugc_api.operating.relief import Relief
from ugc_api.operating.sparing import SparingLog
from ugc_core.clock import Clock
from ugc_core.errors import LogBusyError, LogDamagedError, LogUnavailableError, UgcError
from ugc_core.log import LogAdmin
from ugc_core.warehouse import Warehouse

_FRESH_S = 1.0
"""A check is asked again at most once a second, however many probes there are."""
_CHECK_TIMEOUT_S = 2.0
_SHY_S = 5.0
"""After a failed append the instance asks for no traffic this long; then it tries again."""
_HAS_TABLE = "SELECT film_id FROM resume_points LIMIT 0"
"""Asks for the one table that is read here, and for no row of it."""


class Check(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one dependency is.

    Attributes:
        status: ok or unavailable.
        detail: Why it is unavailable, or will be if that goes on.
    """

    status: Literal["ok", "unavailable"]
    detail: str = ""


class Readiness(Struct, frozen=True, kw_only=True):
    """The answer of `/readyz?verbose`.

    Attributes:
        status: ready; degraded while reports are taken but nothing can be read; unavailable
            while no report is taken.
        checks: Each dependency.
    """

    status: Literal["ready", "degraded", "unavailable"]
    checks: dict[str, Check]


class Health:
    """Ready means: the log takes reports, and tokens can be verified.

    Of the log two things are looked at. It has to tell the topic's watermarks, which is cheap
    and shows that it is there; and no append may have failed in the last seconds, because a full
    disk or a partition without a leader is seen by writing only. The warehouse never makes an
    instance unready: reports have to go on coming in while it is down. Public keys do so only
    before the first of them is here: those that are known stay in use while their issuer is down.
    """

    def __init__(
        self,
        *,
        admin: LogAdmin,
        warehouse: Warehouse,
        topic: str,
        clock: Clock,
        on_damage: Callable[[LogDamagedError], None],
        timeout_s: float = _CHECK_TIMEOUT_S,
    ) -> None:
        """Look at these; `on_damage` has to stop the process, and is called once."""
        self._timeout_s = timeout_s
        self._topic = topic
        self._admin = admin
        self._on_damage = on_damage
        self._damaged = False
        self._keys: KeyState | None = None
        self._clock = clock
        self._failed_at = float("-inf")
        self._relief = Relief(clock)
        self._failures = SparingLog(clock, "an append failed")
        self._log = _Cached(clock, self._ask_log)
        self._warehouse = _Cached(clock, lambda: self._ask(lambda: warehouse.read(_HAS_TABLE)))

    def look_at(self, keys: KeyState) -> None:
        """Have the public keys of tokens among the dependencies."""
        self._keys = keys

    def appended(self, error: LogUnavailableError | None) -> None:
        """Note how an append ended; being busy is no failure."""
        if error is None:
            self._failed_at = float("-inf")
            self._relief.worked()
            return
        self._failures.warn(error)
        if not isinstance(error, LogBusyError):
            self._failed_at = self._clock.now()
            self._relief.failed()

    def damaged(self, error: LogDamagedError) -> None:
        """Note that the log takes nothing any more."""
        if not self._damaged:
            self._damaged = True
            self._on_damage(error)

    async def ready(self) -> bool:
        """Say whether reports are taken."""
        if self._keys is not None and not self._keys.present:
            return False
        return (await self.log()).status == "ok"

    async def log(self) -> Check:
        """Look at the log."""
        if self._damaged:
            return Check(status="unavailable", detail="the log is damaged; this process stops")
        if self._clock.now() - self._failed_at < _SHY_S:
            return Check(status="unavailable", detail="an append was not acknowledged just now")
        return await self._log.get()

    async def report(self) -> Readiness:
        """Look at everything."""
        log, warehouse = await self.log(), await self._warehouse.get()
        needed = {"log": log}
        if self._keys is not None:
            needed["keys"] = _judged(self._keys)
        if any(check.status != "ok" for check in needed.values()):
            status: Literal["ready", "degraded", "unavailable"] = "unavailable"
        else:
            status = "ready" if warehouse.status == "ok" else "degraded"
        return Readiness(status=status, checks={**needed, "warehouse": warehouse})

    async def _ask_log(self) -> Check:
        ends: list[int] = []

        async def count() -> None:
            try:
                ends.append(len(await self._admin.watermarks(self._topic)))
            except LogDamagedError as error:
                self.damaged(error)
                raise

        found = await self._ask(count)
        if found.status == "ok" and not any(ends):
            return Check(
                status="unavailable", detail=f"topic {self._topic} does not exist; run `ugc init`"
            )
        return found

    async def _ask(self, question: Callable[[], Awaitable[object]]) -> Check:
        try:
            async with asyncio.timeout(self._timeout_s):
                await question()
        except UgcError as error:
            return Check(status="unavailable", detail=str(error))
        except TimeoutError:
            return Check(status="unavailable", detail=f"no answer within {self._timeout_s:g} s")
        return Check(status="ok")


def _judged(keys: KeyState) -> Check:
    why = keys.trouble
    if not keys.present:
        why = why or "the issuer publishes no key that may be used"
        return Check(status="unavailable", detail=f"no keys to verify tokens with: {why}")
    return Check(status="ok", detail=f"the known keys are kept: {why}" if why else "")


class _Cached:
    """The last answer of a check, for a moment; concurrent callers share one question."""

    def __init__(self, clock: Clock, ask: Callable[[], Awaitable[Check]]) -> None:
        self._clock = clock
        self._ask = ask
        self._turn = asyncio.Lock()
        self._asked_at = float("-inf")
        self._answer = Check(status="unavailable", detail="not asked yet")

    async def get(self) -> Check:
        async with self._turn:
            if self._clock.now() - self._asked_at >= _FRESH_S:
                self._answer = await self._ask()
                self._asked_at = self._clock.now()
            return self._answer
