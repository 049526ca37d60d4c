"""What goes before what at one upstream: among those that wait, and on a line of little bandwidth."""
import socket
import time

import pytest

from posternd import wait_until

pytestmark = pytest.mark.user


@pytest.fixture
def relay_to():
    """Makes the upstream postern's, and a function that sends; messages have the priority 5."""
    def make(postern, host, *options):
        postern.add_upstream(host, 'upstream', *options)
        user = postern.add_user('shop', '--priority', 5)

        def send(name, priority=5, size=100):
            text = f'From: <shop@example.com>\r\nX-Priority: {priority}\r\n\r\n'.encode()
            lines = b'.a line of a body, with its dot at the beginning, of 64 bytes..\r\n' * (size // 64 + 1)
            with postern.client(user) as client:
                client.sendmail('shop@example.com', [f'{name}@example.net'], text + lines)
        return send
    return make


@pytest.fixture
def relay(make_upstream, postern, relay_to):
    """An upstream that follows `script`: (host, send)."""
    def make(script, *options, **settings):
        host = make_upstream(script, **settings)
        return host, relay_to(postern, host, *options)
    return make


def names(host):
    return [message.recipients[0].split('@')[0] for message in host.messages]


def test_urgent_waits_for_no_connection_that_was_opened_for_another(postern, relay):
    """The second connection hangs in its greeting, the first is busy: a third is opened at once."""
    host, send = relay('banner connection=2: silent\ndot connection=1 message=1: sleep 1\n'
                       'dot connection=1 message=3: hold', '--connections', 3)
    send('first')
    send('second')                  # what the second connection is for; the first one takes it
    host.wait_for(2)
    send('third')
    host.wait_until(lambda: host.is_holding, what='the third message is held')
    assert names(host) == ['first', 'second']
    send('urgent', priority=1)
    host.wait_for(3)
    assert names(host) == ['first', 'second', 'urgent']
    host.release()
    host.wait_for(4)


def test_urgent_goes_first_when_no_further_connection_is_taken(postern, relay):
    """The failure of a connection that was opened for it harms nobody."""
    host, send = relay('banner connection=2: reply 421 4.7.0 Too many\nbanner connection=3: reply 421 4.7.0 '
                       'Too many\ndot connection=1 message=1: hold', '--connections', 3)
    send('first')
    host.wait_until(lambda: host.is_holding, what='the first message is held')
    send('second')
    host.wait_until(lambda: len(host.connections) >= 2 and host.connections[1].is_closed, what='no second one')
    send('urgent', priority=1)
    postern.wait_for_log('event=accepted', count=3)
    host.release()
    host.wait_for(3)
    postern.wait_until_queue_is(0)
    assert names(host) == ['first', 'urgent', 'second']
    assert not postern.log_lines('event=deferred') and not postern.log_lines('event=profile-stopped')


# ---- bandwidth ----

def received(connection, from_s=0, until_s=float('inf')):
    """Bytes that the upstream read in this time."""
    return sum(len(segment) for segment, at in zip(connection.segments, connection.times)
               if from_s <= at <= until_s)


@pytest.mark.parametrize('options, tls', [((), 'none'), (('--tls', 'starttls', '--tls-verify', 'no'), 'starttls')])
def test_lower_priority_pauses_in_mid_stream(postern, relay, options, tls):
    host, send = relay('', '--connections', 3, '--bandwidth', '200K', *options, tls=tls)
    send('low', priority=5, size=600_000)
    send('lower', priority=4, size=600_000)
    wait_until(lambda: sum(map(received, host.connections)) > 150_000, 'the beginning of both')
    send('urgent', priority=1, size=100_000)
    host.wait_for(1)
    assert names(host) == ['urgent']
    urgent = host.connections[2]
    begun_s = next(at for segment, at in zip(urgent.segments, urgent.times) if b'a line of' in segment)
    for connection in host.connections[:2]:         # 100,000 if they had shared
        assert received(connection, begun_s + 0.1, urgent.times[-1]) < 40_000
    host.wait_for(3)
    postern.wait_until_queue_is(0)
    assert names(host) == ['urgent', 'lower', 'low']
    assert all(len(message.wire) > 100_000 for message in host.messages)


def test_upstream_that_hangs_up_on_what_stands_still(make_postern, make_upstream, relay_to):
    """The one is tried again, the urgent one doesn't notice."""
    postern, host = make_postern(config='queue = { retry = "1s 1s 1s"; };'), make_upstream()
    send = relay_to(postern, host, '--connections', 2, '--bandwidth', '200K')
    send('low', size=600_000)
    wait_until(lambda: sum(map(received, host.connections)) > 50_000, 'the beginning')
    send('urgent', priority=1, size=400_000)
    wait_until(lambda: len(host.connections) > 1 and received(host.connections[1]) > 50_000, 'the urgent one')
    host.connections[0].sock.shutdown(socket.SHUT_RDWR)
    postern.wait_for_log('event=deferred', 'low@example.net')
    assert names(host) == []
    host.wait_for(2)
    postern.wait_until_queue_is(0)
    assert names(host) == ['urgent', 'low']


def test_bandwidth_is_shared(postern, relay):
    """All transfers of a profile together, dot-stuffing and all, and a change counts at once."""
    host, send = relay('', '--connections', 4, '--bandwidth', '200K')
    for name in 'one', 'two', 'three':
        send(name, size=5_000_000)
    wait_until(lambda: sum(received(connection) > 10_000 for connection in host.connections) == 3,
               'the beginning of all')
    begun_s = time.monotonic()
    time.sleep(1.5)
    ended_s = time.monotonic()
    shares = [received(connection, begun_s, ended_s) for connection in host.connections]
    assert sum(shares) < 204_800 * (ended_s - begun_s) * 1.25
    assert max(shares) < 1.5 * min(shares)
    postern.ctl('profile', 'set', 'upstream', '--bandwidth', 0)
    host.wait_for(3, within_s=20)
    postern.wait_until_queue_is(0)
