"""`app` for an ASGI server of your own choice, such as `uvicorn --workers 4 ugc_api.asgi:app`."""

from ugc_api.lifespan import Lifespan
from ugc_core.environment import environment
from ugc_core.sources import load, secrets_of
from ugc_core.telemetry import configure_logging

_settings = load(environment()).settings
configure_logging(_settings.logging, service="ugc-api", secrets=secrets_of(_settings))
app = Lifespan(_settings)
