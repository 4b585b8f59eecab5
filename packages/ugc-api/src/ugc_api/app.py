"""The application: write routes, the framework behind them, documentation, error answers."""

from collections.abc import Sequence

from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import ASGIApp

from ugc_api.auth.hosts import HostGate, Hosts, refuse_host
from ugc_api.cors import Cors, abilities
from ugc_api.documentation.openapi import describe
from ugc_api.documentation.pages import add_docs_routes
from ugc_api.intake.batch import BatchReports
from ugc_api.intake.beacon_grants import BeaconGrants
from ugc_api.intake.beacons import BeaconReports
from ugc_api.intake.front import Front
from ugc_api.intake.patience import Patience
from ugc_api.intake.route import Reception, WriteRoute
from ugc_api.intake.single import SingleReport
from ugc_api.intake.traced import Traced
from ugc_api.limiting.gate import Gate
from ugc_api.operating.envelope import Envelope
from ugc_api.operating.routes import add_operation_routes
from ugc_api.problems.failures import add_failure_handlers
from ugc_api.problems.pages import add_problem_routes
from ugc_api.reading.asking import Asking
from ugc_api.reading.audience_routes import add_audience_routes
from ugc_api.reading.routes import add_read_routes
from ugc_api.services import Services
from ugc_core.tracing import Tracing


def create_app(services: Services) -> ASGIApp:
    """Build the application; it neither opens nor closes anything."""
    single, others = _write_routes(services)
    framework = _framework(services, single, *others)
    front = Front(
        framework,
        single=_traced(single, services.tracing),
        others={route.template: _traced(route, services.tracing) for route in others},
    )
    gate = Gate(
        front,
        limiter=services.limiter,
        wire=services.wire,
        metrics=services.metrics,
        clock=services.clock,
    )
    if not services.settings.cors_origins:
        return _for_our_hosts(gate, services)
    cors = Cors(
        gate,
        abilities=abilities(framework.routes),
        origins=services.settings.cors_origins,
        max_age_s=services.settings.cors_max_age_s,
        metrics=services.metrics,
        clock=services.clock,
    )
    return _for_our_hosts(cors, services)


def _for_our_hosts(app: ASGIApp, services: Services) -> ASGIApp:
    """Stand in front of everything, where the settings name the hosts that are ours."""
    if not services.settings.allowed_hosts:
        return app
    # A refusal has its id and its place in the metrics like any other answer.
    refused = Envelope(refuse_host, metrics=services.metrics, clock=services.clock)
    return HostGate(app, hosts=Hosts(services.settings.allowed_hosts), refused=refused)


def _write_routes(services: Services) -> tuple[SingleReport, Sequence[WriteRoute]]:
    """Build what is answered in front of the framework."""
    settings, intake, bearer = services.settings, services.intake, services.bearer
    tokens = services.beacons
    reception = Reception(
        metrics=services.metrics,
        clock=services.clock,
        patience=Patience(settings.body_timeout_s),
    )
    single = SingleReport(reception, intake=intake, bearer=bearer, limits=settings)
    batch = BatchReports(reception, intake=intake, bearer=bearer, limits=settings)
    most = settings.max_batch_events
    beacons = BeaconReports(reception, intake=intake, tokens=tokens, most=most)
    grants = BeaconGrants(reception, bearer=bearer, tokens=tokens)
    return single, (batch, beacons, grants)


def _traced(route: WriteRoute, tracing: Tracing | None) -> ASGIApp:
    """Put tracing around a route, where there is any."""
    return route if tracing is None else Traced(route, tracing)


def _framework(services: Services, *writes: WriteRoute) -> FastAPI:
    """Build what answers everything but writes; it knows those by their paths and methods."""
    # Slashes are not redirected: behind a proxy the Location would name the wrong scheme, and
    # a client would repeat its token there.
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    app.router.routes += [Route(write.template, write, methods=["POST"]) for write in writes]
    ask = Asking(services.clock)
    add_read_routes(app, points=services.resume_points, bearer=services.bearer, ask=ask)
    add_audience_routes(app, audiences=services.audiences, bearer=services.bearer, ask=ask)
    add_operation_routes(
        app, health=services.health, metrics=services.metrics, section=services.settings
    )
    add_problem_routes(app)
    add_docs_routes(app, services.settings)
    add_failure_handlers(app)
    app.add_middleware(Envelope, metrics=services.metrics, clock=services.clock)
    describe(app)
    return app
