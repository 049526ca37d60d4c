"""What a profile's rates let through, to whom, and that no restart opens them; whose turn it is."""
import bisect
import os
import signal
import time

import pytest
from posternd import wait_until

pytestmark = pytest.mark.user


def send_many(postern, user, count, to='r', sender='a@example.com'):
    with postern.client(user) as client:
        for number in range(count):
            client.sendmail(sender, [f'{to}{number}@example.net'], b'Subject: s\r\n\r\nbody\r\n')


def profile(postern):
    return postern.ctl('profile', 'show', 'upstream')


def names(messages):
    return [message.recipients[0].split('@')[0] for message in messages]


def wait_until_limited(postern):
    wait_until(lambda: profile(postern)['state'] == 'limited', 'limited')


def test_rate_holds_and_is_shown(postern, sink):
    postern.add_upstream(sink, 'upstream', '--rate', '1000/m 5/h', '--recipient-rate', '100/d')
    send_many(postern, postern.add_user(), 8)
    sink.wait_for(5)
    wait_until_limited(postern)
    shown = profile(postern)
    assert shown['budget'] == [
        {'period': 60, 'messages': 1000, 'messages_left': 995,
         'recipients': None, 'recipients_left': None},
        {'period': 3600, 'messages': 5, 'messages_left': 0,
         'recipients': None, 'recipients_left': None},
        {'period': 86400, 'messages': None, 'messages_left': None,
         'recipients': 100, 'recipients_left': 95}]
    assert shown['rate_limited_until'] > time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())
    line = postern.wait_for_log('event=rate-limited')
    assert len(line) == 1 and 'profile=upstream' in line[0] and 'waiting=' in line[0]
    assert 'reason="own limit"' in line[0] and 'until=2' in line[0]
    assert len(sink.messages) == 5
    postern.ctl('profile', 'set', 'upstream', '--rate', 'none')
    sink.wait_for(8)
    postern.wait_until_queue_is(0)
    assert profile(postern)['state'] == 'ok'


def test_rate_comes_back(postern, sink):
    postern.add_upstream(sink, 'upstream', '--rate', '4/2s')
    send_many(postern, postern.add_user(), 12)
    sink.wait_for(4)
    begin = time.monotonic()
    sink.wait_for(12)
    assert time.monotonic() - begin > 3.5  # it is seen a moment after it went
    postern.wait_until_queue_is(0)


@pytest.mark.parametrize('is_killed', [False, True])
def test_rate_outlasts_a_restart(postern, sink, is_killed):
    postern.add_upstream(sink, 'upstream', '--rate', '5/h')
    user = postern.add_user()
    send_many(postern, user, 5)
    sink.wait_for(5)
    postern.wait_until_queue_is(0)
    if is_killed:
        postern.expect_trouble('role queue .*ended by signal 9|event=role-restarted')
        os.kill(next(role['pid'] for role in postern.ctl('status')['roles']
                     if role['name'] == 'queue'), signal.SIGKILL)
        postern.wait_for_log('event=role-restarted')
        wait_until(lambda: postern.run_ctl('queue', 'ls').returncode == 0, 'back')
    else:
        postern.restart()
    send_many(postern, user, 2)
    wait_until_limited(postern)
    assert profile(postern)['budget'][0]['messages_left'] == 0
    assert len(sink.messages) == 5


def test_reserve_is_for_the_urgent(postern, sink):
    """A newsletter used the hour up: a password reset goes out all the same."""
    postern.add_upstream(sink, 'upstream', '--rate', '10/h', '--reserve', '20%', '--connections', 1)
    news = postern.add_user('news', '--priority', 5)
    shop = postern.add_user('shop', '--priority', 1)
    send_many(postern, news, 12, 'n')
    sink.wait_for(8)
    wait_until_limited(postern)
    send_many(postern, shop, 3, 'p')
    assert names(sink.wait_for(10)) == [f'n{i}' for i in range(8)] + ['p0', 'p1']
    assert profile(postern)['state'] == 'limited'
    assert len(sink.messages) == 10


def send_to(postern, user, count, name='r'):
    with postern.client(user) as client:
        client.sendmail('a@example.com', [f'{name}{i}@example.net' for i in range(count)],
                        b'Subject: s\r\n\r\nbody\r\n')


def test_recipients_count(postern, sink):
    """It goes to as many as there are places for; what is behind waits its turn."""
    postern.add_upstream(sink, 'upstream', '--recipient-rate', '3/h')
    user = postern.add_user()
    send_to(postern, user, 5)
    send_to(postern, user, 1, 'next')
    sink.wait_for(1)
    wait_until_limited(postern)
    assert [message.recipients for message in sink.messages] == [
        [f'r{i}@example.net' for i in range(3)]]
    assert profile(postern)['budget'][0]['recipients_left'] == 0
    postern.ctl('profile', 'set', 'upstream', '--recipient-rate', 'none')
    assert sorted(names(sink.wait_for(3))) == ['next0', 'r0', 'r3']
    postern.wait_until_queue_is(0)


def test_recipients_per_message(postern, sink):
    """One with more goes in parts, one after the other or beside each other."""
    postern.add_upstream(sink, 'upstream', '--recipients-per-message', 4, '--connections', 2)
    user = postern.add_user()
    send_to(postern, user, 10)
    sink.wait_for(3)
    postern.wait_until_queue_is(0)
    assert [message.recipients for message in sink.messages] == [
        [f'r{i}@example.net' for i in part] for part in (range(4), range(4, 8), range(8, 10))]
    postern.ctl('profile', 'set', 'upstream', '--recipients-per-message', '')
    send_to(postern, user, 10)
    assert len(sink.wait_for(4)[3].recipients) == 10


def test_spread(postern, sink):
    """Evenly, by priority, and a line in the log isn't worth it."""
    postern.add_upstream(sink, 'upstream', '--rate', '8/8s', '--spread', 'yes', '--connections', 5)
    low = postern.add_user('low', '--priority', 5)
    high = postern.add_user('high', '--priority', 2)
    send_many(postern, low, 5, 'l')
    sink.wait_for(1)
    send_many(postern, high, 2, 'h')
    assert names(sink.wait_for(7)) == ['l0', 'h0', 'h1', 'l1', 'l2', 'l3', 'l4']
    came = sorted(at for connection in sink.connections
                  for segment, at in zip(connection.segments, connection.times)
                  for _ in range(segment.count(b'MAIL FROM:')))
    # A busy machine is late with one, not with all of them.
    assert sorted(b - a for a, b in zip(came, came[1:]))[2] >= 0.7
    assert came[-1] - came[0] >= 6 * 0.95
    assert not postern.log_lines('event=rate-limited')


def test_connections_of_a_profile(postern, sink):
    """So many messages on each, and no more new ones than the rate says."""
    postern.add_upstream(sink, 'upstream', '--messages-per-connection', 2, '--connection-rate',
                         '4/8s', '--connections', 5)
    begin = time.monotonic()
    send_many(postern, postern.add_user(), 6)
    sink.wait_for(6)
    assert time.monotonic() - begin >= 4
    assert len(sink.connections) == 3
    assert [len(connection.messages) for connection in sink.connections] == [2, 2, 2]


def most_recipients_in(sink, seconds):
    """In any such time, as the upstream saw them come."""
    came = sorted(at for connection in sink.connections
                  for segment, at in zip(connection.segments, connection.times)
                  for _ in range(segment.count(b'RCPT TO:')))
    return max(bisect.bisect_left(came, at + seconds) - i for i, at in enumerate(came))


def test_large_message_keeps_the_rate_and_lets_others_by(postern, sink):
    """1,000 recipients, where 300 may go in four seconds."""
    postern.add_upstream(sink, 'upstream', '--recipient-rate', '300/4s', '--connections', 1)
    news, shop = postern.add_user('news'), postern.add_user('shop')
    send_many(postern, shop, 1, 'first')
    sink.wait_for(1)
    send_to(postern, news, 1000, 'n')
    sink.wait_for(2)
    send_many(postern, shop, 3, 's')
    wait_until(lambda: not postern.queued(), 'all of it', within_s=60)
    recipients = [name for message in sink.messages for name in message.recipients]
    assert sorted(recipients) == sorted(
        [f'{name}@example.net' for name in ['first0', 's0', 's1', 's2']] +
        [f'n{i}@example.net' for i in range(1000)])
    assert [name for name in recipients if name[0] == 'n'] == [
        f'n{i}@example.net' for i in range(1000)]
    order = names(sink.messages)
    assert order[1] == 'n0' and order.index('s2') < len(order) - 1
    assert len(sink.messages[1].recipients) in (299, 300)
    # The way there takes a moment, now longer, now shorter.
    assert most_recipients_in(sink, 3) <= 300


@pytest.mark.parametrize('change', ['rm', 'hold'])
def test_none_of_those_that_are_changed_goes(postern, sink, change):
    """They wait for a place, the urgent one first; when there are places it is too late."""
    postern.add_upstream(sink, 'upstream', '--recipient-rate', '10/59s')
    user = postern.add_user()

    def send(name, count, priority):
        with postern.client(user) as client:
            client.sendmail('a@example.com', [f'{name}{i}@example.net' for i in range(count)],
                            b'X-Priority: %d\r\n\r\nbody\r\n' % priority)
    send('first', 10, 3)
    sink.wait_for(1)
    postern.ctl('profile', 'pause', 'upstream')
    for _ in range(3):
        send('small', 1, 3)
    send('large', 8, 1)
    postern.ctl('profile', 'resume', 'upstream')
    wait_until_limited(postern)
    assert postern.ctl('queue', change, '--user', 'shop')['count'] == 4
    postern.ctl('profile', 'set', 'upstream', '--recipient-rate', 'none')
    # Somebody else's shows that there was time for those to go.
    send_many(postern, postern.add_user('other'), 1, 'other')
    wait_until(lambda: 'other0' in names(sink.messages), 'the other')
    postern.wait_until_queue_is(4 if change == 'hold' else 0)
    assert names(sink.messages) == ['first0', 'other0']


def test_what_waits_for_a_rate_goes_by_priority(postern, sink):
    postern.add_upstream(sink, 'upstream', '--rate', '2/3s', '--connections', 1)
    low = postern.add_user('low', '--priority', 5)
    high = postern.add_user('high', '--priority', 2)
    send_many(postern, low, 4, 'l')
    sink.wait_for(2)
    send_many(postern, high, 2, 'h')
    order = names(sink.wait_for(6))
    assert order == ['l0', 'l1', 'h0', 'h1', 'l2', 'l3']
    postern.wait_until_queue_is(0)


# ---- turns ----

def test_newsletter_does_not_hold_up_another_user(postern, make_upstream):
    host = make_upstream('dot times=1: hold')
    postern.add_upstream(host, 'upstream', '--connections', 1)
    news, shop = postern.add_user('news'), postern.add_user('shop')
    send_many(postern, news, 1, 'first')
    host.wait_until(lambda: host.is_holding)
    send_many(postern, news, 50, 'n')
    send_many(postern, shop, 1, 's')
    host.release()
    order = names(host.wait_for(52))
    assert order.index('s0') <= 3
    assert order[0] == 'first0' and [name for name in order if name[0] == 'n'] == [
        f'n{number}' for number in range(50)]
    postern.wait_until_queue_is(0)


def test_lower_priorities_have_a_share(make_postern, make_upstream):
    postern = make_postern(config='queue = { lower_share = 25; };')
    host = make_upstream('dot times=1: hold')
    postern.add_upstream(host, 'upstream', '--connections', 1)
    low, high = postern.add_user('low', '--priority', 5), postern.add_user('high')
    send_many(postern, high, 1, 'first')
    host.wait_until(lambda: host.is_holding)
    send_many(postern, low, 5, 'l')
    send_many(postern, high, 15, 'h')
    host.release()
    order = ''.join(name[0] for name in names(host.wait_for(21)))
    assert order == 'f' + 'hhhl' * 5


def test_last_connection_is_kept_for_the_urgent(postern, make_upstream):
    host = make_upstream('dot: hold')
    postern.add_upstream(host, 'upstream', '--connections', 2)
    low, high = postern.add_user('low', '--priority', 3), postern.add_user('high')
    postern.ctl('user', 'set', 'high', '--priority', 2)
    send_many(postern, low, 2, 'l')
    host.wait_until(lambda: host.is_holding)
    send_many(postern, high, 1, 'h')
    host.wait_until(lambda: len(host.connections) == 2)
    assert sorted(postern.ctl('queue', 'ls', '--state', 'sending')[i]['priority']
                  for i in range(2)) == [2, 3]
    host.set_script('')
    host.release()
    host.wait_for(3)
    postern.wait_until_queue_is(0)
