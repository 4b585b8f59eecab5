"""The ids that the service makes for requests."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from ugc_api.operating.request_ids import request_id
from ugc_core.clock import ManualClock
from ugc_core.uuid7 import uuid7_time_ms


def test_every_id_is_another_one():
    clock = ManualClock()

    made = {request_id(None, clock) for _ in range(10_000)}

    assert len(made) == 10_000


@given(at_ms=st.integers(min_value=0, max_value=2**48 - 1))
def test_an_id_has_the_form_of_a_uuid_version_7_and_tells_when_it_was_made(at_ms: int):
    name = request_id(None, ManualClock(wall_ms=at_ms)).decode()

    assert str(UUID(name)) == name
    assert uuid7_time_ms(UUID(name)) == at_ms
