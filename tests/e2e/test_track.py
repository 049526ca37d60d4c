"""What became of messages: found by every key, told like a story, counted without a gap."""
import os
import signal
import smtplib
import time

import pytest

from posternd import CtlError, free_ports, wait_until

HEADER = b'Message-ID: <%s@example.com>\r\nFrom: Shop <shop@example.com>\r\nSubject: Order\r\n\r\n'
MIXED = ('rcpt match=full: reply 452 4.2.2 Mailbox full\n'
         'rcpt match=gone: reply 550 5.1.1 No such user')


def send(postern, name, *recipients, sender='bounces+7@mailer.example'):
    with postern.client(postern.user) as client:
        client.sendmail(sender, recipients, HEADER % name.encode() + b'hello\r\n')


@pytest.fixture
def tracked(postern, make_upstream):
    """One message that was delivered, one of which a recipient waits and another failed."""
    postern.upstream = make_upstream(MIXED)
    postern.add_upstream(postern.upstream)
    postern.user = postern.add_user()
    send(postern, 'one', 'kate@example.net')
    postern.upstream.wait_for(1)
    send(postern, 'two', 'ok@example.org', 'full@example.net', 'gone@example.net')
    wait_until(lambda: len(fates(postern, '--message-id', 'two@example.com')) == 3, 'three fates')
    return postern


def tracked_id(postern, name):
    found = postern.ctl('track', '--message-id', f'<{name}@example.com>')
    return found[0]['id'] if found else '0'


def fates(postern, *options):
    """{recipient: state} of those that have heard something."""
    return {recipient['to']: recipient['state']
            for message in postern.ctl('track', *options)
            for recipient in message['recipients'] if recipient['code']}


def tracked_names(postern, *options):
    return [message['message_id'][1:4] for message in postern.ctl('track', *options)]


@pytest.mark.parametrize('options, names', [
    (['--to', 'kate@example.net'], ['one']), (['--to', 'KATE@Example.NET'], ['one']),
    (['--to', '@example.net', '--from', '@mailer.example'], ['two', 'one']),
    (['--to', 'ok@example.org'], ['two']), (['--to', 'ok@example.net'], []),
    (['--from', 'bounces+7@mailer.example'], ['two', 'one']),
    (['--from', 'shop@example.com'], ['two', 'one']),
    (['--message-id', 'one@example.com'], ['one']), (['--message-id', '<two@example.com>'], ['two']),
    (['--user', 'shop', '--limit', '1', '--from', '@mailer.example'], ['two']),
    (['--list', 'web', '--to', 'gone@example.net'], ['two']), (['--user', 'nobody'], []),
    (['--since', '1h', '--to', 'kate@example.net'], ['one']), (['--until', '1h'], []),
    (['--since', '2020-01-01T00:00:00Z', '--until', '2020-01-02T00:00:00Z'], [])])
def test_found_by_each_key(tracked, options, names):
    assert tracked_names(tracked, *options) == names


def test_story_of_one_that_was_delivered(tracked):
    message, = tracked.ctl('track', '--to', 'kate@example.net')
    assert (message['fate'], message['state'], message['user'], message['list'],
            message['profile'], message['subject'], message['priority']) == (
        'delivered', 'delivered', 'shop', 'web', 'upstream', 'Order', 3)
    assert message['client'].startswith('127.0.0.1:') and message['ended_at']
    attempt, = message['attempts']
    assert (attempt['fate'], attempt['code'], attempt['to'], attempt['profile']) == (
        'delivered', 250, ['kate@example.net'], 'upstream')
    assert str(tracked.upstream.port) in attempt['upstream'] and attempt['at']
    text = tracked.run_ctl('track', '--to', 'kate@example.net').stdout
    for words in ('accepted from 127.0.0.1:', 'as shop of web', 'delivered to kate@example.net'
                  ' through upstream', '250 '):
        assert words in text, text


def test_story_of_one_that_is_still_in_the_queue(tracked):
    message, = tracked.ctl('track', '--to', 'full@example.net')
    assert message['fate'] is None and message['state'] == 'deferred'
    assert {recipient['to']: recipient['state'] for recipient in message['recipients']} == {
        'ok@example.org': 'delivered', 'full@example.net': 'deferred',
        'gone@example.net': 'failed'}
    assert [(attempt['fate'], attempt['to']) for attempt in message['attempts']] == [
        ('delivered', ['ok@example.org']), ('deferred', ['full@example.net']),
        ('failed', ['gone@example.net'])]
    assert 'Mailbox full' in tracked.run_ctl('track', '--to', 'full@example.net').stdout


def test_message_is_found_before_any_attempt(postern, sink):
    postern.add_upstream(sink)
    postern.ctl('profile', 'pause', 'upstream')
    postern.user = postern.add_user()
    send(postern, 'now', 'kate@example.net')
    message, = postern.ctl('track', '--to', 'kate@example.net')
    assert message['state'] == 'ready' and message['attempts'] == [] and message['fate'] is None
    assert message['profile'] == 'upstream'
    postern.ctl('queue', 'rm', message['id'])
    message, = postern.ctl('track', '--to', 'kate@example.net')
    assert message['fate'] == 'removed' and message['recipients'][0]['state'] == 'removed'


def test_show_of_one_that_has_gone_points_to_its_history(tracked):
    ident = tracked_id(tracked, 'one')
    done = tracked.run_ctl('queue', 'show', ident)
    assert done.returncode == 1 and 'track --id' in done.stderr
    assert tracked.ctl('track', '--id', ident)[0]['fate'] == 'delivered'
    assert 'delivered to kate' in tracked.run_ctl('queue', 'show', ident, '--transcript').stdout
    with pytest.raises(CtlError) as caught:
        tracked.ctl('track', '--id', 'ZZZZZZ')
    assert caught.value.status == 1


@pytest.mark.parametrize('options', [
    ['--limit', '0'], ['--since', 'yesterday'], ['--id', '!'], ['--until', '2h', '--since', '1h']])
def test_what_makes_no_sense_is_refused(postern, options):
    done = postern.run_ctl('track', *options)
    assert done.returncode == 1 and options[0][2:] in done.stderr, done


def send_to_many(postern, name, count, domain='example.net'):
    send(postern, name, *[f'recipient{number}@{domain}' for number in range(count)])


def test_answer_without_room_for_all_says_so(postern, sink):
    """Fifty messages of 60 recipients are some 600 KiB, most of them of one or two seconds."""
    postern.add_upstream(sink)
    postern.user = postern.add_user()
    for number in range(50):
        send_to_many(postern, f'a{number:02}', 60)
    postern.wait_until_queue_is(0)
    everything = [f'a{number:02}' for number in reversed(range(50))]

    def names(messages):
        return [message['message_id'][1:4] for message in messages]

    newest = postern.get('/v1/track?limit=1000')
    assert 25 < len(newest) < 50
    assert [message['has_more'] for message in newest] == [False] * (len(newest) - 1) + [True]
    rest = postern.get(f'/v1/track?limit=1000&skip={len(newest)}')
    assert not rest[-1]['has_more']
    assert names(newest) + names(rest) == everything
    # posternctl asks on by itself.
    told = postern.ctl('track', '--limit', '1000')
    assert names(told) == everything and not any(message['has_more'] for message in told)
    done = postern.run_ctl('track')
    assert (done.stdout.count('accepted from'), done.stderr) == (50, '')
    some = postern.ctl('track', '--limit', '45')
    assert names(some) == everything[:45] and some[-1]['has_more']
    done = postern.run_ctl('track', '--limit', '3', '--skip', '2')
    assert done.stdout.count('accepted from') == 3
    assert 'there are more than these 3: --skip 5 shows those before' in done.stderr
    assert names(postern.ctl('track', '--limit', '3', '--skip', '48')) == everything[48:]
    assert postern.ctl('track', '--skip', '50') == []
    done = postern.run_ctl('track', '--skip', '200001')
    assert done.returncode == 1 and 'skip is a number from 0 to 200000' in done.stderr


def test_messages_that_alone_fill_an_answer_are_told(postern, make_upstream):
    """So many recipients, each with a long reply: what the queue knows of them is even more."""
    host = make_upstream('rcpt: reply 451 4.7.1 ' + 'x' * 400)
    postern.add_upstream(host)
    postern.user = postern.add_user()
    for name in ('one', 'two', 'six'):
        send_to_many(postern, name, 1000)
    postern.wait_until_queue_is(3, '--state', 'deferred')
    for name in ('one', 'two', 'six'):
        message, = postern.ctl('track', '--message-id', f'{name}@example.com')
        assert message['state'] == 'deferred' and message['recipient_count'] == 1000
        assert 100 < len(message['recipients']) < 1000 and not message['has_more']
        assert message['recipients'][0]['reply'] == 'x' * 400
        assert 'deferred for recipient0@example.net' in postern.run_ctl(
            'track', '--id', message['id']).stdout
    newest, *_ = postern.get('/v1/track')
    assert newest['message_id'] == '<six@example.com>'
    assert len({message['id'] for message in postern.ctl('track')}) == 3


def totals(postern, *options):
    return postern.ctl('stats', *options)['total']


def adds_up(postern):
    """Whether what was accepted is what has an end and what is in the queue."""
    total = totals(postern)
    waiting = len(postern.queued('--limit', '1000'))
    return total['accepted'] == total['sent'] + total['bounced'] + total['removed'] + waiting


def test_statistics_add_up(tracked):
    total = totals(tracked)
    # Two of the user's, and the notice of the recipient that failed.
    assert (total['accepted'], total['notices'], total['recipients']) == (3, 1, 5)
    assert total['failed'] == 1 and total['deferred'] >= 1 and total['bytes'] > 0
    wait_until(lambda: totals(tracked)['delivered'] == 3, 'all that can be is delivered')
    assert adds_up(tracked)
    assert 0 <= totals(tracked)['latency']['p50'] < 60
    for options in (['--user', 'shop'], ['--list', 'web'], ['--profile', 'upstream'],
                    ['--by', 'hour'], ['--by', 'day'], ['--by', 'profile']):
        result = tracked.ctl('stats', *options)
        assert result['total']['accepted'] == 3, options
        assert sum(row['accepted'] for row in result['rows']) == 3
    text = tracked.run_ctl('stats', '--by', 'list').stdout
    assert text.splitlines()[0].split()[:3] == ['LIST', 'ACCEPTED', 'SENT']
    assert text.splitlines()[-1].split()[:2] == ['total', '3']
    assert tracked.run_ctl('stats', '--by', 'moon').returncode == 1
    for noun in ('list', 'user', 'profile'):
        done = tracked.run_ctl('stats', f'--{noun}', 'nosuch')
        assert (done.returncode, done.stdout) == (1, '')
        assert f'there is no such {noun}, and no mail of one' in done.stderr


def kill_queue(postern):
    postern.expect_trouble('queue|451')
    old = postern.roles()['queue']
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: postern.roles().get('queue', old) != old
               and postern.ctl('status')['queue'] is not None, 'queue is back')


def test_statistics_and_history_survive_kill(tracked):
    for number in range(20):
        send(tracked, f'{number:03}', f'r{number}@example.net')
        if number % 7 == 3:
            kill_queue(tracked)
    tracked.ctl('queue', 'retry', '--all')
    wait_until(lambda: len(tracked.queued()) == 1, 'all but the one that waits are through')
    wait_until(lambda: adds_up(tracked), 'the statistics add up')
    assert totals(tracked)['accepted'] == 23
    for number in range(20):
        message, = tracked.ctl('track', '--to', f'r{number}@example.net')
        assert message['fate'] == 'delivered', message


def test_names_of_removed_users_keep_their_figures(tracked):
    wait_until(lambda: totals(tracked)['delivered'] == 3, 'all that can be is delivered')
    tracked.ctl('queue', 'rm', '--all')
    tracked.ctl('user', 'rm', 'shop')
    assert totals(tracked, '--user', 'shop')['accepted'] == 3
    assert tracked_names(tracked, '--user', 'shop', '--to', 'kate@example.net') == ['one']


def test_damaged_history_is_set_aside_and_mail_goes_on(tracked):
    tracked.expect_trouble('history')
    tracked.stop()
    path = tracked.state_dir / 'history.db'
    path.write_bytes(b'this is no database, whatever its name says' * 200)
    tracked.start()
    tracked.wait_for_log('history.db.damaged', 'a new history begins')
    send(tracked, 'new', 'anna@example.net')
    wait_until(lambda: fates(tracked, '--to', 'anna@example.net') == {
        'anna@example.net': 'delivered'}, 'delivered')
    assert (tracked.state_dir / 'history.db.damaged').exists()
    assert 'history-damaged' in [alert['kind'] for alert in tracked.ctl('alert', 'ls')]


def test_nothing_is_kept_if_nobody_wants_it(make_postern, sink):
    postern = make_postern(config='history = { keep = "0"; };')
    postern.add_upstream(sink)
    postern.user = postern.add_user()
    send(postern, 'one', 'kate@example.net')
    sink.wait_for(1)
    wait_until(lambda: totals(postern)['sent'] == 1, 'one is counted')
    assert tracked_names(postern, '--to', 'kate@example.net') == []


def test_nothing_is_found_beyond_its_time(make_postern, sink):
    postern = make_postern(config='history = { keep = "6s"; };')
    postern.add_upstream(sink)
    postern.user = postern.add_user()
    send(postern, 'one', 'kate@example.net')
    assert tracked_names(postern, '--to', 'kate@example.net') == ['one']
    wait_until(lambda: tracked_names(postern) == [], 'its time is over')


def test_search_is_quick(tracked):
    began = time.monotonic()
    tracked.ctl('track', '--to', 'kate@example.net')
    assert time.monotonic() - began < 5


def test_what_was_refused_is_counted(postern, sink):
    postern.add_upstream(sink)
    postern.user = postern.add_user('shop', '--senders', 'shop@example.com')
    with pytest.raises(smtplib.SMTPSenderRefused):
        send(postern, 'evil', 'kate@example.net', sender='evil@example.org')
    with postern.client(postern.user) as client:
        client.mail('shop@example.com')
        assert client.rcpt('no address')[0] >= 500
    send(postern, 'good', 'kate@example.net', sender='shop@example.com')
    wait_until(lambda: totals(postern)['rejected'] == 1, 'it is counted')
    row, = postern.ctl('stats', '--user', 'shop')['rows']
    assert (row['blocked'], row['rejected'], row['accepted']) == (1, 1, 1)


def test_transcript_of_a_failed_attempt_is_kept(tracked):
    ident = tracked_id(tracked, 'two')
    message, = tracked.ctl('track', '--id', ident)
    assert 'transcript' not in message['attempts'][0]
    message, = tracked.ctl('track', '--id', ident, '--transcript')
    assert 'Mailbox full' in message['attempts'][0]['transcript']
    for words in (['queue', 'show', ident, '--transcript'], ['track', '--id', ident, '--transcript']):
        assert 'C: RCPT TO:<full@example.net>' in tracked.run_ctl(*words).stdout
    message, = tracked.ctl('track', '--to', 'kate@example.net', '--transcript')
    assert 'transcript' not in message['attempts'][0]


def test_upstream_that_is_away_is_part_of_the_story(postern):
    postern.ctl('profile', 'add', 'upstream', '--host', '127.0.0.1', '--port', free_ports(1)[0],
                '--tls', 'none', '--default')
    postern.user = postern.add_user()
    send(postern, 'one', 'kate@example.net')
    attempts = wait_until(lambda: postern.ctl('track', '--to', 'kate@example.net')[0]['attempts'],
                          'an attempt')
    assert (attempts[0]['fate'], attempts[0]['profile'], attempts[0]['to']) == (
        'not-sent', 'upstream', [])
    assert 'not sent through upstream' in postern.run_ctl('track').stdout


def test_reply_stands_once_in_the_story(postern, make_upstream):
    host = make_upstream('auth: reply 535 5.7.8 Credentials invalid', auth=('PLAIN',))
    postern.add_upstream(host, 'upstream', '--tls', 'none', '--username', 'kate', '--password-stdin', stdin='x\n')
    postern.user = postern.add_user()
    send(postern, 'one', 'kate@example.net')
    wait_until(lambda: postern.ctl('track')[0]['attempts'], 'an attempt')
    line, = [line for line in postern.run_ctl('track').stdout.splitlines() if 'not sent' in line]
    assert ': auth: 535 5.7.8 Credentials invalid. ' in line and line.count('535') == 1, line
