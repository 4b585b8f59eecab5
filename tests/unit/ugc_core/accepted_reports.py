"""A report taken in as the API does, or refused, at one known moment."""

import json
from uuid import UUID

import pytest

from tests.events import uuid7
from ugc_core.acceptance import Viewer, Window, accept, parse_report
from ugc_core.errors import ReportRefusedError

NOW_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
USER, PROFILE, FILM, OTHER = (UUID(int=number) for number in (1, 2, 7, 99))
NIL = str(UUID(int=0))
VERSION_4 = "5c3f7a52-1f0e-4b6c-9c56-0d5c8a1f2b3d"


def accepted(body, *, viewer=None, film_id=FILM, window=None):
    """Take one report in, as the API does on 2026-01-01T00:00:00Z."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return accept(
        parse_report(raw),
        viewer or Viewer(user_id=USER),
        film_id=film_id,
        received_ms=NOW_MS,
        window=window or Window(),
    )


def refused(body, **changes):
    """Return the field and the reason of the refusal."""
    with pytest.raises(ReportRefusedError) as caught:
        accepted(body, **changes)
    return caught.value.field, caught.value.reason


def v7(at_ms):
    return str(uuid7(5, at_ms))
