"""JSON Schemas of what goes in and out, generated from the structs themselves."""

from typing import Any

from msgspec import Struct

from ugc_api.intake.answers import Accepted, BatchAnswer
from ugc_api.intake.beacon_grants import BeaconToken, BeaconTokenRequest
from ugc_api.intake.beacons import Beacon
from ugc_api.operating.health import Readiness
from ugc_api.problems.problem import Problem
from ugc_api.reading.answers import ContinueWatching, ResumePoint
from ugc_api.reading.audience_answers import FilmAudience, LiveViewers, RetentionCurve
from ugc_core.events import Report
from ugc_core.schemas import described

_REF = "#/components/schemas/{name}"
_STRUCTS = (
    Report,
    Accepted,
    BatchAnswer,
    Beacon,
    BeaconToken,
    BeaconTokenRequest,
    ResumePoint,
    ContinueWatching,
    FilmAudience,
    RetentionCurve,
    LiveViewers,
    Problem,
    Readiness,
)


def ref(struct: type[Struct]) -> dict[str, str]:
    """Return a reference to a struct's schema."""
    return {"$ref": _REF.format(name=struct.__name__)}


def schemas() -> dict[str, Any]:
    """Return the schema of every struct on the wire, fields described."""
    found = described(_STRUCTS, _REF)
    beacon = found["Beacon"]["properties"]  # judged one by one, so not decoded with the rest
    beacon["report"].update(ref(Report))
    beacon["reports"]["items"] = ref(Report)
    return found
