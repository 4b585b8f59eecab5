"""How a program ends."""

import pytest

from ugc_core import exits
from ugc_core.errors import (
    ConfigError,
    FatalError,
    InUseError,
    LogBusyError,
    LogDamagedError,
    LogUnavailableError,
    MalformedLineError,
    OffsetOutOfRangeError,
    PoisonedLogError,
    QueryRefusedError,
    SchemaMismatchError,
    TransientError,
    UgcError,
    WarehouseUnavailableError,
)


def test_the_codes_are_those_that_are_documented():
    assert (
        exits.OK,
        exits.FAILURE,
        exits.USAGE,
        exits.LOSS_FOUND,
        exits.UNREACHABLE,
        exits.BAD_CONFIGURATION,
    ) == (0, 1, 2, 3, 4, 5)


@pytest.mark.parametrize("error", [ConfigError("x"), InUseError("x")])
def test_what_the_operator_set_wrongly_is_bad_configuration(error):
    assert exits.exit_code(error) == exits.BAD_CONFIGURATION


@pytest.mark.parametrize(
    "error",
    [
        TransientError("x"),
        LogUnavailableError("x"),
        LogBusyError("x"),
        WarehouseUnavailableError("x"),
    ],
)
def test_what_does_not_answer_is_unreachable(error):
    assert exits.exit_code(error) == exits.UNREACHABLE


@pytest.mark.parametrize(
    "error",
    [
        UgcError("x"),
        FatalError("x"),
        LogDamagedError("x"),
        OffsetOutOfRangeError("x"),
        PoisonedLogError("x"),
        SchemaMismatchError("x"),
        QueryRefusedError("x"),
        MalformedLineError("x"),
    ],
)
def test_everything_else_is_a_failure(error):
    assert exits.exit_code(error) == exits.FAILURE


def test_the_code_is_that_of_the_most_specific_class():
    class OwnError(ConfigError):
        """An error below one that has a code."""

    assert exits.exit_code(OwnError("x")) == exits.BAD_CONFIGURATION
