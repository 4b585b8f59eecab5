"""The paths of the API's routes, as templates."""

ONE_PATH = "/api/v1/progresses/films/{film_id}/"
MANY_PATH = "/api/v1/progresses/"
