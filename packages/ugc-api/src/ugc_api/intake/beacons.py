"""`POST /api/v1/beacons`: what a page sends as it goes away, and nobody waits for.

`navigator.sendBeacon` sends no headers of ours, so the token is in the body, and the body is
text/plain: with any other type a browser would have to ask first, and the page is gone by then.
Nothing but the token says who sends it; a cookie means nothing here.
"""

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, structs
from starlette.types import Receive, Scope

from ugc_api import media_types
from ugc_api.auth.beacon_tokens import BeaconTokens, Grant
from ugc_api.intake import bodies
from ugc_api.intake.answers import BatchAnswer, RefusedItem
from ugc_api.intake.bodies import Headers
from ugc_api.intake.decoding import decoded
from ugc_api.intake.intake import Intake
from ugc_api.intake.items import Amend
from ugc_api.intake.route import Reception, WriteRoute
from ugc_api.operating.answering import Pairs
from ugc_api.paths import BEACONS_PATH
from ugc_api.problems import kinds
from ugc_api.problems.problem import ProblemError, of_item
from ugc_core.errors import ForeignReportError
from ugc_core.events import Report

MAX_BEACON_BYTES = 65_536
"""What browsers let a page send as it goes, all its beacons together."""


class Beacon(Struct, frozen=True, kw_only=True):
    """The body of a beacon.

    Attributes:
        token: The beacon token.
        report: One report.
        reports: Several; each has the token's film, named or not.
    """

    token: str
    report: Raw | UnsetType = UNSET
    reports: list[Raw] | UnsetType = UNSET


_decode = msgspec.json.Decoder(Beacon).decode


class BeaconReports(WriteRoute):
    """The route of pages that go away."""

    template = BEACONS_PATH
    code = 204
    pairs: Pairs = ((b"cache-control", b"no-store"),)

    def __init__(
        self, reception: Reception, *, intake: Intake, tokens: BeaconTokens | None, most: int
    ) -> None:
        """Take at most `most` reports at once; without `tokens` none."""
        super().__init__(reception)
        self._intake = intake
        self._tokens = tokens
        self._most = most

    async def handle(self, scope: Scope, headers: Headers, receive: Receive) -> bytes:
        """Keep what can be kept; nobody reads a verdict, so those that are refused are counted."""
        tokens = offered(self._tokens)
        bodies.media_type(headers, (media_types.JSON, media_types.TEXT))
        body = await self.body(scope, headers, receive, limit=MAX_BEACON_BYTES)
        beacon = decoded(_decode, body)
        grant = tokens.read(beacon.token)
        items = [] if beacon.reports is UNSET else beacon.reports
        if beacon.report is not UNSET:
            items = [beacon.report, *items]
        if not 1 <= len(items) <= self._most:
            detail = f"A beacon holds 1 to {self._most} reports; this one has {len(items)}."
            raise ProblemError(kinds.TOO_LARGE if items else kinds.REFUSED_REPORT, detail)
        answer = await self._intake.many(items, grant.identity, amend=within(grant))
        _refuse_if_none_is_kept(answer)
        return b""


def offered(tokens: BeaconTokens | None) -> BeaconTokens:
    """Return what makes and reads tokens.

    Raises:
        ProblemError: There is no secret to do it with.
    """
    if tokens is None:
        detail = "Neither auth.beacon_secret nor auth.secret is set."
        raise ProblemError(kinds.BEACONS_OFF, detail)
    return tokens


def within(grant: Grant) -> Amend:
    """Return what holds each report to the film and the session of a token."""

    def amend(report: Report, _: int) -> Report:
        if report.film_id not in {None, grant.film_id}:
            field, reason = "film_id", "is not the beacon token's film"
            raise ForeignReportError(field, reason)
        if grant.session_id is not None and report.session_id not in {None, grant.session_id}:
            field, reason = "session_id", "is not the beacon token's session"
            raise ForeignReportError(field, reason)
        session_id = report.session_id or grant.session_id
        return structs.replace(report, film_id=grant.film_id, session_id=session_id)

    return amend


def _refuse_if_none_is_kept(answer: BatchAnswer) -> None:
    if answer.accepted:
        return
    first = next(item.problem for item in answer.items if isinstance(item, RefusedItem))
    raise of_item(first)
