"""A connection asks now and then whether the other machine is there."""

import socket

from tradepulse.runtime.db import keep_alive


def test_a_tcp_connection_is_kept_alive_and_a_local_one_left_alone() -> None:
    with socket.socket(socket.AF_INET) as line:
        keep_alive(line)
        assert line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
        if hasattr(socket, "TCP_KEEPIDLE"):
            assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
    with socket.socket(socket.AF_UNIX) as local:
        keep_alive(local)
        assert local.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
