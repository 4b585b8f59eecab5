"""Programs that a test needs and a laptop may lack."""

import os
import shutil
from collections.abc import Callable

import pytest


@pytest.fixture(scope="session")
def needs() -> Callable[[str], str]:
    """Return a program's path; skip without it, or fail where `UGC_REQUIRE` names it."""

    def find(program: str) -> str:
        found = shutil.which(program)
        if found is None and program in os.environ.get("UGC_REQUIRE", "").split():
            pytest.fail(f"{program} is not installed, and UGC_REQUIRE says that it must be")
        if found is None:
            pytest.skip(f"needs {program} (Debian's package of that name)")
        return found

    return find
