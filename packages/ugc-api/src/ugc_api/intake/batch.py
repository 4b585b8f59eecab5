"""`POST /api/v1/progresses/`: many reports, each with a verdict of its own."""

import msgspec
from starlette.types import Receive, Scope

from ugc_api import media_types
from ugc_api.auth.bearer import Bearer
from ugc_api.intake import bodies
from ugc_api.intake.bodies import Headers
from ugc_api.intake.idempotency import IDEMPOTENCY_KEY, many_by_key
from ugc_api.intake.intake import Intake
from ugc_api.intake.items import split
from ugc_api.intake.route import Reception, WriteRoute
from ugc_api.paths import MANY_PATH
from ugc_core.api_settings import ApiSection

_encode = msgspec.json.Encoder().encode


class BatchReports(WriteRoute):
    """The route of players that were offline, and of services."""

    template = MANY_PATH

    def __init__(
        self, reception: Reception, *, intake: Intake, bearer: Bearer, limits: ApiSection
    ) -> None:
        """Take batches within the limits."""
        super().__init__(reception)
        self._intake = intake
        self._identify = bearer.identify
        self._limits = limits

    async def handle(self, scope: Scope, headers: Headers, receive: Receive) -> bytes:
        """Keep what can be kept, and say what became of each item."""
        identity = self._identify(headers.get(b"authorization"))
        kind = bodies.media_type(headers, (media_types.JSON, media_types.NDJSON))
        key, user_id = headers.get(IDEMPOTENCY_KEY), identity.viewer.user_id
        amend = None if key is None else many_by_key(key, user_id=user_id)
        limits = self._limits
        answer = await self._intake.many(
            # Not by name: what has a name here is held until the answer.
            split(
                await self.body(scope, headers, receive, limit=limits.max_batch_bytes),
                kind,
                most=limits.max_batch_events,
            ),
            identity,
            amend=amend,
        )
        return _encode(answer)
