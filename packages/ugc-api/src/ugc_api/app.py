"""The application: routes, documentation and error answers around opened services."""

from fastapi import FastAPI

from ugc_api.documentation.openapi import describe
from ugc_api.documentation.pages import add_docs_routes
from ugc_api.intake.routes import add_write_routes
from ugc_api.operating.envelope import Envelope
from ugc_api.operating.routes import add_operation_routes
from ugc_api.problems.failures import add_failure_handlers
from ugc_api.problems.pages import add_problem_routes
from ugc_api.reading.routes import add_read_routes
from ugc_api.services import Services


def create_app(services: Services) -> FastAPI:
    """Build the application; it neither opens nor closes anything."""
    # Slashes are not redirected: behind a proxy the Location would name the wrong scheme, and
    # a client would repeat its token there.
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    add_write_routes(
        app, intake=services.intake, verifier=services.verifier, limits=services.settings
    )
    add_read_routes(
        app, points=services.resume_points, verifier=services.verifier, clock=services.clock
    )
    add_operation_routes(app, health=services.health, metrics=services.metrics)
    add_problem_routes(app)
    add_docs_routes(app, services.settings)
    add_failure_handlers(app)
    app.add_middleware(Envelope, metrics=services.metrics, clock=services.clock)
    describe(app)
    return app
