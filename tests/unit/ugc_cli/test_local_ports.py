"""Which ports can be listened on."""

import socket

import pytest

from ugc_cli.local_ports import claim
from ugc_core.errors import InUseError

HOST = "127.0.0.1"


def test_zero_gives_a_port_that_can_be_listened_on():
    port = claim(HOST, 0, option="--port", what="API")

    with socket.create_server((HOST, port)):
        assert 0 < port < 65_536


def test_a_free_port_is_given_back_as_asked():
    port = claim(HOST, 0, option="--port", what="API")

    assert claim(HOST, port, option="--port", what="API") == port


def test_a_port_where_somebody_listens_is_refused_with_the_option():
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(InUseError, match=f"port {port} for the API .* another with --port N"):
            claim(HOST, port, option="--port", what="API")


def test_a_port_whose_last_connection_is_only_just_over_can_be_listened_on_again():
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection((HOST, port))
        accepted, _ = server.accept()
        accepted.close()  # our side waits in TIME_WAIT now
        client.close()

    assert claim(HOST, port, option="--port", what="API") == port


def test_an_address_that_is_not_this_machine_s_is_refused():
    with pytest.raises(InUseError, match=r"192\.0\.2\.1"):
        claim("192.0.2.1", 0, option="--port", what="API")
