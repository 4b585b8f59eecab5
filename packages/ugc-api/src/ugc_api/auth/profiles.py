"""Which member of the household is meant, where a request may name one beside its token."""

from uuid import UUID

from ugc_api.problems import kinds
from ugc_api.problems.problem import FieldError, ProblemError
from ugc_core.acceptance import Viewer


def profile_of(viewer: Viewer, asked: UUID | None) -> UUID | None:
    """Return the profile: the token decides where it says anything; None means the user.

    Raises:
        ProblemError: The token is of one profile, and another is asked for.
    """
    if viewer.profile_id is not None and asked not in {None, viewer.profile_id}:
        wrong = FieldError(field="profile_id", reason="is not the token's profile")
        detail = "profile_id is not the token's profile"
        raise ProblemError(kinds.FOREIGN_REPORT, detail, errors=[wrong])
    return viewer.profile_id or asked
