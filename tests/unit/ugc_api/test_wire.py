"""What connections share: their number by address, and a sweep that nothing stops."""

from ugc_api.limiting.addresses import Addresses
from ugc_api.limiting.wire import Wire
from ugc_api.operating.metrics import ApiMetrics
from ugc_core.api_settings import LimitsSection


class FakeConnection:
    """Notes when it was looked at; it may fail then."""

    def __init__(self, error: Exception | None = None) -> None:
        self.looked_at: list[float] = []
        self._error = error

    def wake(self) -> None:
        raise NotImplementedError

    def look(self, now: float) -> None:
        self.looked_at.append(now)
        if self._error:
            raise self._error


def make_wire(clock, **limits) -> Wire:
    section = LimitsSection(**limits)
    addresses = Addresses(section.trusted_proxies)
    return Wire(section, body_timeout_s=10, addresses=addresses, metrics=ApiMetrics(), clock=clock)


def test_a_connection_that_fails_does_not_end_the_sweep(clock):
    wire = make_wire(clock)
    connections = [FakeConnection(ValueError("broken")) for _ in range(3)]
    for connection in connections:
        wire.arrives(connection, "203.0.113.9")

    wire.sweep()

    assert all(connection.looked_at for connection in connections)


def test_connections_are_counted_by_address_and_forgotten_when_they_leave(clock):
    wire = make_wire(clock, max_connections_per_address=1)
    one, other = FakeConnection(), FakeConnection()

    assert wire.arrives(one, "2001:db8:1:2::1") == ""
    assert wire.arrives(other, "2001:db8:1:2::2")  # of the same /64
    wire.leaves(other, "2001:db8:1:2::2")
    assert wire.arrives(other, "2001:db8:1:3::2") == ""
    wire.leaves(one, "2001:db8:1:2::1")
    assert wire.arrives(one, "2001:db8:1:2::3") == ""


def test_who_is_refused_is_looked_at_too_until_it_is_gone(clock):
    wire = make_wire(clock, max_connections=1)
    one, refused = FakeConnection(), FakeConnection()
    wire.arrives(one, "203.0.113.9")
    wire.arrives(refused, "203.0.113.9")

    wire.sweep()
    wire.leaves(refused, "203.0.113.9")
    wire.sweep()

    assert (len(one.looked_at), len(refused.looked_at)) == (2, 1)


def test_the_sweep_comes_often_enough_for_the_shortest_deadline(clock):
    assert make_wire(clock).sweep_s == 1
    assert make_wire(clock, header_timeout_s=0.4).sweep_s == 0.1


async def test_a_sweep_that_comes_late_blames_nobody(clock):
    """The loop was held up: what came meanwhile lies in the sockets, unread."""
    wire = make_wire(clock)
    connection = FakeConnection()
    wire.arrives(connection, "203.0.113.9")

    await clock.sleep(wire.sweep_s + 1.5)
    wire.sweep()
    await clock.sleep(wire.sweep_s)
    wire.sweep()

    assert connection.looked_at == [clock.now()]
