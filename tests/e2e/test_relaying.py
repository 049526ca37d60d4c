"""How mail leaves: connections and their reuse, order, limits, and which profile serves whom."""
import threading

import pytest

from posternd import wait_until

SENDER = 'shop@example.com'
HEADER = b'From: <shop@example.com>\r\nSubject: x\r\n\r\n'

pytestmark = pytest.mark.user


def send(postern, user, *recipients, headers=b'', body=b'hello\r\n', client=None):
    if client is None:
        with postern.client(user) as client:
            return send(postern, user, *recipients, headers=headers, body=body, client=client)
    return client.sendmail(SENDER, recipients or ['b@example.net'], headers + HEADER + body)


def send_many(postern, user, count, **settings):
    with postern.client(user) as client:
        for number in range(count):
            send(postern, user, f'{number}@example.net', client=client, **settings)


def at_once(host):
    return sum(not connection.is_closed for connection in host.connections)


# ---- connections ----

def test_one_connection_serves_many_messages(postern, sink):
    postern.add_upstream(sink, 'upstream', '--connections', 1)
    send_many(postern, postern.add_user(), 50)
    messages = sink.wait_for(50)
    postern.wait_until_queue_is(0)
    assert len(sink.connections) == 1
    assert sorted(int(m.recipients[0].split('@')[0]) for m in messages) == list(range(50))
    assert sink.connections[0].commands.count(b'QUIT') == 0
    assert sum(line.startswith(b'EHLO') for line in sink.connections[0].commands) == 1


def test_connection_is_ended_politely_after_100_messages(postern, sink):
    postern.add_upstream(sink, 'upstream', '--connections', 1)
    send_many(postern, postern.add_user(), 105)
    sink.wait_for(105)
    postern.wait_until_queue_is(0)
    assert len(sink.connections) == 2
    assert [len(connection.messages) for connection in sink.connections] == [100, 5]
    assert sink.connections[0].commands[-1] == b'QUIT'


@pytest.mark.parametrize('limit, priority, used', [(1, 3, 1), (3, 3, 2), (3, 2, 3)])
def test_connections_at_once(postern, make_upstream, limit, priority, used):
    """Of several the last is kept for priorities 1 and 2."""
    host = make_upstream('dot: sleep 0.2')
    postern.add_upstream(host, 'upstream', '--connections', limit)
    user = postern.add_user('shop', '--priority', priority)
    postern.ctl('profile', 'pause', 'upstream')
    send_many(postern, user, 9)
    most, is_over = [], threading.Event()

    def watch():
        while not is_over.wait(0.01):
            most.append(at_once(host))
    watcher = threading.Thread(target=watch)
    watcher.start()
    postern.ctl('profile', 'resume', 'upstream')
    host.wait_for(9)
    is_over.set()
    watcher.join()
    postern.wait_until_queue_is(0)
    assert max(most) == used and len(host.connections) == used


def test_connection_too_many_for_the_upstream(postern, make_upstream):
    """It takes two of three: those carry everything, and the profile isn't stopped for it."""
    host = make_upstream('banner connection=1: sleep 0.3\nbanner connection=2: sleep 0.3\n'
                         'banner connection=3: reply 421 4.7.0 Too many connections\n'
                         'dot: sleep 0.02')
    postern.add_upstream(host, 'upstream', '--connections', 3)
    user = postern.add_user('shop', '--priority', 2)
    postern.ctl('profile', 'pause', 'upstream')
    send_many(postern, user, 30)
    postern.ctl('profile', 'resume', 'upstream')
    host.wait_for(30)
    postern.wait_until_queue_is(0)
    assert not postern.log_lines('event=profile-stopped')
    assert not postern.log_lines('event=deferred')
    assert len(host.connections) == 3


def test_connections_that_all_fail_are_one_failure(postern, make_upstream):
    host = make_upstream('banner: reply 421 4.7.0 Closed')
    postern.add_upstream(host, 'upstream', '--connections', 3)
    user = postern.add_user()
    postern.ctl('profile', 'pause', 'upstream')
    send_many(postern, user, 9)
    postern.ctl('profile', 'resume', 'upstream')
    wait_until(lambda: postern.ctl('profile', 'show', 'upstream')['state'] == 'limited', 'limited')
    assert len(postern.log_lines('event=profile-stopped')) == 1
    assert len(host.connections) <= 3
    host.set_script('')
    postern.ctl('profile', 'resume', 'upstream')
    host.wait_for(9)
    postern.wait_until_queue_is(0)


def test_wrong_password_is_said_on_few_connections(postern, make_upstream):
    host = make_upstream(auth=('PLAIN',))
    postern.add_upstream(host, 'upstream', '--connections', 3, '--tls', 'none', '--username',
                         'user', '--password-stdin', stdin='wrong\n')
    user = postern.add_user()
    postern.ctl('profile', 'pause', 'upstream')
    send_many(postern, user, 9)
    postern.ctl('profile', 'resume', 'upstream')
    wait_until(lambda: postern.ctl('profile', 'show', 'upstream')['state'] == 'stopped', 'stopped')
    assert len(postern.queued()) == 9
    assert len(host.connections) <= 3


def test_pipelining(postern, make_upstream):
    with_it, without = make_upstream(), make_upstream(extensions=['SIZE 1000000'])
    user = postern.add_user()
    for name, host in (('with', with_it), ('without', without)):
        postern.add_upstream(host, name)
        send(postern, user, 'a@example.net', 'b@example.net')
        message, = host.wait_for(1)
        assert message.recipients == ['a@example.net', 'b@example.net']
    postern.wait_until_queue_is(0)
    envelope = [s for s in with_it.connections[0].segments if s.startswith(b'MAIL')]
    assert envelope[0].endswith(b'DATA\r\n') and envelope[0].count(b'RCPT') == 2
    for verb in b'MAIL', b'RCPT', b'DATA':
        for segment in without.connections[0].segments:
            assert not segment.startswith(verb) or segment.count(b'\r\n') == 1


def test_parameters_only_where_they_are_understood(postern, make_upstream):
    modern, old = make_upstream(), make_upstream(extensions=[])
    user = postern.add_user()
    for name, host in (('modern', modern), ('old', old)):
        postern.add_upstream(host, name)
        with postern.client(user) as client:
            client.sendmail(SENDER, ['b@example.net'], HEADER + 'Grüße\r\n'.encode(),
                            mail_options=['BODY=8BITMIME'])
        host.wait_for(1)
    postern.wait_until_queue_is(0)
    line = modern.messages[0].mail
    assert b' BODY=8BITMIME' in line
    assert b' SIZE=%d' % len(modern.messages[0].body) in line
    assert old.messages[0].mail == b'MAIL FROM:<shop@example.com>'


def test_size_over_the_announced_limit_is_not_sent(postern, make_upstream):
    host = make_upstream(extensions=['SIZE 5000', 'PIPELINING'])
    postern.add_upstream(host)
    user = postern.add_user()
    send(postern, user, body=b'x' * 70 + b'\r\n' + b'y' * 800 + b'\r\n' + b'z' * 900 + b'\r\n' +
         (b'w' * 900 + b'\r\n') * 5)
    postern.wait_for_log('event=bounced', 'code=552', 'enhanced=5.3.4', '5000')
    notice, = host.wait_for(1)
    assert notice.sender == '' and b'5000' in notice.body
    postern.wait_until_queue_is(0)
    assert not any(b'FROM:<shop' in line for line in host.connections[0].commands)


def test_ehlo_name(postern, sink):
    postern.add_upstream(sink)
    user = postern.add_user()
    send(postern, user)
    assert sink.wait_for(1)[0].connection.helo == 'relay.example'
    postern.ctl('profile', 'set', 'upstream', '--ehlo', 'other.example')
    send(postern, user)
    assert sink.wait_for(2)[1].connection.helo == 'other.example'


# ---- order ----

def test_higher_priority_overtakes(postern, make_upstream):
    """One is on its way; what comes behind goes by priority, and within it by age."""
    host = make_upstream('dot times=1: hold')
    postern.add_upstream(host, 'upstream', '--connections', 1)
    user = postern.add_user('shop', '--priority', 5)
    send(postern, user, 'first@example.net')
    host.wait_until(lambda: host.is_holding)
    for number in range(3):
        send(postern, user, f'low{number}@example.net', headers=b'X-Priority: 5\r\n')
    for number in range(3):
        send(postern, user, f'high{number}@example.net', headers=b'X-Priority: 1\r\n')
    assert len(host.messages) == 0
    host.release()
    order = [message.recipients[0].split('@')[0] for message in host.wait_for(7)]
    assert order == ['first', 'high0', 'high1', 'high2', 'low0', 'low1', 'low2']


# ---- which profile ----

def test_queued_mail_goes_where_the_new_default_points(postern, make_upstream):
    old, new = make_upstream('mail: reply 451 4.3.0 Later'), make_upstream()
    postern.add_upstream(old, 'old')
    send_many(postern, postern.add_user(), 3)
    postern.wait_until_queue_is(3, '--state', 'deferred')
    postern.add_upstream(new, 'new')
    assert {message['profile'] for message in postern.queued()} == {'new'}
    postern.ctl('queue', 'retry', '--all')
    new.wait_for(3)
    postern.wait_until_queue_is(0)
    assert old.messages == []


def test_mail_of_a_stopped_profile_goes_where_the_new_default_points(postern, make_upstream):
    """Nothing has to be told to the queue: what was ready goes at once."""
    old, new = make_upstream('banner: reply 554 5.3.2 Closed'), make_upstream()
    postern.add_upstream(old, 'old')
    send_many(postern, postern.add_user(), 3)
    wait_until(lambda: postern.ctl('profile', 'show', 'old')['state'] == 'limited', 'limited')
    postern.add_upstream(new, 'new')
    new.wait_for(3)
    postern.wait_until_queue_is(0)


@pytest.mark.parametrize('changed', ['user', 'list'])
def test_queued_mail_follows_its_user_and_its_list(postern, make_upstream, changed):
    default, own = make_upstream('banner: drop'), make_upstream()
    postern.add_upstream(own, 'own')
    postern.add_upstream(default, 'default')
    user = postern.add_user()
    other = postern.add_user('crm', list_name='others')
    send(postern, user, 'mine@example.net')
    send(postern, other, 'other@example.net')
    wait_until(lambda: postern.ctl('profile', 'show', 'default')['state'] == 'limited', 'limited')
    postern.ctl(*{'user': ('user', 'set', 'shop'), 'list': ('list', 'set', 'web')}[changed],
                '--profile', 'own')
    own.wait_for(1)
    postern.wait_until_queue_is(1)
    assert [message.recipients for message in own.messages] == [['mine@example.net']]
    assert postern.queued()[0]['user'] == 'crm'


def test_changed_host_takes_what_waits(postern, make_upstream):
    old, new = make_upstream('banner: silent'), make_upstream()
    postern.add_upstream(old, 'upstream', '--timeout', '60s')
    send_many(postern, postern.add_user(), 2)
    old.wait_until(lambda: old.connections)
    postern.ctl('profile', 'set', 'upstream', '--port', new.port)
    new.wait_for(2)
    postern.wait_until_queue_is(0)


def test_pause_lets_what_is_on_its_way_arrive(postern, make_upstream):
    host = make_upstream('dot times=1: hold')
    postern.add_upstream(host, 'upstream', '--connections', 1)
    user = postern.add_user()
    send(postern, user)
    host.wait_until(lambda: host.is_holding)
    postern.ctl('profile', 'pause', 'upstream')
    send_many(postern, user, 3)
    host.release()
    host.wait_for(1)
    postern.wait_until_queue_is(3)
    assert len(host.messages) == 1
    assert postern.ctl('profile', 'show', 'upstream')['state'] == 'paused'
    postern.restart()
    assert postern.ctl('profile', 'show', 'upstream')['state'] == 'paused'
    assert len(postern.queued()) == 3 and len(host.messages) == 1
    postern.ctl('profile', 'resume', 'upstream')
    host.wait_for(4)
    postern.wait_until_queue_is(0)


def test_limited_profile_is_still_limited_after_a_restart(postern, make_upstream):
    host = make_upstream('banner: reply 421 4.7.0 Slow down')
    postern.add_upstream(host)
    send(postern, postern.add_user())
    wait_until(lambda: postern.ctl('profile', 'show', 'upstream')['state'] == 'limited', 'limited')
    before = postern.ctl('profile', 'show', 'upstream')
    postern.restart()
    after = postern.ctl('profile', 'show', 'upstream')
    assert after['state'] == 'limited'
    assert after['rate_limited_until'] == before['rate_limited_until']
    assert 'Slow down' in after['last_error']
    host.set_script('')
    postern.ctl('profile', 'resume', 'upstream')
    host.wait_for(1)
    postern.wait_until_queue_is(0)
