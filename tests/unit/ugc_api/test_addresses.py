"""Whose request it is, by connection and X-Forwarded-For."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ugc_api.limiting.addresses import Addresses, forwarded_for
from ugc_core.errors import ConfigError

TRUSTED = ("10.0.0.0/8", "127.0.0.1", "fd00::/8")
PEERS = ("203.0.113.9", "10.0.0.1", "127.0.0.1", "", "::1", "fd00::1", "a name")


@pytest.mark.parametrize(
    ("peer", "forwarded", "key"),
    [
        ("203.0.113.9", None, "203.0.113.9"),
        ("203.0.113.9", b"198.51.100.7", "203.0.113.9"),  # nobody who may speak for others
        ("10.0.0.1", b"198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", b"1.2.3.4, 198.51.100.7", "198.51.100.7"),  # the client's own invention
        ("10.0.0.1", b"1.2.3.4, 198.51.100.7, 10.9.9.9, 127.0.0.1", "198.51.100.7"),
        ("10.0.0.1", b"198.51.100.7, ,", "198.51.100.7"),
        ("10.0.0.1", b"198.51.100.7:4711", "198.51.100.7"),
        ("10.0.0.1", b'"[2001:db8:1:2:3::4]:4711"', "2001:db8:1:2::"),
        ("10.0.0.1", b"1.2.3.4, unknown", "10.0.0.1"),  # the proxy answers for it
        ("10.0.0.1", b"\xff\x00", "10.0.0.1"),
        ("10.0.0.1", None, ""),  # in nobody's name: one of ours
        ("10.0.0.1", b"10.0.0.2", "10.0.0.2"),
        ("", b"198.51.100.7", "198.51.100.7"),  # a Unix socket
        ("", None, ""),
        ("fd00::1", b"198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3::4", None, "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::", None, "2001:db8:1:2::"),
        ("2001:db8:1:3::", None, "2001:db8:1:3::"),
        ("::ffff:203.0.113.9", None, "203.0.113.9"),
        ("::ffff:10.0.0.1", b"198.51.100.7", "198.51.100.7"),
        ("fe80::1%eth0", None, "fe80::"),
        ("a name", None, "a name"),
    ],
)
def test_the_client_is_the_nearest_hop_that_is_none_of_ours(peer, forwarded, key):
    addresses = Addresses(TRUSTED)

    assert addresses.client_key(peer, forwarded) == key
    assert addresses.client_key(peer, forwarded) == key  # remembered


def test_without_trust_nothing_is_believed():
    addresses = Addresses(())

    assert addresses.client_key("127.0.0.1", b"198.51.100.7") == "127.0.0.1"


@pytest.mark.parametrize("trusted", ["10.0.0.0/99", "proxy", ""])
def test_what_is_no_network_stops_the_start(trusted):
    with pytest.raises(ConfigError, match=r"limits.trusted_proxies: .* is neither"):
        Addresses(["::1", trusted])


def test_several_headers_are_one():
    found = forwarded_for([(b"x-forwarded-for", b"a"), (b"b", b"c"), (b"x-forwarded-for", b"d")])

    assert found == b"a,d"
    assert forwarded_for([(b"b", b"c")]) is None


@given(peer=st.sampled_from(PEERS), forwarded=st.binary(max_size=60))
def test_whatever_is_forwarded_there_is_an_answer(peer, forwarded):
    assert isinstance(Addresses(TRUSTED).client_key(peer, forwarded), str)


@given(invented=st.binary(max_size=40).filter(lambda text: b"\0" not in text))
def test_nothing_that_a_client_invents_changes_who_it_is(invented):
    addresses = Addresses(TRUSTED)

    assert addresses.client_key("10.0.0.1", invented + b", 198.51.100.7") == "198.51.100.7"


@pytest.mark.parametrize(
    ("peer", "forwarded", "key"),
    [
        ("10.0.0.1", "1.2.3.4, " * 30 + "198.51.100.{}", "198.51.100.{}"),
        ("203.0.113.{}", "198.51.100.7", "203.0.113.{}"),
    ],
    ids=["long", "of an untrusted peer"],
)
def test_what_anybody_can_invent_is_not_remembered(peer, forwarded, key):
    addresses = Addresses(TRUSTED)

    for number in range(1, 21):
        headers = [(b"x-forwarded-for", forwarded.format(number).encode())]
        for _ in range(2):
            assert addresses.of_request(peer.format(number), headers) == key.format(number)

    assert len(addresses._known) == 0
