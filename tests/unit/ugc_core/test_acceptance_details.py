"""The bounds of kind, device, seq and clock offset, and what is said beyond them."""

import pytest

from tests.unit.ugc_core.accepted_reports import accepted, refused


@pytest.mark.parametrize("kind", ["start", "heartbeat", "a", "buffer_2", "x" * 32])
def test_a_kind_is_a_word(make_report, kind):
    assert accepted(make_report(kind=kind)).kind == kind


@pytest.mark.parametrize("kind", ["", "Start", "2x", "_a", "a-b", "x" * 33, "end\n", "é", "a b"])
def test_another_kind_is_refused(make_report, kind):
    field, reason = refused(make_report(kind=kind))

    assert field == "kind"
    assert reason.startswith("Expected `str` matching regex")


@pytest.mark.parametrize("device", ["web", "TV", "iOS 17.1 (iPad)", "a/b_c+d-e", "x" * 32])
def test_a_device_is_a_short_name(make_report, device):
    assert accepted(make_report(device=device)).device == device


@pytest.mark.parametrize("device", ["", " tv", "x" * 33, "tv\n", "a\tb", "té", "<script>", "a;b"])
def test_another_device_is_refused(make_report, device):
    field, reason = refused(make_report(device=device))

    assert field == "device"
    assert reason.startswith("Expected `str` matching regex")


@pytest.mark.parametrize("seq", [0, 2**32 - 1])
def test_a_number_in_the_session_is_32_bits(make_report, seq):
    assert accepted(make_report(seq=seq)).seq == seq


@pytest.mark.parametrize("seq", [-1, 2**32, 10**30])
def test_another_number_is_refused(make_report, seq):
    field, reason = refused(make_report(seq=seq))

    assert field == "seq"
    assert reason.startswith("Expected `int` ")


@pytest.mark.parametrize("offset_ms", [-(10**13), 10**13, 10**30])
def test_a_clock_offset_has_a_range(make_report, offset_ms):
    field, reason = refused(make_report(clock_offset_ms=offset_ms))

    assert field == "clock_offset_ms"
    assert reason.startswith("Expected `int` ")
