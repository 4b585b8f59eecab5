"""The error tree in the docstring is the error tree in the code."""

import inspect

from ugc_core import errors
from ugc_core.errors import (
    FatalError,
    ForeignReportError,
    MalformedLineError,
    RejectedError,
    ReportRefusedError,
    TransientError,
    UgcError,
)

DEFINED = {
    cls
    for _, cls in inspect.getmembers(errors, inspect.isclass)
    if cls.__module__ == errors.__name__
}


def drawn_edges():
    """Read (parent, child) off the drawing: the depth is where the name begins."""
    edges, path = set(), ["UgcError"]
    for line in (errors.__doc__ or "").splitlines():
        if "── " not in line:
            continue
        before, _, after = line.partition("── ")
        depth = len(before) // 4 + 1
        name = after.split()[0]
        path[depth:] = [name]
        edges.add((path[depth - 1], name))
    return edges


def test_the_drawing_is_the_tree():
    coded = {(base.__name__, cls.__name__) for cls in DEFINED for base in cls.__bases__}

    assert drawn_edges() == coded - {("Exception", "UgcError")}


def test_every_error_belongs_to_one_of_three_branches():
    branches = (TransientError, RejectedError, FatalError)

    assert {cls for cls in DEFINED if UgcError in cls.__bases__} == set(branches)
    for cls in DEFINED - {UgcError}:
        assert sum(issubclass(cls, branch) for branch in branches) == 1


def test_every_error_says_what_it_means():
    assert all(cls.__doc__ for cls in DEFINED)


def test_a_refused_report_says_the_field_and_the_reason():
    error = ReportRefusedError("progress", "is negative")

    assert (str(error), error.field, error.reason) == (
        "progress: is negative",
        "progress",
        "is negative",
    )
    assert str(ForeignReportError("", "is not yours")) == "is not yours"


def test_a_malformed_line_keeps_the_decoders_words():
    error = MalformedLineError("truncated")

    assert (str(error), error.reason) == ("not an event: truncated", "truncated")
