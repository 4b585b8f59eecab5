"""From a body's bytes to a struct, or to the problem with them."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from ugc_api.problems import kinds
from ugc_api.problems.problem import ProblemError, of_refusal
from ugc_core.acceptance import refusal

T = TypeVar("T")


def _of_field(error: msgspec.ValidationError) -> ProblemError:
    return of_refusal(refusal(error))


def decoded(
    decode: Callable[[bytes], T],
    body: bytes,
    *,
    of_form: Callable[[msgspec.ValidationError], ProblemError] = _of_field,
) -> T:
    """Return what `decode` makes of a body.

    Args:
        decode: Reads it.
        body: The body.
        of_form: Makes the problem of JSON that has another form.

    Raises:
        ProblemError: It is no JSON, or not of that form.
    """
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        raise of_form(error) from error
    except RecursionError as error:
        raise ProblemError(kinds.MALFORMED_BODY, "the JSON is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProblemError(kinds.MALFORMED_BODY, f"not valid JSON: {error}") from error
