"""Whose request it is, as far as its network address tells."""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from ugc_core.errors import ConfigError

_REMEMBERED = 10_000
_MOST_FORWARDED = 256
"""Longer ones are read anew each time: what is remembered is bounded in bytes, too."""
_IPV6_CLIENT_BITS = 64
"""A household or a phone gets a /64 at least, and may use any address in it."""

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Headers = Iterable[tuple[bytes, bytes]]


class Addresses:
    """Names the client behind a connection; proxies that we trust may speak for others."""

    def __init__(self, trusted: Sequence[str]) -> None:
        """Trust these proxies: addresses and networks.

        Raises:
            ConfigError: One of them is neither.
        """
        self._trusted = [_network(name) for name in trusted]
        self._known: dict[tuple[str, bytes | None], str] = {}
        self._direct: dict[str, str] = {}

    def of_request(self, peer: str, headers: Headers) -> str:
        """Return the `client_key` of a request with these headers."""
        known = self._direct.get(peer)
        if known is not None:  # nobody who may speak for others: no need to look
            return known
        forwarded = forwarded_for(headers)
        found = self._known.get((peer, forwarded))
        if found is not None:
            return found
        if self._trusts(peer):
            return self.client_key(peer, forwarded)
        if len(self._direct) >= _REMEMBERED:
            self._direct.clear()
        found = self._direct[peer] = self._find(peer, None)
        return found

    def client_key(self, peer: str, forwarded: bytes | None) -> str:
        """Return what stands for the client; empty where no limit by address applies.

        Believed is the rightmost hop of X-Forwarded-For that no proxy of ours is: all that
        stands left of it is the client's own invention. If all are ours, it is the farthest. A
        trusted peer that speaks for nobody is one of ours (a probe, a load test), and so is who
        is at a Unix socket.

        Args:
            peer: Address at the other end of the connection; empty at a Unix socket.
            forwarded: X-Forwarded-For, its lines joined by commas.
        """
        asked = peer, forwarded
        found = self._known.get(asked)
        if found is None:
            found = self._find(peer, forwarded)
            if forwarded is not None and len(forwarded) > _MOST_FORWARDED:
                return found
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[asked] = found
        return found

    def _trusts(self, peer: str) -> bool:
        address = _address(peer)
        return not peer or (address is not None and self._is_ours(address))

    def _find(self, peer: str, forwarded: bytes | None) -> str:
        if not self._trusts(peer):
            return _key(_address(peer)) or peer
        farthest: Address | None = None
        for hop in _hops(forwarded):
            farthest = _address(hop)
            if farthest is None:
                return peer  # who passed it on answers for what it did not name
            if not self._is_ours(farthest):
                break
        return _key(farthest)

    def _is_ours(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def forwarded_for(headers: Headers) -> bytes | None:
    """Return every X-Forwarded-For of a request as one."""
    found: bytes | None = None
    for name, value in headers:
        if name == b"x-forwarded-for":
            found = value if found is None else found + b"," + value
    return found


def _hops(forwarded: bytes | None) -> Iterator[str]:
    """Yield the hops, the nearest first; empty ones do not count."""
    for part in reversed((forwarded or b"").decode("latin-1").split(",")):
        if hop := part.strip():
            yield hop


def _address(text: str) -> Address | None:
    """Read an address, with or without a port; an IPv4 address in IPv6's clothes is IPv4."""
    bare = text.strip('"').split("%")[0]
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        found = ip_address(bare)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def _key(address: Address | None) -> str:
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, _IPV6_CLIENT_BITS), strict=False).network_address)
    return str(address) if address else ""


def _network(name: str) -> Network:
    try:
        return ip_network(name, strict=False)
    except ValueError as error:
        msg = f"limits.trusted_proxies: {name!r} is neither an address nor a network"
        raise ConfigError(msg) from error
