"""The application: routes, documentation and error answers around opened services."""

from fastapi import FastAPI

from ugc_api.docs import add_docs_routes
from ugc_api.envelope import Envelope
from ugc_api.failures import add_failure_handlers
from ugc_api.openapi import describe
from ugc_api.operations import add_operation_routes
from ugc_api.problem_pages import add_problem_routes
from ugc_api.reads import add_read_routes
from ugc_api.services import Services
from ugc_api.writes import add_write_routes


def create_app(services: Services) -> FastAPI:
    """Build the application; it neither opens nor closes anything."""
    # Slashes are not redirected: behind a proxy the Location would name the wrong scheme, and
    # a client would repeat its token there.
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    add_write_routes(app, services)
    add_read_routes(app, services)
    add_operation_routes(app, services)
    add_problem_routes(app)
    add_docs_routes(app, services)
    add_failure_handlers(app)
    app.add_middleware(Envelope, metrics=services.metrics, clock=services.clock)
    describe(app)
    return app
