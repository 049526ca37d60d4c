"""Tokens: every grant, every failure of a token server, a login, and what becomes of it all."""
import json
import os
import signal
import subprocess
import threading
import time

import pytest

from fakehost import FakeHost
from posternd import CtlError, wait_until
from testca import TestCa
from tokenserver import TokenServer, service_account

SCOPE = 'https://mail.example/'


@pytest.fixture(scope='session')
def ca(tmp_path_factory):
    return TestCa(tmp_path_factory.mktemp('ca'), name='token CA')


@pytest.fixture
def make_tokens(ca):
    made = []

    def make(secure=False, **settings):
        certificate = ca.issue(f'tokens{len(made)}', names=['tokens.example'],
                               addresses=['127.0.0.1']) if secure else None
        made.append(TokenServer(certificate=certificate, scope=SCOPE, **settings))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def tokens(make_tokens):
    return make_tokens()


@pytest.fixture
def host(tokens):
    """An upstream that takes what the token server gave."""
    with FakeHost(auth=('XOAUTH2', 'OAUTHBEARER'), tokens=tokens.is_good) as host:
        yield host


def secret_file(postern, name, text):
    path = postern.directory / name
    path.write_text(text + '\n')
    return path


def add(postern, host, tokens, *options, name='office', grant='refresh', **settings):
    """A profile whose tokens come from there."""
    given = {'oauth-token-url': tokens.url('token'), 'oauth-client-id': tokens.client[0],
             'oauth-scope': SCOPE, 'username': 'relay@example.com', 'tls': 'none', **settings}
    if grant == 'refresh':
        given.setdefault('oauth-refresh-token', secret_file(postern, 'r', tokens.refresh_token))
    if grant == 'client':
        given.setdefault('oauth-client-secret', secret_file(postern, 's', tokens.client[1]))
    if grant == 'device':
        given.setdefault('oauth-device-url', tokens.url('device'))
    words = [word for key, value in given.items() if value is not None
             for word in (f'--{key}', value)]
    return postern.ctl('profile', 'add', name, '--host', host.address, '--port', host.port,
                       '--default', '--oauth-grant', grant, *words, *options)


def step(postern, name='office'):
    """The token's step of a test that need not get any further."""
    done = postern.run_ctl('-j', 'profile', 'test', name)
    steps = json.loads(done.stdout)['steps']
    assert steps[0]['step'] == 'token', steps
    return steps[0]


def works(postern):
    """False too while a role that was killed is away."""
    done = postern.run_ctl('-j', 'profile', 'test', 'office')
    return done.stdout != '' and json.loads(done.stdout)['steps'][0]['ok']


def diagnosis(postern, name='office'):
    found = step(postern, name)
    assert not found['ok'], found
    return found['detail']


def send(postern, user, count=1):
    with postern.client(user) as client:
        for _ in range(count):
            client.sendmail('a@example.com', ['kate@example.net'], 'Subject: hello\n\nText\n')


def everything_written(postern):
    """All that posternd has written, but its own sealed database: no secret may be in it."""
    return postern.log() + json.dumps(postern.ctl('profile', 'ls')) + json.dumps(
        postern.ctl('alert', 'ls')) + json.dumps(postern.ctl('profile', 'show', 'office'))


# -- grants --

def test_refresh_token(postern, tokens, host):
    profile = add(postern, host, tokens)
    assert profile['oauth_grant'] == 'refresh' and profile['has_refresh_token'] is True
    send(postern, postern.add_user(), count=3)
    login = host.wait_for(3)[0].connection.login
    assert login[:2] == ('XOAUTH2', 'relay@example.com') and tokens.is_good(*login[1:])
    assert len(tokens.requests) == 1
    postern.wait_until_queue_is(0)
    shown = postern.ctl('profile', 'show', 'office')
    assert shown['token_until'] > shown.get('token_from', '2') and shown['token_error'] is None
    assert tokens.refresh_token not in everything_written(postern)
    assert login[2] not in everything_written(postern)
    assert postern.run_ctl('profile', 'test', 'office').returncode == 0


def test_oauthbearer(postern, tokens, host):
    add(postern, host, tokens, '--auth', 'oauthbearer')
    send(postern, postern.add_user())
    assert host.wait_for(1)[0].connection.login[0] == 'OAUTHBEARER'


def test_client_credentials(postern, tokens, host):
    add(postern, host, tokens, grant='client')
    assert step(postern)['ok']
    form = tokens.wait_for_requests(1)[0]
    assert (form['grant_type'], form['scope']) == ('client_credentials', SCOPE)
    send(postern, postern.add_user())
    host.wait_for(1)
    assert tokens.client[1] not in everything_written(postern)


def test_service_account(postern, make_tokens, make_upstream, tmp_path):
    tokens = make_tokens(subject='relay@example.com')
    path, tokens.public_key = service_account(tmp_path, tokens.url('token'))
    (tmp_path / 'first.pub').write_text(tokens.public_key.read_text())
    host = make_upstream(auth=('XOAUTH2',), tokens=tokens.is_good)
    profile = add(postern, host, tokens, grant='service-account',
                  **{'oauth-key': path, 'oauth-token-url': None, 'oauth-client-id': None})
    assert profile['oauth_client_id'] == 'relay@project.iam.example'
    assert profile['oauth_token_url'] == tokens.url('token') and profile['has_oauth_key'] is True
    send(postern, postern.add_user())
    host.wait_for(1)
    tokens.subject = 'somebody@example.com'
    postern.ctl('profile', 'set', 'office', '--oauth-subject', 'nobody@example.com')
    assert 'There is no such user' in diagnosis(postern)
    postern.ctl('profile', 'set', 'office', '--oauth-subject', 'somebody@example.com')
    assert step(postern)['ok']
    postern.ctl('profile', 'set', 'office', '--oauth-scope', 'other')
    assert 'domain-wide delegation' in diagnosis(postern)
    other, _ = service_account(tmp_path, tokens.url('token'))
    tokens.public_key = tmp_path / 'first.pub'
    postern.ctl('profile', 'set', 'office', '--oauth-scope', SCOPE, '--oauth-key', f'@{other}')
    assert 'key of the service account' in diagnosis(postern)
    assert 'PRIVATE KEY' not in everything_written(postern)


def login_in_background(postern, found):
    done = postern.run_ctl('profile', 'login', 'office')
    found.update(status=done.returncode, out=done.stdout, err=done.stderr)


def test_login_of_a_device(postern, tokens, host):
    tokens.device_polls.clear()
    add(postern, host, tokens, grant='device')
    assert 'nobody has logged in yet: posternctl profile login office' in diagnosis(postern)
    user = postern.add_user()
    send(postern, user)
    postern.wait_for_log('event=profile-stopped', 'nobody has logged in yet')
    found = {}
    thread = threading.Thread(target=login_in_background, args=(postern, found))
    thread.start()
    wait_until(lambda: len(tokens.device_polls) >= 2, 'it asks whether somebody has logged in')
    assert tokens.device_polls[1] - tokens.device_polls[0] > 0.9 * tokens.interval_s
    tokens.approve()
    thread.join()
    assert found['status'] == 0, found
    assert 'https://login.example/device' in found['out'] and 'WDJB-MJHT' in found['out']
    assert 'profile office has logged in' in found['out']
    # The profile goes on by itself.
    host.wait_for(1)
    postern.wait_until_queue_is(0)
    assert postern.ctl('profile', 'show', 'office')['has_refresh_token'] is True
    # And the login is there after a restart.
    postern.restart()
    send(postern, user)
    host.wait_for(2)
    assert tokens.wait_for_requests(1)[-1]['refresh_token'] == tokens.refresh_token


@pytest.mark.parametrize('prepare, expected', [
    (lambda tokens: tokens.deny(), 'declined in the browser'),
    (lambda tokens: tokens.say(error='expired_token', times=None), 'not entered in time'),
    (lambda tokens: setattr(tokens, 'gives_refresh_token', False) or tokens.approve(),
     'offline_access')])
def test_login_that_fails(postern, tokens, host, prepare, expected):
    add(postern, host, tokens, grant='device')
    found = {}
    thread = threading.Thread(target=login_in_background, args=(postern, found))
    thread.start()
    tokens.wait_for_requests(1, path='/token')
    prepare(tokens)
    thread.join()
    assert found['status'] == 1 and expected in found['err']
    assert postern.ctl('profile', 'show', 'office')['has_refresh_token'] is False


def test_login_that_takes_too_long(postern, tokens, host):
    tokens.device_life_s = 2
    add(postern, host, tokens, grant='device')
    with pytest.raises(CtlError, match='not entered in time'):
        postern.ctl('profile', 'login', 'office')


def test_slow_down_is_heeded(postern, tokens, host):
    """And a server that fails meanwhile is no end of the login."""
    add(postern, host, tokens, grant='device')
    found = {}
    thread = threading.Thread(target=login_in_background, args=(postern, found))
    thread.start()
    tokens.wait_for_requests(1, path='/token')
    tokens.say(error='slow_down')
    tokens.approve()
    thread.join()
    assert found['status'] == 0, found
    times = tokens.device_polls
    assert times[-1] - times[-2 if len(times) > 1 else -1] >= 0
    assert len(tokens.wait_for_requests(2)) >= 2


def test_login_of_a_profile_that_has_none(postern, sink):
    postern.add_upstream(sink)
    with pytest.raises(CtlError, match='needs no login'):
        postern.ctl('profile', 'login', 'upstream')
    with pytest.raises(CtlError, match='no profile'):
        postern.ctl('profile', 'login', 'nosuch')


def test_login_at_a_server_that_refuses(postern, tokens, host):
    add(postern, host, tokens, grant='device')
    tokens.say(error='invalid_client', status=401, description='AADSTS7000218: secret missing')
    with pytest.raises(CtlError, match='allow public client flows'):
        postern.ctl('profile', 'login', 'office')
    tokens.say(status=500)
    with pytest.raises(CtlError, match='HTTP status 500'):
        postern.ctl('profile', 'login', 'office')


# -- https --

def test_https(postern, make_tokens, make_upstream, ca):
    tokens = make_tokens(secure=True)
    host = make_upstream(auth=('XOAUTH2',), tokens=tokens.is_good)
    add(postern, host, tokens, **{'oauth-ca': ca.path})
    assert step(postern)['ok']
    send(postern, postern.add_user())
    host.wait_for(1)


def test_https_with_a_stranger(postern, make_tokens, host, ca, tmp_path):
    tokens = make_tokens(secure=True)
    add(postern, host, tokens)      # the system's CAs don't know it
    assert 'certificate' in diagnosis(postern)
    other = TestCa(tmp_path / 'other')
    postern.ctl('profile', 'set', 'office', '--oauth-ca', other.path)
    assert 'certificate' in diagnosis(postern)
    # The right CA, but a name that the certificate doesn't have.
    postern.ctl('profile', 'set', 'office', '--oauth-ca', ca.path, '--oauth-token-url',
                tokens.url('token', host='localhost'))
    assert 'localhost' in diagnosis(postern)
    assert tokens.requests == []


def test_names_come_from_the_hosts_file(postern, make_tokens, make_upstream, ca):
    """And not from libcurl's own resolver, which has no files and no threads here."""
    certificate = ca.issue('named', names=['localhost'])
    with TokenServer(certificate=certificate, scope=SCOPE) as tokens:
        host = make_upstream(auth=('XOAUTH2',), tokens=tokens.is_good)
        add(postern, host, tokens, **{'oauth-token-url': tokens.url('token', host='localhost'),
                                      'oauth-ca': ca.path})
        assert step(postern)['ok']
        postern.ctl('profile', 'set', 'office', '--oauth-token-url', 'https://no.such.invalid/t')
        assert 'no.such.invalid' in diagnosis(postern)


def test_environment_is_no_way_out(make_postern, tokens, host, tmp_path):
    """No proxy, and nobody writes down the keys of a session."""
    keys = tmp_path / 'keys'

    def prepare(postern):
        postern.environment = {
            'http_proxy': 'http://127.0.0.1:9/', 'https_proxy': 'http://127.0.0.1:9/',
            'all_proxy': 'http://127.0.0.1:9/', 'SSLKEYLOGFILE': str(keys)}
    postern = make_postern(prepare)
    add(postern, host, tokens)
    assert step(postern)['ok']
    assert not keys.exists()


# -- a rude token server --

@pytest.mark.parametrize('said, expected', [
    ({'status': 500}, 'HTTP status 500'),
    ({'status': 503, 'body': b'<html>sorry</html>'}, 'HTTP status 503'),
    ({'body': b'<html>welcome to our network</html>'}, 'not a JSON object'),
    ({'body': b'[' * 60000}, 'not a JSON object'),
    ({'body': b'{"access_token":' + b'"' + b'a' * 70000 + b'"}'}, 'more than 64 KiB'),
    ({'body': b'x', 'headers': {f'X-{n}': 'y' * 2000 for n in range(30)}}, 'header has no end'),
    ({'access_token': 'a b', 'token_type': 'Bearer'}, 'no access_token'),
    ({'access_token': 'a', 'token_type': 'Bearer', 'expires_in': -1}, 'expires_in'),
    ({'status': 302, 'headers': {'Location': 'http://127.0.0.1:1/'}, 'body': b'-'},
     'points elsewhere'),
    ({'status': 404, 'body': b'-'}, 'no token service'),
    ({'access_token': 'a', 'token_type': 'mac'}, 'not of type Bearer'),
    ({'error': 'invalid_grant'}, 'log in again'),
    ({'error': 'invalid_client', 'status': 401}, '--oauth-client-secret'),
    ({'error': 'consent_required'}, 'consent'),
    ({'status': None}, '127.0.0.1')])
def test_answers_of_a_rude_token_server(postern, tokens, host, said, expected):
    add(postern, host, tokens)
    tokens.say(**said)
    if said.get('status', 0) is None:
        tokens.say(status=None, body=b'-')
    assert expected in diagnosis(postern)
    assert postern.roles()['relay']
    assert host.connections == []


def test_token_server_that_is_away_makes_mail_wait(postern, tokens, host):
    add(postern, host, tokens)
    refresh_token = tokens.refresh_token
    tokens.say(status=503, times=None)
    send(postern, postern.add_user())
    postern.wait_for_log('event=profile-stopped', 'token server 127.0.0.1: HTTP status 503')
    shown = postern.ctl('profile', 'show', 'office')
    assert shown['state'] == 'limited' and 'HTTP status 503' in shown['last_error']
    assert 'HTTP status 503' in shown['token_error'] and shown['has_refresh_token'] is True
    tokens.behave()
    postern.ctl('profile', 'resume', 'office')
    host.wait_for(1)
    postern.wait_until_queue_is(0)
    assert tokens.wait_for_requests(2)[-1]['refresh_token'] == refresh_token


def test_refusal_stops_the_profile_and_says_what_is_missing(postern, tokens, host):
    add(postern, host, tokens, grant='client')
    tokens.say(error='invalid_grant', description='AADSTS65001: no consent', times=None)
    send(postern, postern.add_user())
    postern.wait_for_log('event=profile-stopped', 'SMTP.SendAsApp')
    shown = postern.ctl('profile', 'show', 'office')
    assert shown['state'] == 'stopped' and 'grant admin consent' in shown['last_error']
    alert = wait_until(lambda: postern.ctl('alert', 'ls'), 'an alert')[0]
    assert alert['kind'] == 'profile-stopped' and 'SMTP.SendAsApp' in alert['detail']
    assert len(postern.queued()) == 1 and host.connections == []
    tokens.behave()
    postern.ctl('profile', 'resume', 'office')
    host.wait_for(1)


# -- the life of a token --

def test_many_connections_share_one_token(postern, tokens, host):
    add(postern, host, tokens, '--connections', '10')
    tokens.say(hold=True)
    users = [postern.add_user(f'user{n}') for n in range(4)]
    for user in users:
        send(postern, user, count=5)
    tokens.wait_for_requests(1)
    assert host.connections == []
    tokens.behave()
    host.wait_for(20)
    assert len(tokens.requests) == 1
    postern.wait_until_queue_is(0)


def test_token_is_renewed_ahead_of_its_end(make_postern, make_tokens, make_upstream):
    tokens = make_tokens(life_s=4)
    host = make_upstream(auth=('XOAUTH2',), tokens=tokens.is_good)
    postern = make_postern()
    add(postern, host, tokens)
    send(postern, postern.add_user())
    host.wait_for(1)
    began = time.monotonic()
    tokens.wait_for_requests(2)     # nobody sent anything meanwhile
    assert time.monotonic() - began < tokens.life_s
    # One that nobody used is not.
    time_of_two = time.monotonic()
    while time.monotonic() - time_of_two < 1.5 * tokens.life_s:
        assert len(tokens.requests) == 2
        time.sleep(0.2)


def test_old_token_that_is_refused_is_replaced_once(postern, tokens, host, make_upstream):
    add(postern, host, tokens)
    user = postern.add_user()
    send(postern, user)
    host.wait_for(1)
    postern.wait_until_queue_is(0)
    tokens.revoke()
    postern.ctl('profile', 'set', 'office', '--comment', 'its connections are closed')
    send(postern, user)
    host.wait_for(2)
    postern.wait_until_queue_is(0)
    assert len(tokens.requests) == 2


def test_new_token_that_is_refused_stops_the_profile(postern, tokens, make_upstream):
    host = make_upstream(auth=('XOAUTH2',), tokens=lambda *_: False)
    add(postern, host, tokens)
    send(postern, postern.add_user())
    postern.wait_for_log('event=profile-stopped', '535')
    shown = postern.ctl('profile', 'show', 'office')
    assert shown['state'] == 'stopped' and '535' in shown['last_error']
    assert len(tokens.requests) == 1 and len(host.connections) == 1
    assert 'SMTP.SendAsApp' in postern.run_ctl('profile', 'test', 'office').stderr


def test_reload_and_change_keep_the_token(postern, tokens, host):
    add(postern, host, tokens)
    user = postern.add_user()
    send(postern, user)
    host.wait_for(1)
    postern.ctl('reload')
    postern.ctl('profile', 'set', 'office', '--connections', '3')
    send(postern, user)
    host.wait_for(2)
    assert len(tokens.requests) == 1
    # Other settings ask anew.
    postern.ctl('profile', 'set', 'office', '--oauth-refresh-token-stdin', stdin='other\n')
    assert 'log in again' in diagnosis(postern)


def test_end_of_a_login_raises_an_alert(postern, make_tokens, make_upstream):
    tokens = make_tokens(refresh_life_s=2 * 86400)
    host = make_upstream(auth=('XOAUTH2',), tokens=tokens.is_good)
    add(postern, host, tokens)
    assert step(postern)['ok']
    alert = wait_until(lambda: postern.ctl('alert', 'ls'), 'an alert')[0]
    assert (alert['kind'], alert['address']) == ('login-expires', 'office')
    assert 'log in again' in alert['detail']
    assert postern.ctl('profile', 'show', 'office')['login_until'] is not None


# -- rotation --

def kill(postern, role):
    pid = postern.roles()[role]
    subprocess.run(['kill', '-9', str(pid)], check=True)
    wait_until(lambda: postern.roles()[role] != pid and postern.is_ready(), f'{role} is back')


def test_rotation(postern, make_tokens, make_upstream):
    tokens = make_tokens(rotates=True, life_s=1)
    host = make_upstream(auth=('XOAUTH2',), tokens=lambda *_: True)
    add(postern, host, tokens)
    for _ in range(4):
        requests = len(tokens.requests)
        wait_until(lambda: step(postern)['ok'] and len(tokens.requests) > requests,
                   'another token')
    assert len(tokens.stale) >= 4
    postern.restart()
    assert step(postern)['ok']
    used = [form['refresh_token'] for form in tokens.wait_for_requests(5)]
    assert used == tokens.stale, 'each was used once, in the order in which they were given'
    assert tokens.refresh_token not in everything_written(postern)


@pytest.mark.parametrize('victim', ['relay', 'accounts', 'accounts relay'])
def test_newest_refresh_token_outlives_kills(postern, make_tokens, make_upstream, victim):
    postern.expect_trouble('role-restarted')
    postern.expect_trouble('event=problem')
    tokens = make_tokens(rotates=True, life_s=1)
    host = make_upstream(auth=('XOAUTH2',), tokens=lambda *_: True)
    add(postern, host, tokens)
    for _ in range(3):
        requests = len(tokens.requests)
        # Right after the answer has been used.
        wait_until(lambda: works(postern) and len(tokens.requests) > requests, 'another token')
        for role in victim.split():
            kill(postern, role)
            # Nobody else has it while both are away.
            if role == 'accounts':
                wait_until_on_disk(postern, len(tokens.stale))
    wait_until(lambda: works(postern), 'it still works')
    used = [form['refresh_token'] for form in tokens.wait_for_requests(4)]
    assert used == tokens.stale[:len(used)] and len(set(used)) == len(used)


def wait_until_on_disk(postern, count):
    postern.wait_for_log('the new refresh token is on disk', count=count)


def test_accounts_is_away_when_a_token_rotates(postern, make_tokens, make_upstream):
    """Relay keeps the new one until accounts has it; mail waits for that, and needs no second request."""
    postern.expect_trouble('role-restarted')
    postern.expect_trouble('event=problem')
    tokens = make_tokens(rotates=True)
    host = make_upstream(auth=('XOAUTH2',), tokens=tokens.is_good)
    add(postern, host, tokens)
    tokens.say(hold=True)
    user = postern.add_user()
    with postern.client(user) as client:
        client.sendmail('a@example.com', ['kate@example.net'], 'Subject: hello\n\nText\n')
        tokens.wait_for_requests(1)
        accounts = postern.roles()['accounts']
        subprocess.run(['kill', '-STOP', str(accounts)], check=True)
        try:
            tokens.behave()
            postern.wait_for_log('a token that holds')
            assert len(tokens.stale) == 1 and host.connections == []
        finally:
            subprocess.run(['kill', '-KILL', str(accounts)], check=True)
    wait_until(lambda: postern.roles()['accounts'] != accounts and postern.is_ready(),
               'accounts is back')
    wait_until_on_disk(postern, 1)
    host.wait_for(1)
    kill(postern, 'relay')
    wait_until(lambda: works(postern), 'it works again')
    used = [form['refresh_token'] for form in tokens.wait_for_requests(2)]
    assert used == tokens.stale


def hurry(postern):
    """What a dead relay had is uncertain, and would wait for half a minute."""
    postern.ctl('queue', 'retry', '--all')
    return True


@pytest.mark.parametrize('forgives', [True, False])
def test_relay_dies_with_a_refresh_token_that_is_not_on_disk(postern, make_tokens, make_upstream, forgives):
    """What the old one brought was not used: so it is taken again, where the token server forgives that."""
    postern.expect_trouble('role-restarted')
    postern.expect_trouble('event=problem')
    tokens = make_tokens(rotates=True, forgives=forgives)
    host = make_upstream(auth=('XOAUTH2',), tokens=tokens.is_good)
    add(postern, host, tokens)
    first = tokens.refresh_token
    tokens.say(hold=True)
    with postern.client(postern.add_user()) as client:
        client.sendmail('a@example.com', ['kate@example.net'], 'Subject: hello\n\nText\n')
    tokens.wait_for_requests(1)
    victims = [postern.roles()[role] for role in ('accounts', 'relay')]
    os.kill(victims[0], signal.SIGSTOP)
    tokens.behave()
    postern.wait_for_log('a token that holds')
    for pid in reversed(victims):       # with accounts also what it was told and has not read
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not {*victims} & {*postern.roles().values()} and postern.is_ready(), 'they are back')
    if not forgives:
        wait_until(lambda: hurry(postern) and postern.ctl('profile', 'show', 'office')['state'] == 'stopped', 'a stop')
        assert 'log in again' in postern.ctl('profile', 'show', 'office')['last_error']
        postern.ctl('profile', 'set', 'office', '--oauth-refresh-token-stdin', stdin=tokens.refresh_token + '\n')
    wait_until(lambda: hurry(postern) and not postern.queued(), 'the message is delivered')
    assert [form['refresh_token'] for form in tokens.wait_for_requests(2)][:2] == [first, first]
    assert len(host.connections) == 1


# -- settings --

@pytest.mark.parametrize('options, expected', [
    (['--oauth-client-id', 'x'], 'oauth-grant: oauth_client_id has no use'),
    (['--oauth-grant', 'maybe'], 'oauth-grant: maybe is not one of'),
    (['--oauth-grant', 'refresh'], 'oauth-token-url: oauth_grant refresh needs it'),
    (['--oauth-grant', 'refresh', '--oauth-token-url', 'http://login.example/'],
     'oauth-token-url: must begin with https://'),
    (['--oauth-grant', 'refresh', '--oauth-token-url', 'https://login.example/',
      '--oauth-client-id', 'x'], 'oauth-refresh-token'),
    (['--oauth-grant', 'client', '--oauth-token-url', 'https://login.example/',
      '--oauth-client-id', 'x'], 'oauth-client-secret'),
    (['--oauth-grant', 'device', '--oauth-token-url', 'https://login.example/',
      '--oauth-client-id', 'x', '--oauth-scope', 'y'], 'oauth-device-url'),
    (['--oauth-grant', 'service-account', '--oauth-key', '/etc/os-release'], 'oauth-key: is not the JSON'),
    (['--oauth-client-secret', '/no/such/file'], "can't read /no/such/file")])
def test_settings_that_make_no_sense(postern, options, expected):
    with pytest.raises(CtlError) as caught:
        postern.ctl('profile', 'add', 'x', '--host', 'mail.example', '--username', 'u', *options)
    assert caught.value.status == 1 and expected in caught.value.message


def test_provider_brings_what_the_grant_needs(postern, tmp_path):
    def add_with(name, provider, *options):
        return postern.ctl('profile', 'add', name, '--provider', provider, '--username',
                           'kate@example.com', *options)
    token = tmp_path / 'token'
    token.write_text('token\n')
    gmail = add_with('gmail', 'gmail', '--oauth-grant', 'refresh', '--oauth-client-id', 'id',
                     '--oauth-refresh-token', token)
    assert gmail['oauth_token_url'] == 'https://oauth2.googleapis.com/token'
    assert gmail['oauth_scope'] == 'https://mail.google.com/'
    office = add_with('office', 'office365', '--oauth-grant', 'device', '--oauth-client-id', 'id')
    assert office['oauth_device_url'].endswith('/devicecode')
    assert 'offline_access' in office['oauth_scope']
    # A tenant's own.
    with pytest.raises(CtlError, match='--oauth-token-url: oauth_grant client needs it'):
        add_with('app', 'office365', '--oauth-grant', 'client', '--oauth-client-id', 'id',
                 '--oauth-client-secret', token)
    # Who has a password has no use for all this.
    password = postern.ctl('profile', 'add', 'password', '--provider', 'gmail', '--username',
                           'kate@gmail.com', '--password-stdin', stdin='hush\n')
    assert password['oauth_token_url'] is None and password['oauth_scope'] is None
    with pytest.raises(CtlError, match='--oauth-grant: auth xoauth2 needs access tokens'):
        postern.ctl('profile', 'add', 'outlook', '--provider', 'outlook', '--username',
                    'kate@outlook.com', '--password-stdin', stdin='hush\n')


def test_grant_is_taken_away(postern, tokens, host):
    add(postern, host, tokens)
    with pytest.raises(CtlError, match='oauth_grant'):
        postern.ctl('profile', 'set', 'office', '--auth', 'plain')
    with pytest.raises(CtlError, match='has no use with oauth_grant'):
        postern.ctl('profile', 'set', 'office', '--password-stdin', stdin='hush\n')
    postern.ctl('profile', 'set', 'office', '--oauth-grant', '', '--password-stdin',
                stdin='hush\n')
    shown = postern.ctl('profile', 'show', 'office')
    assert shown['oauth_grant'] is None and shown['oauth_client_id'] is None
    assert 'has_refresh_token' not in shown and 'token_until' not in shown
