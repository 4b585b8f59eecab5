"""Every kind of problem that this service answers with; each has a page at its URI."""

from collections.abc import Mapping

from msgspec import Struct

BASE = "/problems/"


class Kind(Struct, frozen=True, kw_only=True):
    """One kind of problem.

    Attributes:
        slug: Last part of its URI.
        status: HTTP status that goes with it.
        title: What it is, the same for every occurrence.
        advice: What the client does about it.
    """

    slug: str
    status: int
    title: str
    advice: str

    @property
    def uri(self) -> str:
        """The `type` of RFC 9457."""
        return f"{BASE}{self.slug}"


MALFORMED_BODY = Kind(
    slug="malformed-body",
    status=400,
    title="The body is not valid JSON",
    advice="Send UTF-8 JSON without NaN or Infinity and without deep nesting. A retry of the"
    " same body fails again.",
)
MALFORMED_ENCODING = Kind(
    slug="malformed-encoding",
    status=400,
    title="The compressed body cannot be inflated",
    advice="Compress the whole body once, as Content-Encoding says: gzip, or zstd with a window"
    " of at most 8 MiB. A retry of the same bytes fails again.",
)
MALFORMED_KEY = Kind(
    slug="malformed-idempotency-key",
    status=400,
    title="The Idempotency-Key is malformed",
    advice="Send one key of 1 to 255 characters, as a string in double quotes, such as"
    ' `Idempotency-Key: "01943b2c-8f6a-7c1e-9b7d-3a5e6f708192"`, or leave the header out.',
)
UNKNOWN_HOST = Kind(
    slug="unknown-host",
    status=400,
    title="The request is for another host",
    advice="Use the address that whoever runs the service has given you. If you run it, add the"
    " name to UGC_API__ALLOWED_HOSTS.",
)
MALFORMED_REQUEST = Kind(
    slug="malformed-request",
    status=400,
    title="The request is not valid HTTP",
    advice="It breaks a rule of HTTP/1.1, or where it ends is open to doubt. Nothing of it was"
    " kept, and the connection is closed. A retry of the same bytes fails again.",
)
HEADER_TIMEOUT = Kind(
    slug="header-timeout",
    status=408,
    title="The headers did not arrive in time",
    advice="Send the request again; nothing of it was kept.",
)
BODY_TIMEOUT = Kind(
    slug="body-timeout",
    status=408,
    title="The body did not arrive in time",
    advice="Send the request again; nothing of it was kept.",
)
MISSING_TOKEN = Kind(
    slug="missing-token",
    status=401,
    title="A bearer token is required",
    advice="Send `Authorization: Bearer <token>` with an access token.",
)
INVALID_TOKEN = Kind(
    slug="invalid-token",
    status=401,
    title="The token was not accepted",
    advice="Get a fresh access token and send the request again; a refresh token does not do.",
)
DOCS_CREDENTIALS = Kind(
    slug="docs-credentials",
    status=401,
    title="The documentation is protected",
    advice="Sign in with the user and password of UGC_API__DOCS_USER and"
    " UGC_API__DOCS_PASSWORD_FILE. Without a password set, the pages stay closed.",
)
METRICS_CREDENTIALS = Kind(
    slug="metrics-credentials",
    status=401,
    title="The metrics are protected",
    advice="Sign in with the user and password of UGC_API__METRICS_USER and"
    " UGC_API__METRICS_PASSWORD_FILE.",
)
FOREIGN_REPORT = Kind(
    slug="foreign-report",
    status=403,
    title="The request speaks for somebody else",
    advice="Leave user_id and profile_id out, or repeat those of the token; with a beacon token"
    " the film and the session, too.",
)
ROLE_REQUIRED = Kind(
    slug="role-required",
    status=403,
    title="The token lacks a role",
    advice="Ask with a token whose `roles` name the role in `WWW-Authenticate`. A retry with the"
    " same token fails again.",
)
NO_SUCH_PATH = Kind(
    slug="not-found",
    status=404,
    title="There is nothing at this address",
    advice="Compare the path with the documentation; the slash at its end, or none, is part of it.",
)
BEACONS_OFF = Kind(
    slug="beacons-off",
    status=404,
    title="This service takes no beacons",
    advice="It has no secret to sign beacon tokens with; whoever runs it can set"
    " UGC_AUTH__BEACON_SECRET_FILE. Report progress on the other routes.",
)
NO_RESUME_POINT = Kind(
    slug="no-resume-point",
    status=404,
    title="The viewer has no resume point in this film",
    advice="Start the film from its beginning. A report shows up seconds after it was accepted.",
)
METHOD_NOT_ALLOWED = Kind(
    slug="method-not-allowed",
    status=405,
    title="The address does not take this method",
    advice="Use one of the methods in the Allow header.",
)
TOO_LARGE = Kind(
    slug="too-large",
    status=413,
    title="The request is too large",
    advice="Split the batch, or leave out what is not needed; nothing of it was kept.",
)
TARGET_TOO_LONG = Kind(
    slug="target-too-long",
    status=414,
    title="The address of the request is too long",
    advice="Leave out of the query what is not needed.",
)
UNSUPPORTED_MEDIA = Kind(
    slug="unsupported-media-type",
    status=415,
    title="The body is of a kind that is not taken",
    advice="Use a content type that the documentation names, compressed with gzip, zstd or not at"
    " all.",
)
REFUSED_REPORT = Kind(
    slug="refused-report",
    status=422,
    title="The report breaks a bound",
    advice="Correct the fields in `errors`; a retry of the same report fails again.",
)
INVALID_PARAMETER = Kind(
    slug="invalid-parameter",
    status=422,
    title="A parameter of the request is wrong",
    advice="Correct the parameters in `errors`.",
)
RATE_LIMITED = Kind(
    slug="rate-limited",
    status=429,
    title="Too many requests",
    advice="Nothing of the request was kept. Send it again after Retry-After, and collect reports"
    " into batches; RateLimit-Policy says how much goes.",
)
HEADERS_TOO_LARGE = Kind(
    slug="headers-too-large",
    status=431,
    title="The headers are too large",
    advice="Send fewer or shorter headers; nothing of the request was kept.",
)
INTERNAL = Kind(
    slug="internal-error",
    status=500,
    title="The service failed",
    advice="A report may or may not be kept: send it again with the same event_id. Give the"
    " X-Request-ID to whoever runs the service.",
)
KEYS_UNAVAILABLE = Kind(
    slug="keys-unavailable",
    status=503,
    title="The token cannot be verified at the moment",
    advice="Nothing of the request was kept. Send it again after Retry-After, with the same token:"
    " the keys of its issuer are being read.",
)
OVERLOADED = Kind(
    slug="overloaded",
    status=503,
    title="The service has more to do than it can",
    advice="Nothing of the request was kept. Send it again after Retry-After, with the same"
    " event_id.",
)
LOG_BUSY = Kind(
    slug="log-busy",
    status=503,
    title="Too many reports are under way",
    advice="Nothing of the request was kept. Send it again after Retry-After.",
)
LOG_UNAVAILABLE = Kind(
    slug="log-unavailable",
    status=503,
    title="The log did not acknowledge in time",
    advice="The outcome is unknown: some, all or none of the request may be kept. Send it again"
    " with the same event_id after Retry-After; a report that is kept twice counts once.",
)
STOPPING = Kind(
    slug="stopping",
    status=503,
    title="This instance accepts nothing any more",
    advice="It stops, on request or because its log is damaged. Whether a report was kept is not"
    " known: send the request to another instance, with the same event_id.",
)
WAREHOUSE_UNAVAILABLE = Kind(
    slug="warehouse-unavailable",
    status=503,
    title="Reading is not possible at the moment",
    advice="Reports are still accepted. Ask again after Retry-After.",
)

HTTP_VERSION = Kind(
    slug="http-version",
    status=505,
    title="This version of HTTP is not spoken here",
    advice="Use HTTP/1.1.",
)

KINDS: Mapping[str, Kind] = {
    kind.slug: kind
    for kind in (
        MALFORMED_BODY,
        MALFORMED_ENCODING,
        MALFORMED_KEY,
        UNKNOWN_HOST,
        MALFORMED_REQUEST,
        HEADER_TIMEOUT,
        BODY_TIMEOUT,
        MISSING_TOKEN,
        INVALID_TOKEN,
        DOCS_CREDENTIALS,
        METRICS_CREDENTIALS,
        FOREIGN_REPORT,
        ROLE_REQUIRED,
        NO_SUCH_PATH,
        BEACONS_OFF,
        NO_RESUME_POINT,
        METHOD_NOT_ALLOWED,
        TOO_LARGE,
        TARGET_TOO_LONG,
        UNSUPPORTED_MEDIA,
        REFUSED_REPORT,
        INVALID_PARAMETER,
        RATE_LIMITED,
        HEADERS_TOO_LARGE,
        INTERNAL,
        KEYS_UNAVAILABLE,
        OVERLOADED,
        LOG_BUSY,
        LOG_UNAVAILABLE,
        STOPPING,
        WAREHOUSE_UNAVAILABLE,
        HTTP_VERSION,
    )
}
