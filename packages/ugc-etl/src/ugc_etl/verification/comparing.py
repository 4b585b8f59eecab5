"""Copies in the log against rows in the warehouse: a decision without effects."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ugc_etl.verification.copies import Copy
from ugc_etl.verification.findings import Kind
from ugc_etl.verification.stored_rows import Horizon, Row


class Verdict(NamedTuple):
    """What is wrong with one identity.

    Attributes:
        kind: MISSING, FOREIGN, DOUBLED or ALTERED.
        identity: Film, user, profile and event id.
        copy: The copy that should be stored, if the log has one.
        rows: The rows it is about.
    """

    kind: Kind
    identity: bytes
    copy: Copy | None
    rows: Sequence[Row]


class Compared(NamedTuple):
    """One side by side: what the log says, what analysts see, and what is kept by month."""

    due: Mapping[bytes, Copy]
    others: Mapping[bytes, Sequence[Copy]]
    shown: Sequence[Row]
    stored: Sequence[Row]


def compare(found: Compared, horizon: Horizon) -> Iterator[Verdict]:
    """Yield what is wrong, identity by identity.

    What the log cannot tell is not judged: rows whose line is older than the log, or newer
    than what was read of it.
    """
    shown, stored = _by_identity(found.shown), _by_identity(found.stored)
    for identity, copy in found.due.items():
        rows = shown.get(identity, [])
        if not rows:
            yield Verdict(Kind.MISSING, identity, copy, ())
            continue
        others = found.others.get(identity, ())
        if len(rows) > 1 or _is_doubled(copy, others, stored.get(identity, []), horizon):
            doubles = rows if len(rows) > 1 else stored[identity]
            yield Verdict(Kind.DOUBLED, identity, copy, doubles)
        if any(_is_altered(copy, others, row, horizon) for row in rows):
            yield Verdict(Kind.ALTERED, identity, copy, rows)
    for identity, rows in shown.items():
        if identity not in found.due and any(_judged(row, horizon) for row in rows):
            yield Verdict(Kind.FOREIGN, identity, None, rows)


def _is_doubled(copy: Copy, others: Sequence[Copy], rows: Sequence[Row], horizon: Horizon) -> bool:
    """Say whether rows of several months hold one that no copy in the log accounts for."""
    accepted = {copy.digest, *(other.digest for other in others)}
    return len(rows) > 1 and any(
        row.digest not in accepted and _judged(row, horizon) for row in rows
    )


def _is_altered(copy: Copy, others: Sequence[Copy], row: Row, horizon: Horizon) -> bool:
    """Say whether a row differs from the copy that was accepted first.

    Copies of one millisecond whose checksums agree as well are equally first.
    """
    first = {other.digest for other in others if other.version == copy.version} | {copy.digest}
    return row.digest not in first and _judged(row, horizon)


def _judged(row: Row, horizon: Horizon) -> bool:
    return horizon.holds(row.partition, row.offset)


def _by_identity(rows: Sequence[Row]) -> dict[bytes, list[Row]]:
    found: defaultdict[bytes, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.identity].append(row)
    return found
