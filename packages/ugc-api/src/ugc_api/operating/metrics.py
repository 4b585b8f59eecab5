"""What the service counts, for Prometheus; no label holds a user or a film."""

from bisect import bisect_left
from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry

from ugc_api.operating.counts import Counts, OwnCounts
from ugc_api.operating.families import BUCKETS, HISTOGRAM_WIDTH, Family, Publisher
from ugc_api.operating.slots import Series
from ugc_core import telemetry

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_MOST_REQUESTS = 400
"""Combinations of method, route and status; there are far fewer: routes are templates."""

Followed = Callable[[], Mapping[str, int]]
"""Plain integers that somebody else counts, by the one label that they have."""


class ApiMetrics:
    """Counts of one process, published with those of its fellow workers.

    Counting is an addition in place, a third of a microsecond or less; what Prometheus reads is
    made when it asks.
    """

    def __init__(self, counts: Counts | None = None) -> None:
        """Start at zero, in memory of our own or in `counts`."""
        counts = counts or OwnCounts()
        self._slots = counts.slots
        self._values = counts.slots.values
        self._places: dict[tuple[str, ...], int] = {}
        self._requests: dict[tuple[str, str, int], int] = {}
        self._appends: dict[str, int] = {}
        self._followed: list[tuple[str, Followed]] = []
        self._duplicates = self._place(telemetry.API_EVENTS, "duplicate", "")
        self._accepted = self._place(telemetry.API_EVENTS, "accepted", "")
        flying = Series(family=telemetry.API_IN_FLIGHT, momentary=True)
        self._in_flight = counts.slots.claim(flying)
        connected = Series(family=telemetry.API_CONNECTIONS, momentary=True)
        self._connections = counts.slots.claim(connected)
        self._publisher = Publisher(counts, before=self.refresh)
        self.registry = CollectorRegistry()
        self.registry.register(self._publisher)

    def accepted(self, count: int) -> None:
        """Count reports that are kept."""
        self._values[self._accepted] += count

    def duplicate(self, count: int) -> None:
        """Count reports that came twice in one batch."""
        self._values[self._duplicates] += count

    def refused(self, reason: str, count: int = 1) -> None:
        """Count reports that are not kept; the reason is a kind of problem."""
        self._values[self._place(telemetry.API_EVENTS, "refused", reason)] += count

    def shed(self, reason: str) -> None:
        """Count a request that is turned away unread; the reason is a kind of problem."""
        self._values[self._place(telemetry.API_SHED, reason)] += 1

    def in_flight_add(self, change: int) -> None:
        """Count a request in (1) or out (-1)."""
        self._values[self._in_flight] += change

    def connections_add(self, change: int) -> None:
        """Count a connection that is opened (1) or closed (-1)."""
        self._values[self._connections] += change

    def request_ended(self, route: str, method: str, status: int) -> None:
        """Count a request.

        Args:
            route: The route's template, never a path.
            method: The method; those that nobody serves count as one.
            status: Of the answer; 0 when there was none.
        """
        try:
            place = self._requests[route, method, status]
        except KeyError:
            place = self._request(route, method, status)
        self._values[place] += 1

    def append_ended(self, outcome: str, seconds: float) -> None:
        """Count an append, and how long it took."""
        try:
            place = self._appends[outcome]
        except KeyError:
            series = Series(family=telemetry.API_APPEND_SECONDS, labels=(outcome,))
            place = self._appends[outcome] = self._slots.claim(series, HISTOGRAM_WIDTH)
        values = self._values
        values[place + bisect_left(BUCKETS, seconds)] += 1
        values[place + HISTOGRAM_WIDTH - 1] += seconds

    def follow(self, name: str, text: str, label: str, read: Followed) -> None:
        """Publish a counter that somebody else keeps as plain integers, by one label.

        Args:
            name: Name of the metric, with `_total`.
            text: What it counts.
            label: Name of the label.
            read: Returns the counts so far by the label's values, which have to be few.
        """
        self._publisher.families.append(Family(name=name, text=text, labels=(label,)))
        self._followed.append((name, read))

    def refresh(self) -> None:
        """Take over what is followed: before this process is scraped, and now and then."""
        for name, read in self._followed:
            for label, count in read().items():
                self._values[self._place(name, label)] = count

    def _place(self, family: str, *labels: str) -> int:
        key = (family, *labels)
        place = self._places.get(key)
        if place is None:
            place = self._slots.claim(Series(family=family, labels=labels))
            self._places[key] = place
        return place

    def _request(self, route: str, method: str, status: int) -> int:
        """Find the place of a combination, and remember it if such combinations are few."""
        known = method if method in _METHODS else "other"
        place = self._place(telemetry.API_REQUESTS, known, route, str(status or "aborted"))
        if known == method and len(self._requests) < _MOST_REQUESTS:
            self._requests[route, method, status] = place
        return place
