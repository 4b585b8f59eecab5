"""What the values of settings may be, and what a part of the tree is."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[int, Meta(gt=0)]
Rate = Annotated[float, Meta(ge=0, le=1_000_000)]
PositiveSeconds = Annotated[float, Meta(gt=0, le=86_400)]  # a day; `inf` is no deadline
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,200}\Z")]
SaslMechanism = Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
Compression = Literal["none", "lz4", "zstd"]
# As browsers write it: in small letters, without a path, without the scheme's own port.
Origin = Annotated[
    str,
    Meta(
        pattern=r"^(?!http://.*:80\Z|https://.*:443\Z)"
        r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?\Z"
    ),
]
TokenAlgorithm = Literal["HS256", "RS256", "PS256", "ES256", "EdDSA"]


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the tree: no changes after start, no misspelt names."""
