"""The programs whose supervision the tests watch."""

from pathlib import Path

import pytest

from tests.unit.ugc_cli.supervised_programs import Programs


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path)
