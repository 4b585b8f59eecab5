"""The process that runs the tests is Python's own, whatever a test has imported."""

import sys


def test_no_test_has_patched_the_standard_library():
    """Every test file is collected by now: Locust and gevent belong into child processes."""
    assert "locust" not in sys.modules
    # Sentry's client asks gevent, where it is installed, whether it has; to ask patches nothing.
    monkey = sys.modules.get("gevent.monkey._state")
    assert monkey is None or monkey.saved == {}
