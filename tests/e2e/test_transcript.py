"""Transcripts of deliveries: which are kept, what stands in them, and that no secret does."""
import base64

import pytest

from posternd import wait_until

PASSWORD = 'correct horse battery'
PLAIN_TOKEN = base64.b64encode(f'\0user\0{PASSWORD}'.encode()).decode()
RETRY = 'queue = { retry = "1s 1s 1s"; };'

pytestmark = pytest.mark.user


@pytest.fixture
def relay(make_postern, make_upstream):
    """A posternd with an upstream that follows `script`: (postern, host, send)."""
    def make(script, *options, stdin='', **settings):
        postern, host = make_postern(config=RETRY), make_upstream(script, **settings)
        postern.add_upstream(host, 'upstream', *options, stdin=stdin)
        user = postern.add_user()

        def send(name):
            with postern.client(user) as client:
                client.sendmail('shop@example.com', [f'{name}@example.net'],
                                b'From: <shop@example.com>\r\n\r\nhello\r\n')
        return postern, host, send
    return make


def attempts(postern, name):
    stories = postern.ctl('track', '--to', f'{name}@example.net', '--transcript')
    return [attempt for story in stories for attempt in story['attempts']]


def transcripts(postern, name, count=1):
    """Of all attempts, "" where there is none."""
    wait_until(lambda: len(attempts(postern, name)) >= count, f'{count} attempts at {name}')
    return [attempt.get('transcript', '') for attempt in attempts(postern, name)]


def said_to_log_in(host, text):
    """Of what the upstream was told, what stands in the text."""
    lines = b' '.join(host.connections[0].commands).decode().split(' ')
    return [word for word in [PASSWORD, PLAIN_TOKEN, *lines]
            if len(word) > 8 and '@' not in word and '.' not in word and word in text]


@pytest.mark.parametrize('policy, good, bad', [
    ('never', False, False), ('failure', False, True), ('always', True, True)])
def test_policies(relay, policy, good, bad):
    postern, host, send = relay('rcpt match=bad@: reply 550 5.1.1 Nobody', '--transcript', policy)
    send('good')
    send('bad')
    host.wait_for(1)
    postern.wait_for_log('event=bounced', 'bad@example.net')
    for name, is_kept in (('good', good), ('bad', bad)):
        text, = transcripts(postern, name)
        assert bool(text) == is_kept
        if is_kept:
            assert f'C: RCPT TO:<{name}@example.net>\n' in text
    if bad:
        assert 'S: 550 5.1.1 Nobody\n' in transcripts(postern, 'bad')[0]


def test_failure_is_the_default_and_each_attempt_has_its_own(relay):
    postern, host, send = relay('dot times=1: reply 451 4.3.0 Disk')
    send('kate')
    host.wait_for(1)
    postern.wait_until_queue_is(0)
    failed, delivered = sorted(transcripts(postern, 'kate', count=2), key=len, reverse=True)
    assert 'a new connection to 127.0.0.1:' in failed and 'S: 451 4.3.0 Disk\n' in failed
    assert delivered == ''


@pytest.mark.parametrize('method', ['plain', 'login', 'cram-md5'])
def test_no_secret_of_a_login(relay, method):
    postern, host, send = relay(
        '', '--tls', 'none', '--auth', method, '--username', 'user', '--password-stdin', '--transcript', 'always',
        stdin=PASSWORD + '\n', auth=(method.upper(),), credentials=('user', PASSWORD))
    send('kate')
    host.wait_for(1)
    text = wait_until(lambda: ''.join(transcripts(postern, 'kate')), 'a transcript')
    assert f'C: AUTH {method.upper()}' in text and '<secret>\n' in text and 'S: 235 ' in text
    assert text.count('S: 334 ') == text.count('S: 334 <challenge>\n') == {'plain': 0, 'login': 2, 'cram-md5': 1}[method]
    assert not said_to_log_in(host, text) and not said_to_log_in(host, postern.log())


@pytest.mark.parametrize('method', ['plain', 'login', 'cram-md5'])
def test_no_secret_that_the_upstream_repeats(relay, method):
    """What is in its reply reaches the log and the profile's last error."""
    script = f'auth match=PLAIN: reply 535 5.7.8 No: {PLAIN_TOKEN} is {PASSWORD}'
    postern, host, send = relay(
        script, '--tls', 'none', '--auth', method, '--username', 'user', '--password-stdin',
        stdin=PASSWORD + '\n', auth=(method.upper(),), credentials=('user', 'another'))
    send('kate')
    postern.wait_for_log('event=profile-stopped', '535')
    shown = postern.ctl('profile', 'show', 'upstream')['last_error']
    assert '535' in shown
    assert not said_to_log_in(host, shown) and not said_to_log_in(host, postern.log())


def test_middle_of_a_long_dialogue_is_left_out(relay):
    postern, host, send = relay('rcpt: reply 450 4.2.1 ' + 'later ' * 60, '--transcript', 'always')
    user = postern.add_user('bulk')
    with postern.client(user) as client:
        client.sendmail('shop@example.com', [f'n{number}@example.net' for number in range(400)],
                        b'From: <shop@example.com>\r\n\r\nhello\r\n')
    text = wait_until(lambda: ''.join(transcripts(postern, 'n399')[:1]), 'a transcript')
    assert 60_000 < len(text) <= 65_536
    assert 'C: EHLO' in text and 'lines are left out)\n' in text
    assert host.connections
