"""What waits: looking at it, holding, releasing, retrying, removing; and that it survives."""
import pytest

from posternd import CtlError, wait_until

HEADER = b'Message-ID: <1@example.com>\r\nFrom: <a@example.com>\r\nSubject: caf\xc3\xa9\r\n\r\n'


@pytest.fixture
def waiting(postern, make_upstream):
    """Three messages that the upstream does not take yet."""
    postern.upstream = make_upstream('rcpt: reply 451 4.7.1 Come back later')
    postern.add_upstream(postern.upstream)
    postern.user = postern.add_user()
    with postern.client(postern.user) as client:
        for number in range(3):
            client.sendmail('a@example.com', [f'{number}@example.net', 'all@example.net'],
                            HEADER + b'hello\r\n' * (number + 1))
    postern.wait_until_queue_is(3, '--state', 'deferred')
    return postern


def test_ls(waiting):
    messages = waiting.queued()
    assert [message['recipients'][0]['to'] for message in messages] == [
        '0@example.net', '1@example.net', '2@example.net']
    first = messages[0]
    assert (first['user'], first['list'], first['profile'], first['from']) == (
        'shop', 'web', 'upstream', 'a@example.com')
    assert first['priority'] == 3 and first['message_id'] == '<1@example.com>'
    assert {recipient['state'] for recipient in first['recipients']} == {'deferred'}
    assert first['recipients'][0]['code'] == 451
    assert 'Come back later' in first['recipients'][0]['reply']


@pytest.mark.parametrize('options, count', [
    (['--user', 'shop'], 3), (['--user', 'other'], 0), (['--list', 'web'], 3),
    (['--profile', 'upstream'], 3), (['--state', 'held'], 0), (['--limit', '2'], 2)])
def test_ls_selects(waiting, options, count):
    if options == ['--user', 'other']:
        waiting.add_user('other')
    assert len(waiting.queued(*options)) == count


def test_ls_says_for_whom_why_and_until_when(postern, make_upstream):
    """Not the recipient that has the message already, nor the 250 that it had."""
    postern.add_upstream(make_upstream('rcpt match=<b@: reply 451 4.7.1 Come back later'))
    with postern.client(postern.add_user()) as client:
        client.sendmail('a@example.com', ['a@example.net', 'b@example.net', 'c@example.net'],
                        HEADER + b'hello\r\n')
    postern.wait_until_queue_is(1, '--state', 'deferred')
    until = postern.queued()[0]['recipients'][1]['next_attempt_at']
    heading, line = postern.run_ctl('queue', 'ls').stdout.splitlines()
    assert 'NEXT ATTEMPT' in heading and until in line
    assert 'b@example.net +2' in line and 'Come back later' in line


def test_ls_goes_on_behind_an_id(waiting):
    ids = [message['id'] for message in waiting.queued()]
    assert [message['id'] for message in waiting.queued('--after', ids[0])] == ids[1:]


def test_ls_of_more_than_one_answer_takes_has_all(postern, make_upstream):
    """A thousand recipients, each with a long reply, fill half of an answer."""
    postern.add_upstream(make_upstream('rcpt: reply 451 4.7.1 ' + 'x' * 400))
    with postern.client(postern.add_user()) as client:
        for _ in range(5):
            client.sendmail('a@example.com', [f'r{number}@example.net' for number in range(1000)],
                            HEADER + b'hello\r\n')
    wait_until(lambda: postern.get('/v1/status')['queue']['deferred'] == 5, 'all are deferred')
    page = postern.get('/v1/messages?limit=1000')
    assert 0 < len(page) < 5
    assert [message['has_more'] for message in page] == [False] * (len(page) - 1) + [True]
    rest = postern.get(f'/v1/messages?limit=1000&after={page[-1]["id"]}')
    messages = postern.queued()
    ids = [message['id'] for message in messages]
    assert len(set(ids)) == 5 and ids == sorted(ids)
    assert ids[:len(page) + len(rest)] == [message['id'] for message in page + rest]
    assert not any(message['has_more'] for message in messages)
    assert [message['id'] for message in postern.queued('--limit', '4')] == ids[:4]
    table = postern.run_ctl('queue', 'ls', '--state', 'deferred').stdout.splitlines()
    assert len(table) == 6
    assert 'has_more' not in postern.ctl('queue', 'show', ids[0])


def test_show(waiting):
    ident = waiting.queued()[2]['id']
    assert waiting.ctl('queue', 'show', ident)['id'] == ident
    body = waiting.run_ctl('queue', 'show', ident, '--body').stdout
    assert body.startswith('Received: ') and body.count('hello') == 3
    assert 'Come back later' in waiting.run_ctl('queue', 'show', ident).stdout
    with pytest.raises(CtlError) as caught:
        waiting.ctl('queue', 'show', 'ZZZZZZ')
    assert caught.value.status == 1


def test_hold_release_and_retry(waiting):
    ident = waiting.queued()[0]['id']
    assert waiting.ctl('queue', 'hold', ident) == {'count': 1}
    assert [message['id'] for message in waiting.queued('--state', 'held')] == [ident]
    waiting.upstream.set_script('')
    waiting.ctl('queue', 'retry', '--all')
    waiting.upstream.wait_for(2)
    waiting.wait_until_queue_is(1)
    waiting.ctl('queue', 'release', ident)
    waiting.ctl('queue', 'retry', '--all')
    waiting.upstream.wait_for(3)
    waiting.wait_until_queue_is(0)


@pytest.fixture
def one(postern, make_upstream):
    """A posternd with one message, and an upstream that follows `script`."""
    def make(script):
        postern.upstream = make_upstream(script)
        postern.add_upstream(postern.upstream)
        with postern.client(postern.add_user()) as client:
            client.sendmail('a@example.com', ['b@example.net'], b'Subject: x\r\n\r\nhello\r\n')
        return postern
    return make


def selections(postern):
    return ['--profile', 'upstream'], ['--user', 'shop'], [postern.queued()[0]['id']]


def test_retry_of_what_is_on_its_way(one):
    postern = one('mail: hold')
    postern.wait_until_queue_is(1, '--state', 'sending')
    for which in selections(postern):
        done = postern.run_ctl('queue', 'retry', *which)
        assert (done.returncode, done.stderr) == (0, ''), which
        assert 'on its way already' in done.stdout
        assert postern.ctl('queue', 'retry', *which) == {'count': 0}
    postern.upstream.release()
    postern.upstream.wait_for(1)


def test_retry_of_what_waits_for_its_profile(one):
    postern = one('mail: reply 550 5.7.30 Basic authentication is not supported')
    wait_until(lambda: postern.ctl('profile', 'show', 'upstream')['state'] == 'stopped', 'it is stopped')
    message, profile = postern.queued()[0], postern.ctl('profile', 'show', 'upstream')
    assert message['waits_until'] == profile['rate_limited_until']
    assert 'waits for profile upstream, which is stopped until 2' in message['reason']
    _, line = postern.run_ctl('queue', 'ls').stdout.splitlines()
    assert line.count(message['waits_until']) == 2 and 'waits for profile upstream' in line
    done = postern.run_ctl('queue', 'retry', '--all')
    assert done.returncode == 0 and message['reason'] in done.stdout
    for which in selections(postern):
        done = postern.run_ctl('queue', 'retry', *which)
        assert done.returncode == 1, which
        assert 'waits for profile upstream, which is stopped until 2' in done.stderr
        assert 'mail: 550 5.7.30' in done.stderr and 'posternctl profile resume upstream' in done.stderr
    postern.ctl('profile', 'pause', 'upstream')
    assert 'waits for profile upstream, which is paused' in postern.run_ctl('queue', 'retry', '--profile', 'upstream').stderr
    message = postern.queued()[0]
    assert 'which is paused (' in message['reason'] and message['waits_until'] is None
    postern.ctl('queue', 'hold', '--all')
    done = postern.run_ctl('queue', 'retry', '--profile', 'upstream')
    assert done.returncode == 1 and 'no message of this selection' in done.stderr


def test_rm(waiting):
    ids = [message['id'] for message in waiting.queued()]
    assert waiting.ctl('queue', 'rm', ids[1]) == {'count': 1}
    waiting.wait_for_log(f'id={ids[1]}', 'event=removed')
    assert [message['id'] for message in waiting.queued()] == [ids[0], ids[2]]
    with pytest.raises(CtlError) as caught:
        waiting.ctl('queue', 'rm', ids[1])
    assert caught.value.status == 1
    waiting.ctl('queue', 'rm', '--user', 'shop')
    assert waiting.queued() == []


def test_everything_is_there_after_a_restart(waiting):
    before = [(message['id'], message['size']) for message in waiting.queued()]
    waiting.restart()
    assert [(message['id'], message['size']) for message in waiting.queued()] == before
    waiting.upstream.set_script('')
    waiting.ctl('queue', 'retry', '--all')
    waiting.upstream.wait_for(3)
    waiting.wait_until_queue_is(0)


def test_nothing_is_removed_by_leaving_a_word_out(waiting):
    done = waiting.run_ctl('queue', 'rm')
    assert done.returncode == 2 and '--all' in done.stderr
    assert len(waiting.queued()) == 3


def test_names_with_nothing_behind_them_are_refused(waiting):
    for words in (['hold', '--list', 'nope'], ['ls', '--user', 'nope'], ['rm', '--profile', 'nope'],
                  ['release', '--list', 'web']):
        done = waiting.run_ctl('queue', *words)
        assert done.returncode == 1 and done.stderr.count('\n') == 1, done
    assert waiting.ctl('queue', 'release', '--all') == {'count': 0}
    assert len(waiting.queued('--list', 'WEB')) == 3


def test_priority_goes_first(postern, make_upstream):
    upstream = make_upstream()
    postern.add_upstream(upstream, 'upstream', '--connections', 1)
    postern.user = postern.add_user('shop', '--priority', 5)
    postern.ctl('profile', 'pause', 'upstream')
    with postern.client(postern.user) as client:
        for importance in ('low', 'normal', 'high'):
            client.sendmail('a@example.com', [f'{importance}@example.net'],
                            f'Importance: {importance}\r\n'.encode() + HEADER)
    assert {message['recipients'][0]['to']: message['priority']
            for message in postern.queued()} == {
        'low@example.net': 4, 'normal@example.net': 3, 'high@example.net': 2}
    postern.ctl('profile', 'resume', 'upstream')
    messages = upstream.wait_for(3)
    assert [message.recipients[0] for message in messages] == [
        'high@example.net', 'normal@example.net', 'low@example.net']


def test_uncertain_message_waits_for_an_operator(postern, make_upstream):
    host = make_upstream('dot times=1: accept-drop')
    postern.add_upstream(host, 'upstream', '--uncertain', 'hold')
    user = postern.add_user()
    with postern.client(user) as client:
        client.sendmail('shop@example.com', ['a@example.net'], b'Subject: order 42\r\n\r\nhi\r\n')
    postern.wait_until_queue_is(1, '--state', 'uncertain')
    postern.wait_for_log('event=uncertain', 'reason="waits for an operator"')
    message, = postern.queued()
    assert 'waits for an operator' in message['reason']
    assert message['recipients'][0]['state'] == 'uncertain'
    assert message['recipients'][0]['next_attempt_at'] is None
    alert, = postern.ctl('alert', 'ls')
    assert alert['kind'] == 'uncertain' and alert['address'] == 'a@example.net'
    assert len(host.messages) == 1
    postern.ctl('queue', 'retry', message['id'])
    host.wait_for(2)
    postern.wait_until_queue_is(0)


def test_schedule(postern, make_upstream):
    host = make_upstream('rcpt times=1: reply 450 4.2.0 Mailbox busy')
    postern.add_upstream(host)
    user = postern.add_user()
    with postern.client(user) as client:
        client.sendmail('shop@example.com', ['a@example.net'], b'Subject: order 42\r\n\r\nhi\r\n')
    postern.wait_until_queue_is(1, '--state', 'deferred')
    message, = postern.queued()
    result = postern.run_ctl('queue', 'schedule', message['id'], '2020-01-01T00:00:00Z')
    assert result.returncode == 1 and 'that time is over' in result.stderr
    postern.ctl('queue', 'schedule', message['id'], '2h')
    message, = postern.queued('--state', 'scheduled')
    assert message['hold_until'] == message['recipients'][0]['next_attempt_at']
    postern.ctl('queue', 'schedule', message['id'], '1s')
    host.wait_for(1)
    postern.wait_until_queue_is(0)
