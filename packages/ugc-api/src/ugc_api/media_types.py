"""The media types that this service takes and gives (RFC 6838)."""

JSON = "application/json"
NDJSON = "application/x-ndjson"
PROBLEM = "application/problem+json"
TEXT = "text/plain"
