"""A system in which six users have watched, and what a verification finds in it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from msgspec import Raw

from tests.integration.verified_system import NOW_MS, System
from ugc_core.events import Event
from ugc_etl.verification.findings import Finding, Kind
from ugc_etl.verification.verify import Verification


def viewing(make_event, *, users: int = 6, reports: int = 10) -> list[list[Event]]:
    """Return some users' heartbeats, each user's as one record."""
    return [
        [
            make_event(
                user=user,
                film=7 + user % 2,
                watched_from=float(10 * n),
                progress=float(10 * n + 10),
                viewed_at=NOW_MS + 10_000 * n,
                session_id=UUID(int=500 + user),
                seq=n,
                kind="heartbeat",
                device="tv",
                extra=Raw(b'{"n":1}'),
            )
            for n in range(reports)
        ]
        for user in range(1, users + 1)
    ]


@asynccontextmanager
async def filled(open_system, make_event) -> AsyncIterator[tuple[System, list[Event]]]:
    """Open a system in which six users have watched, and everything is ingested."""
    async with open_system() as system:
        records = viewing(make_event)
        for record in records:
            await system.append(*record)
        await system.ingest()
        yield system, [event for record in records for event in record]


def faults(found: Verification) -> list[Finding]:
    return [finding for finding in found.findings if finding.fault]


def facts(found: Verification, check: str) -> Mapping[str, Any]:
    return {each.name: each.facts for each in found.checks}[check]


def kinds(found: Verification) -> set[Kind]:
    return {finding.kind for finding in faults(found)}


def named(found: Verification, kind: Kind) -> list[Finding]:
    return [finding for finding in faults(found) if finding.kind is kind]
