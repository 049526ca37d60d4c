"""An upstream that minds our name: what else it is told, and that a chosen name is never changed."""
import pytest

from fakehost import FakeHost
from posternd import wait_until

MESSAGE = b'From: <a@example.com>\r\nSubject: x\r\n\r\nx\r\n'
NAME = 'relay.example'          # of tests/lib/posternd.py
LITERAL = '[127.0.0.1]'
LOGIN = ('--tls', 'none', '--username', 'user', '--password-stdin')
CHANGED = f"doesn't take the name {NAME} in EHLO"


@pytest.fixture
def relay(make_postern, make_upstream):
    def make(script, *options, **settings):
        host = make_upstream(script, **settings)
        postern = make_postern(config='queue = { retry = "1s 1s 1s"; };')
        postern.expect_trouble(CHANGED)
        postern.add_upstream(host, 'upstream', '--messages-per-connection', '1', *options,
                             stdin='secret\n' if '--password-stdin' in options else '')
        user = postern.add_user()

        def send():
            with postern.client(user) as client:
                client.sendmail('a@example.com', ['b@example.net'], MESSAGE)
        return postern, host, send
    return make


def names(host):
    return [line.decode() for connection in host.connections for line in connection.commands
            if line[:4] in (b'EHLO', b'HELO')]


def last_error(postern):
    return wait_until(lambda: postern.ctl('profile', 'show', 'upstream')['last_error'],
                      'a problem of the profile')


@pytest.mark.parametrize('script', [
    f'ehlo match={NAME}: reply 501 5.5.4 Invalid EHLO domain',
    f'ehlo match={NAME}: reply 501 Syntax error',
    f'ehlo match={NAME}: reply 550 5.7.1 Helo command rejected: need fully-qualified hostname',
    f'ehlo match={NAME}: reply 501 5.5.4 Invalid EHLO domain\nehlo connection=1: drop',
    'rcpt connection=1: reply 504 5.5.2 <relay>: Helo command rejected: need fully-qualified '
    'hostname',
])
def test_address_in_place_of_the_name(relay, script):
    postern, host, send = relay(script, *LOGIN, auth=('CRAM-MD5',))
    send()
    host.wait_for(1)
    send()
    host.wait_for(2)
    postern.wait_until_queue_is(0)
    said = names(host)
    assert said[0] == f'EHLO {NAME}' and set(said[1:]) == {f'EHLO {LITERAL}'}
    # The second message's connection begins with what worked.
    assert len(host.connections) == (3 if 'connection=1' in script else 2)
    assert len(postern.wait_for_log('event=problem', CHANGED, LITERAL)) == 1
    assert 'event=deferred' not in postern.log() and not postern.ctl('alert', 'ls')


def test_profile_test_says_which_name_was_taken(relay):
    postern, host, _ = relay(f'ehlo match={NAME}: reply 501 5.5.4 Invalid EHLO domain')
    result = postern.ctl('profile', 'test', 'upstream')
    assert [step['detail'] for step in result['steps'] if step['step'] == 'ehlo'] == [
        f'EHLO {LITERAL}']


def test_no_name_will_do(relay):
    postern, host, send = relay('ehlo: reply 550 5.7.1 Invalid EHLO', *LOGIN, auth=('CRAM-MD5',))
    send()
    error = last_error(postern)
    assert f'as {NAME}; as {LITERAL}: 550' in error and '--ehlo' in error, error
    assert len(postern.queued()) == 1
    host.set_script('')
    postern.ctl('profile', 'set', 'upstream', '--ehlo', 'other.example')
    host.wait_for(1)
    assert names(host)[-1] == 'EHLO other.example'


@pytest.mark.parametrize('script', [
    'ehlo: reply 501 5.5.4 Invalid EHLO domain',
    'rcpt: reply 504 5.5.2 <x>: Helo command rejected: need fully-qualified hostname',
])
def test_chosen_name_is_never_changed(relay, script):
    postern, host, send = relay(script, '--ehlo', 'chosen.example', *LOGIN, auth=('CRAM-MD5',))
    send()
    assert 'ehlo' in last_error(postern)
    assert set(names(host)) == {'EHLO chosen.example'}


def test_address_of_ipv6(make_postern):
    with FakeHost(f'ehlo match={NAME}: reply 501 no', address='::1') as host:
        postern = make_postern()
        postern.add_upstream(host)
        result = postern.ctl('profile', 'test', 'upstream', '--to', 'me@example.com')
        assert result['ok'] and names(host)[-1] == 'EHLO [IPv6:::1]'
