"""The settings of the HTTP service: itself, what it limits, whom it believes."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta

from ugc_core.setting_types import (
    Origin,
    Port,
    Positive,
    PositiveSeconds,
    Rate,
    Section,
    TokenAlgorithm,
)


class ApiSection(Section, frozen=True, kw_only=True):
    """The HTTP service.

    Attributes:
        host: Address to listen on.
        port: Port to listen on.
        max_body_bytes: Largest body of a single report.
        max_batch_bytes: Largest body of a batch.
        max_batch_events: Most reports in a batch.
        body_timeout_s: Longest time a client may take to send its body, in seconds.
        drain_s: How long requests under way may still take after SIGTERM, in seconds.
        docs_user: User of the documentation pages.
        docs_password: Its password; without one the pages are closed.
        docs_password_file: A file that holds it.
        metrics_user: User of `/metrics`.
        metrics_password: Its password; without one the metrics are open to whoever gets there.
        metrics_password_file: A file that holds it.
        allowed_hosts: Names that the service answers to in `Host`, such as `ugc.example.com` or
            `*.example.com`; in a variable separated by commas; empty: any. `/livez` and `/readyz`
            answer under every name.
        max_age_days: Oldest event that is accepted.
        max_ahead_hours: How far a player's clock may run ahead.
        cors_origins: Origins whose pages may call the API from a browser, such as
            `https://cinema.example`; exactly these, and none without one.
        cors_max_age_s: How long a browser may remember what such pages may do, in seconds.
        legacy_answers: Whether a single report is answered as the replaced system did.
        audience_fresh_s: How long the numbers and the curve of a film are given again to
            whoever asks the same, in seconds.
        audience_timeout_s: Longest wait for such numbers, in seconds.
    """

    host: str = "127.0.0.1"
    port: Port = 8000
    max_body_bytes: Positive = 16_384
    max_batch_bytes: Positive = 262_144
    max_batch_events: Positive = 500
    body_timeout_s: PositiveSeconds = 10.0
    drain_s: PositiveSeconds = 10.0
    docs_user: str = "docs"
    docs_password: str = ""
    docs_password_file: Path | None = None
    metrics_user: str = "metrics"
    metrics_password: str = ""
    metrics_password_file: Path | None = None
    allowed_hosts: tuple[str, ...] = ()
    max_age_days: Positive = 30
    max_ahead_hours: Positive = 24
    cors_origins: tuple[Origin, ...] = ()
    cors_max_age_s: Annotated[int, Meta(ge=0, le=86_400)] = 7200
    legacy_answers: bool = False
    audience_fresh_s: Annotated[float, Meta(ge=0, le=86_400)] = 10.0
    audience_timeout_s: PositiveSeconds = 20.0


class LimitsSection(Section, frozen=True, kw_only=True):
    """What one process of the HTTP service takes before it refuses, early and cheaply.

    Attributes:
        user_reports_per_s: Reports a second that a user may send for ever; 0: no limit. A batch
            counts by its reports.
        user_burst: Reports that a user who was silent may send at once.
        address_requests_per_s: Requests a second that an address may send for ever; 0: no limit.
        address_burst: Requests that an address which was silent may send at once.
        trusted_proxies: Addresses and networks whose X-Forwarded-For is
            believed. What they send in nobody's name has no limit by address.
        max_in_flight: Requests under way at once; one more is answered 503 at once.
        max_held_bytes: Bytes of bodies that are held at once.
        max_header_bytes: Largest request line with its headers.
        max_headers: Most headers of a request.
        header_timeout_s: How long a request line and its headers may take to arrive, in seconds.
        min_body_bytes_per_s: A body that comes more slowly, after its first seconds, is cut off.
        keep_alive_s: How long an idle connection stays open, in seconds; longer than a proxy
            keeps one (nginx: 60), which must not meet a closed one.
        max_connections: Open connections; one more is refused.
        max_connections_per_address: Open connections of one address; proxies have no such limit.
    """

    user_reports_per_s: Rate = 20.0
    user_burst: Positive = 5000
    address_requests_per_s: Rate = 500.0
    address_burst: Positive = 5000
    trusted_proxies: tuple[str, ...] = ("127.0.0.0/8", "::1")
    max_in_flight: Positive = 4096
    max_held_bytes: Annotated[int, Meta(ge=1_048_576)] = 67_108_864
    max_header_bytes: Annotated[int, Meta(ge=1024)] = 16_384
    max_headers: Positive = 100
    header_timeout_s: PositiveSeconds = 10.0
    min_body_bytes_per_s: Annotated[int, Meta(ge=0)] = 256
    keep_alive_s: PositiveSeconds = 75.0
    max_connections: Positive = 8192
    max_connections_per_address: Positive = 512


class AuthSection(Section, frozen=True, kw_only=True):
    """How tokens are verified: by a shared secret, by an issuer's public keys, or by both.

    Attributes:
        secret: Shared secret of HS256, at least 32 bytes.
        secret_file: A file that holds it.
        strict: Whether a secret under 32 bytes stops the start; off, it is only warned of.
        jwks_file: JSON Web Key Set with the issuer's public keys; read again when it changes.
        jwks_url: The same behind a URL: https, or http on this machine; read again in the
            background. One of the two.
        jwks_ca_path: Certificates of the authorities that the URL's host is checked against;
            without one those that this machine trusts.
        jwks_refresh_s: How often the keys are read anew, in seconds; a file every five seconds
            at least.
        jwks_timeout_s: Longest wait for the issuer's answer, in seconds.
        algorithms: The only algorithms that are accepted, of HS256, RS256, PS256, ES256 and
            EdDSA; in a variable separated by commas; empty: those that the keys are made for.
        max_cached_tokens: Tokens that are known again without a look at their signature; about a
            kilobyte each.
        audience: Required `aud`; empty: not checked.
        issuer: Required `iss`; empty: not checked.
        leeway_s: Tolerance for clocks that differ, in seconds.
        beacon_secret: Secret of the tokens that beacons carry, at least 32 bytes; without one
            it is derived from `secret`. Every process that takes beacons needs the same.
        beacon_secret_file: A file that holds it.
        beacon_ttl_s: How long such a token is good for, in seconds: the sitting of one film,
            pauses included.
    """

    secret: str = ""
    secret_file: Path | None = None
    strict: bool = True
    jwks_file: Path | None = None
    jwks_url: str = ""
    jwks_ca_path: Path | None = None
    jwks_refresh_s: PositiveSeconds = 300.0
    jwks_timeout_s: PositiveSeconds = 5.0
    algorithms: tuple[TokenAlgorithm, ...] = ()
    max_cached_tokens: Positive = 50_000
    audience: str = ""
    issuer: str = ""
    leeway_s: Annotated[int, Meta(ge=0, le=300)] = 10
    beacon_secret: str = ""
    beacon_secret_file: Path | None = None
    beacon_ttl_s: Annotated[int, Meta(ge=60, le=86_400)] = 21_600
