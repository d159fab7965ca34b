import socket
from typing import Any

import pytest
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import DatagramProtocol, ServerFactory

from gateway.sandbox.listening import listen, listen_both
from tests.servers.ports import free_ports


def test_tcp_and_udp_have_one_number(loop: Any) -> None:
    opened = loop.run(listen_both(ServerFactory(), DatagramProtocol()))
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(type=kind) as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", opened.port))
    loop.run(opened.close())


def test_a_port_that_is_taken_is_refused(loop: Any) -> None:
    opened = loop.call(listen, ServerFactory())
    with pytest.raises(CannotListenError):
        loop.call(listen, ServerFactory(), opened.port)
    loop.run(opened.close())


def test_a_closed_port_can_be_taken_again(loop: Any) -> None:
    port = loop.call(listen, ServerFactory(), free_ports(1)[0])
    loop.run(port.close())
    again = loop.call(listen, ServerFactory(), port.port)
    assert again.port == port.port
    loop.run(again.close())
