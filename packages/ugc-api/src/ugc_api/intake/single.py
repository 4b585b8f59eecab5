"""`POST /api/v1/progresses/films/{film_id}/`: one report."""

from uuid import UUID

import msgspec
from starlette.types import Receive, Scope

from ugc_api import media_types
from ugc_api.auth.bearer import Bearer
from ugc_api.intake import bodies
from ugc_api.intake.bodies import Headers
from ugc_api.intake.idempotency import IDEMPOTENCY_KEY, one_by_key
from ugc_api.intake.intake import Intake
from ugc_api.intake.route import Reception, WriteRoute
from ugc_api.paths import ONE_PATH
from ugc_api.problems.problem import refuse_parameter
from ugc_core.api_settings import ApiSection
from ugc_core.events import NIL

_PREFIX, _, _SUFFIX = ONE_PATH.partition("{film_id}")
_FILM = slice(len(_PREFIX), -len(_SUFFIX))
_encode = msgspec.json.Encoder().encode
_LEGACY = b'{"content":{"result":true}}'
"""What the replaced system answered, with the same status; here, too, it means kept."""


def is_single(path: str) -> bool:
    """Say whether a path is this route's, with one segment in the film's place."""
    return path.startswith(_PREFIX) and path.endswith(_SUFFIX) and "/" not in path[_FILM]


class SingleReport(WriteRoute):
    """The route that every player calls every few seconds."""

    template = ONE_PATH

    def __init__(
        self, reception: Reception, *, intake: Intake, bearer: Bearer, limits: ApiSection
    ) -> None:
        """Take reports within the limits."""
        super().__init__(reception)
        self._intake = intake
        self._identify = bearer.identify
        self._limit = limits.max_body_bytes
        self._legacy = limits.legacy_answers

    async def handle(self, scope: Scope, headers: Headers, receive: Receive) -> bytes:
        """Keep the report."""
        identity = self._identify(headers.get(b"authorization"))
        film_id = _film_id(scope["path"][_FILM])
        bodies.media_type(headers, (media_types.JSON,))
        key, amend = headers.get(IDEMPOTENCY_KEY), None
        if key is not None:
            amend = one_by_key(key, user_id=identity.viewer.user_id, film_id=film_id)
        body = self.at_hand(scope, headers, limit=self._limit)
        if body is None:
            body = await self.body(scope, headers, receive, limit=self._limit)
        accepted = await self._intake.one(body, identity, film_id, amend=amend)
        return _LEGACY if self._legacy else _encode(accepted)


def _film_id(text: str) -> UUID:
    try:
        film_id = msgspec.convert(text, UUID)
    except msgspec.ValidationError:
        refuse_parameter("film_id", "is not a UUID")
    if film_id == NIL:
        refuse_parameter("film_id", "must not be the nil UUID")
    return film_id
