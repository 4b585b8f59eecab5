"""The paths of the API's routes, as templates."""

ONE_PATH = "/api/v1/progresses/films/{film_id}/"
MANY_PATH = "/api/v1/progresses/"
AUDIENCE_PATH = "/api/v1/films/{film_id}/audience"
RETENTION_PATH = f"{AUDIENCE_PATH}/retention"
LIVE_PATH = f"{AUDIENCE_PATH}/live"
BEACONS_PATH = "/api/v1/beacons"
BEACON_TOKENS_PATH = "/api/v1/beacon-tokens"
