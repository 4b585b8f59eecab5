"""`app` for an ASGI server of your own choice, such as `uvicorn --workers 4 ugc_api.asgi:app`."""

from ugc_api.lifespan import Lifespan
from ugc_core.environment import environment
from ugc_core.sources import load
from ugc_core.telemetry import configure_logging

_settings = load(environment()).settings
configure_logging(_settings, service="ugc-api")
app = Lifespan(_settings)
