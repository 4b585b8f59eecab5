"""The application: write routes, the framework behind them, documentation, error answers."""

from fastapi import FastAPI
from starlette.routing import Route

from ugc_api.documentation.openapi import describe
from ugc_api.documentation.pages import add_docs_routes
from ugc_api.intake.batch import BatchReports
from ugc_api.intake.front import Front
from ugc_api.intake.patience import Patience
from ugc_api.intake.route import WriteRoute
from ugc_api.intake.single import SingleReport
from ugc_api.operating.envelope import Envelope
from ugc_api.operating.routes import add_operation_routes
from ugc_api.paths import MANY_PATH
from ugc_api.problems.failures import add_failure_handlers
from ugc_api.problems.pages import add_problem_routes
from ugc_api.reading.asking import Asking
from ugc_api.reading.audience_routes import add_audience_routes
from ugc_api.reading.routes import add_read_routes
from ugc_api.services import Services


def create_app(services: Services) -> Front:
    """Build the application; it neither opens nor closes anything."""
    settings, patience = services.settings, Patience(services.settings.body_timeout_s)
    single = SingleReport(
        intake=services.intake,
        verifier=services.verifier,
        limit=settings.max_body_bytes,
        patience=patience,
        metrics=services.metrics,
        clock=services.clock,
    )
    batch = BatchReports(
        intake=services.intake,
        verifier=services.verifier,
        limits=settings,
        patience=patience,
        metrics=services.metrics,
        clock=services.clock,
    )
    return Front(_framework(services, single, batch), single=single, others={MANY_PATH: batch})


def _framework(services: Services, *writes: WriteRoute) -> FastAPI:
    """Build what answers everything but writes; it knows those by their paths and methods."""
    # Slashes are not redirected: behind a proxy the Location would name the wrong scheme, and
    # a client would repeat its token there.
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    app.router.routes += [Route(write.template, write, methods=["POST"]) for write in writes]
    ask = Asking(services.clock)
    add_read_routes(app, points=services.resume_points, verifier=services.verifier, ask=ask)
    add_audience_routes(app, audiences=services.audiences, verifier=services.verifier, ask=ask)
    add_operation_routes(app, health=services.health, metrics=services.metrics)
    add_problem_routes(app)
    add_docs_routes(app, services.settings)
    add_failure_handlers(app)
    app.add_middleware(Envelope, metrics=services.metrics, clock=services.clock)
    describe(app)
    return app
