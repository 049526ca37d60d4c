"""What an operator meets at posternctl and its socket."""
import socket
import time

import pytest

pytestmark = pytest.mark.user


def test_clients_that_connect_and_leave_do_not_lock_others_out(postern):
    """More than the socket has places for; each place is free again at once."""
    for _ in range(200):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(postern.socket_path))
    started = time.monotonic()
    assert postern.ctl('list', 'ls') == []
    assert time.monotonic() - started < 10
