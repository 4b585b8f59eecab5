"""Looks at a running system from outside: its memory, its own verification, its promises."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from chaos.judge import Difference
from chaos.log_reading import committed, log_records
from chaos.systems import System
from ugc_core.bootstrap import open_warehouse
from ugc_core.clock import SystemClock
from ugc_core.events import Event
from ugc_core.settings import Settings
from ugc_etl.verification.bootstrap import open_verifier

Memory = dict[str, float]
"""MiB by module; a process that was started again takes the place of the one before."""
_BACK_WITHIN = 1.10


async def verified(system: System) -> list[Difference]:
    """Return what the product's own `ugc verify --deep` finds."""
    opening = open_verifier(
        system.settings, clock=SystemClock(), progress=lambda _what, _done, _total: None
    )
    async with opening as verifier:
        outcome = await verifier.run(deep=True)
    if outcome.good:
        return []
    return [Difference("verify", f"{found}") for found in outcome.findings if found.fault]


async def committed_and_missing(settings: Settings) -> set[UUID]:
    """Return the reports that the pipeline has committed past and that are not stored."""
    section = settings.log
    at = await committed(section)
    done = {
        msgspec.json.decode(line, type=Event).event_id
        for record in await log_records(section, section.topic)
        if record.offset < at.get(record.partition, 0)
        for line in record.value.split(b"\n")
    }
    async with open_warehouse(settings.warehouse) as warehouse:
        rows = await warehouse.read("SELECT event_id FROM views")
    return done - {event_id for (event_id,) in msgspec.convert(rows.rows, list[tuple[UUID]])}


def memory_mib(system: System) -> Memory:
    """Return the resident memory of each process by module, in MiB."""
    return {
        name: round(process.memory_info().rss / 2**20, 1)
        for name, process in sorted(system.services().items())
    }


def grown(before: Memory, after: Memory) -> list[Difference]:
    """Say which service holds a tenth more than it did; the warehouse has caches to fill."""
    return [
        Difference("memory", f"{name} had {mib} MiB, and has {after[name]} MiB")
        for name, mib in before.items()
        if name != "chdb_server" and after.get(name, 0) > _BACK_WITHIN * mib
    ]


def all_of(samples: Sequence[Memory]) -> dict[str, list[float]]:
    """Return the figures of each service, in order."""
    names = sorted({name for sample in samples for name in sample})
    return {name: [sample[name] for sample in samples if name in sample] for name in names}
