"""How a program ends: the exit codes that every command and service shares."""

from ugc_core.errors import ConfigError, InUseError, TransientError, UgcError

OK = 0
FAILURE = 1
USAGE = 2
LOSS_FOUND = 3
UNREACHABLE = 4
BAD_CONFIGURATION = 5

_CODES: dict[type[UgcError], int] = {
    ConfigError: BAD_CONFIGURATION,
    InUseError: BAD_CONFIGURATION,
    TransientError: UNREACHABLE,
}


def exit_code(error: UgcError) -> int:
    """Return the code of the most specific class that has one."""
    return next((_CODES[cls] for cls in type(error).__mro__ if cls in _CODES), FAILURE)
