"""What a test needs and a laptop may lack."""

import os
from typing import NoReturn

import pytest


def lacking(name: str, why: str) -> NoReturn:
    """Skip for want of something, or fail where `UGC_REQUIRE` names it."""
    if name in os.environ.get("UGC_REQUIRE", "").split():
        pytest.fail(f"{why}, and UGC_REQUIRE says that {name} must be there")
    pytest.skip(why)
