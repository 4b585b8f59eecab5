"""Both limits of how often: by the address before anything is looked at, by the user after."""

from starlette.types import Scope

from ugc_api.limiting.addresses import Addresses
from ugc_api.limiting.answers import rate_limited
from ugc_api.limiting.buckets import Buckets
from ugc_api.operating.metrics import ApiMetrics
from ugc_api.problems import kinds
from ugc_core.api_settings import LimitsSection
from ugc_core.clock import Clock


class Limiter:
    """Token buckets of users and of addresses; those of one process count for it alone."""

    def __init__(
        self, section: LimitsSection, *, addresses: Addresses, metrics: ApiMetrics, clock: Clock
    ) -> None:
        """Start with full buckets."""
        self._users = Buckets(rate=section.user_reports_per_s, burst=section.user_burst)
        self._hosts = Buckets(rate=section.address_requests_per_s, burst=section.address_burst)
        self._addresses = addresses
        self._metrics = metrics
        self._now = clock.now

    def ask(self, scope: Scope) -> None:
        """Let the client's address pay for one request, whoever it may say it is.

        Raises:
            ProblemError: Its bucket is empty.
        """
        client = scope.get("client")
        key = self._addresses.of_request(client[0] if client else "", scope["headers"])
        if key:
            self._take("address", self._hosts, key, 1.0)

    def report(self, user: bytes, reports: int) -> None:
        """Let a user pay for reports, before they are kept; `user` is the log's key.

        Raises:
            ProblemError: The bucket does not hold that many.
        """
        self._take("user", self._users, user, reports)

    def _take(self, policy: str, buckets: Buckets, key: object, cost: float) -> None:
        now = self._now()
        wait_s = buckets.take(key, cost, now)
        if wait_s:
            self._metrics.shed(kinds.RATE_LIMITED.slug)
            raise rate_limited(policy, buckets, wait_s=wait_s, left=buckets.left(key, now))
