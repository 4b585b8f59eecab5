"""The process that runs the tests is Python's own, whatever a test has imported."""

import sys


def test_no_test_has_imported_what_patches_the_standard_library():
    """Every test file is collected by now: Locust and gevent belong into child processes."""
    assert "locust" not in sys.modules
    assert "gevent.monkey" not in sys.modules
