"""Trying again until it works: for what is right but cannot be done now."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import structlog

from ugc_core.backoff import Backoff
from ugc_core.clock import Clock
from ugc_core.errors import (
    PartitionLostError,
    QueryRefusedError,
    SchemaMismatchError,
    TransientError,
    UgcError,
)

T = TypeVar("T")
_log = structlog.get_logger()

# A refused statement or a missing column is a person's to mend, on the warehouse's side:
# records wait for it in the log, so stopping the service would help nobody.
RETRIED = (TransientError, QueryRefusedError, SchemaMismatchError)


@dataclass(frozen=True, kw_only=True)
class Retry:
    """Capped, jittered waits, for ever; cancelling ends them.

    Attributes:
        clock: Time to wait on.
        backoff: How long.
        on_failure: Told of each failure, for the metrics.
    """

    clock: Clock
    backoff: Backoff
    on_failure: Callable[[UgcError], None] = field(default=lambda _: None)

    async def until_done(self, what: str, action: Callable[[], Awaitable[T]]) -> T:
        """Return what `action` returns once it does.

        Raises:
            PartitionLostError: The work is somebody else's now.
            UgcError: One that trying again does not help.
        """
        attempt = 0
        while True:
            try:
                return await action()
            except PartitionLostError:
                raise
            except RETRIED as error:
                attempt += 1
                wait_s = self.backoff.wait_s(attempt)
                self.on_failure(error)
                _log.warning(
                    "trying_again",
                    what=what,
                    attempt=attempt,
                    wait_s=round(wait_s, 2),
                    reason=str(error),
                )
                await self.clock.sleep(wait_s)
