"""The read routes: the caller's own resume points."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, FastAPI, Query, Request, Response

from ugc_api.auth.bearer import Bearer
from ugc_api.auth.profiles import profile_of
from ugc_api.paths import MANY_PATH, ONE_PATH
from ugc_api.problems import kinds
from ugc_api.problems.problem import ProblemError
from ugc_api.reading.asking import Asking, found
from ugc_api.reading.resume import CURSOR_PATTERN, Cursor, ResumePoints
from ugc_core.acceptance import Viewer

PAGE_SIZE = 20
MAX_PAGE_SIZE = 100

ProfileId = Annotated[
    UUID | None,
    Query(description="Household member; only where the token names none. Absent: the user."),
]


def add_read_routes(app: FastAPI, *, points: ResumePoints, bearer: Bearer, ask: Asking) -> None:
    """Add both routes."""

    # As a dependency it comes first: without a token nothing is said about parameters.
    async def caller(request: Request) -> Viewer:
        return bearer.of(request).viewer

    async def get_resume_point(
        viewer: Annotated[Viewer, Depends(caller)], film_id: UUID, profile_id: ProfileId = None
    ) -> Response:
        profile = profile_of(viewer, profile_id) or viewer.user_id
        point = await ask(points.one(viewer.user_id, profile, film_id))
        if point is None:
            raise ProblemError(kinds.NO_RESUME_POINT, f"Nothing was watched of film {film_id} yet.")
        return found(point)

    async def get_continue_watching(
        viewer: Annotated[Viewer, Depends(caller)],
        *,
        profile_id: ProfileId = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE)] = PAGE_SIZE,
        cursor: Annotated[
            str | None,
            Query(pattern=CURSOR_PATTERN, description="`next_cursor` of the page before."),
        ] = None,
        include_finished: Annotated[
            bool, Query(description="Also films of which at least 95 % lie behind.")
        ] = False,
    ) -> Response:
        page = points.page(
            viewer.user_id,
            profile_of(viewer, profile_id) or viewer.user_id,
            limit=limit,
            after=None if cursor is None else Cursor.parse(cursor),
            include_finished=include_finished,
        )
        return found(await ask(page))

    app.add_api_route(ONE_PATH, get_resume_point)
    app.add_api_route(MANY_PATH, get_continue_watching)
