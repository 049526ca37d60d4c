"""What goes before what at one upstream: among those that wait, and on a line of little bandwidth."""
import pytest

pytestmark = pytest.mark.user


@pytest.fixture
def relay(make_upstream, postern):
    """An upstream that follows `script`: (host, send); the user's messages have the priority 5."""
    def make(script, *options):
        host = make_upstream(script)
        postern.add_upstream(host, 'upstream', *options)
        user = postern.add_user('shop', '--priority', 5)

        def send(name, priority=5, size=100):
            text = f'From: <shop@example.com>\r\nX-Priority: {priority}\r\n\r\n'.encode()
            lines = b'.a line of a body, with its dot at the beginning, of 64 bytes..\r\n' * (size // 64 + 1)
            with postern.client(user) as client:
                client.sendmail('shop@example.com', [f'{name}@example.net'], text + lines)
        return host, send
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
