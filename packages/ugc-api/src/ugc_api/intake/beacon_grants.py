"""`POST /api/v1/beacon-tokens`: a player asks, as a film begins, for what its last words need."""

from uuid import UUID

import msgspec
from msgspec import Struct
from starlette.types import Receive, Scope

from ugc_api import media_types
from ugc_api.auth.beacon_tokens import BeaconTokens, Grant
from ugc_api.auth.bearer import Bearer
from ugc_api.auth.profiles import profile_of
from ugc_api.intake import bodies
from ugc_api.intake.beacons import offered
from ugc_api.intake.bodies import Headers
from ugc_api.intake.decoding import decoded
from ugc_api.intake.route import Reception, WriteRoute
from ugc_api.paths import BEACON_TOKENS_PATH
from ugc_api.problems.problem import refuse_parameter
from ugc_core.acceptance import Viewer
from ugc_core.events import NIL

_MAX_BYTES = 4096


class BeaconTokenRequest(Struct, frozen=True, kw_only=True):
    """What a beacon token is wanted for.

    Attributes:
        film_id: The film.
        session_id: The playback session; absent: any.
        profile_id: Household member; only where the access token names none.
    """

    film_id: UUID
    session_id: UUID | None = None
    profile_id: UUID | None = None


class BeaconToken(Struct, frozen=True, kw_only=True):
    """A token for the body of beacons.

    Attributes:
        token: The token; it says nothing to anybody but this service.
        expires_in: How long it is good for, in seconds.
    """

    token: str
    expires_in: int


_decode = msgspec.json.Decoder(BeaconTokenRequest).decode
_encode = msgspec.json.Encoder().encode


class BeaconGrants(WriteRoute):
    """The route that gives beacon tokens to whoever has an access token."""

    template = BEACON_TOKENS_PATH
    code = 200

    def __init__(
        self, reception: Reception, *, bearer: Bearer, tokens: BeaconTokens | None
    ) -> None:
        """Make them by `tokens`; without it none."""
        super().__init__(reception)
        self._identify = bearer.identify
        self._tokens = tokens

    async def handle(self, scope: Scope, headers: Headers, receive: Receive) -> bytes:
        """Give a token for one viewer and one film."""
        viewer = self._identify(headers.get(b"authorization")).viewer
        tokens = offered(self._tokens)
        bodies.media_type(headers, (media_types.JSON,))
        body = await self.body(scope, headers, receive, limit=_MAX_BYTES)
        token = tokens.issue(_grant(decoded(_decode, body), viewer))
        return _encode(BeaconToken(token=token, expires_in=tokens.ttl_s))


def _grant(wanted: BeaconTokenRequest, viewer: Viewer) -> Grant:
    for field in ("film_id", "session_id", "profile_id"):
        if getattr(wanted, field) == NIL:
            refuse_parameter(field, "must not be the nil UUID")
    return Grant(
        sub=viewer.user_id,
        profile_id=profile_of(viewer, wanted.profile_id),
        film_id=wanted.film_id,
        session_id=wanted.session_id,
    )
