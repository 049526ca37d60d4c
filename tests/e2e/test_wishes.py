"""What a client asks for with a message: the relay passes it on, or acts on it where the upstream
can't."""
import collections

import pytest

MESSAGE = b'From: <shop@example.com>\r\nSubject: order 42\r\n\r\nhello\r\n'

pytestmark = pytest.mark.user


@pytest.fixture
def relaying(postern, make_upstream):
    def start(*extensions, script=''):
        postern.host = make_upstream(script, extensions=('PIPELINING', 'SIZE', *extensions))
        postern.add_upstream(postern.host)
        postern.user = postern.add_user()
        return postern

    return start


def send(postern, *recipients, message=MESSAGE):
    with postern.client(postern.user) as client:
        client.sendmail('shop@example.com', recipients, message)


# ---- LIMITS of the upstream (RFC 9422) ----

def test_upstream_gets_no_more_recipients_than_it_takes(relaying):
    postern = relaying('LIMITS RCPTMAX=3 MAILMAX=2',
                       script='rcpt match=<r4@: reply 450 4.2.0 Mailbox busy')
    recipients = [f'r{i}@example.net' for i in range(10)]
    send(postern, *recipients)
    postern.wait_until_queue_is(1, '--state', 'deferred')
    messages = postern.host.wait_for(4)
    assert len(messages) == 4
    assert all(len(m.recipients) + len(m.refused) <= 3 for m in messages)
    assert sorted(r for m in messages for r in m.recipients) == sorted(
        set(recipients) - {'r4@example.net'})
    assert all(m.body.endswith(b'hello\r\n') for m in messages)
    on_each = collections.Counter(m.connection.number for m in messages)
    assert max(on_each.values()) == 2
    # Who was put off has a turn again when his time comes, and nobody else with him.
    postern.host.set_script('')
    postern.ctl('queue', 'retry', '--all')
    assert postern.host.wait_for(5)[4].recipients == ['r4@example.net']
    postern.wait_until_queue_is(0)


def test_upstream_gets_no_more_domains_on_a_connection_than_it_takes(relaying):
    postern = relaying('LIMITS RCPTDOMAINMAX=1')
    send(postern, 'a@one.example', 'b@two.example', 'c@ONE.example')
    messages = postern.host.wait_for(2)
    postern.wait_until_queue_is(0)
    assert [m.recipients for m in messages] == [['a@one.example', 'c@ONE.example'],
                                                ['b@two.example']]
    assert messages[0].connection.number != messages[1].connection.number
    assert len(postern.log_lines('event=delivered')) == 3
