"""What happened to tokens, among the metrics."""

from ugc_api.auth.counts import AuthCounts
from ugc_api.operating.metrics import ApiMetrics
from ugc_core import telemetry


def follow_tokens(metrics: ApiMetrics, counts: AuthCounts) -> None:
    """Publish the counts that the verification of tokens keeps."""
    metrics.follow(
        telemetry.API_AUTH_FAILURES,
        "Requests without an identity, by reason",
        "reason",
        lambda: counts.failures,
    )
    metrics.follow(
        telemetry.API_TOKEN_CACHE,
        "Tokens that were known again, and those that had to be verified",
        "result",
        lambda: {"hit": counts.hits, "miss": counts.misses},
    )
