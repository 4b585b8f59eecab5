"""Everything the routes need, opened and ready."""

from dataclasses import dataclass

from ugc_api.auth.beacon_tokens import BeaconTokens
from ugc_api.auth.bearer import Bearer
from ugc_api.intake.intake import Intake
from ugc_api.limiting.limiter import Limiter
from ugc_api.limiting.wire import Wire
from ugc_api.operating.health import Health
from ugc_api.operating.metrics import ApiMetrics
from ugc_api.reading.audiences import Audiences
from ugc_api.reading.resume import ResumePoints
from ugc_core.api_settings import ApiSection
from ugc_core.clock import Clock
from ugc_core.tracing import Tracing


@dataclass(frozen=True, kw_only=True)
class Services:
    """What `bootstrap` opens and `app` builds routes from.

    Attributes:
        settings: Limits, deadlines and the documentation's password.
        bearer: Tells whose token it is.
        beacons: Makes and reads the tokens of beacons; None without a secret.
        limiter: Knows who asks too often.
        wire: Holds connections to their bounds, where the server is ours.
        intake: Takes reports in.
        resume_points: Reads back where viewers are.
        audiences: Reads the numbers of films.
        health: Knows how the dependencies are.
        metrics: What is counted.
        clock: Time.
        tracing: Traces a share of the write requests, where it is on.
    """

    settings: ApiSection
    bearer: Bearer
    limiter: Limiter
    wire: Wire
    intake: Intake
    resume_points: ResumePoints
    audiences: Audiences
    health: Health
    metrics: ApiMetrics
    clock: Clock
    beacons: BeaconTokens | None = None
    tracing: Tracing | None = None
