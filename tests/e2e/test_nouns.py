"""Each option of a noun, set with posternctl and shown again by -j, with the types of the API."""
import json
import re
import subprocess

import pytest

from posternd import Api, CtlError, wait_until

pytestmark = pytest.mark.user

RFC3339 = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ')


def shown(postern, noun, name):
    return postern.ctl(noun, 'show', name)


@pytest.mark.parametrize('options, fields', [
    (['--unauthorized', 'alert'], {'unauthorized': 'alert'}),
    (['--unauthorized', 'block'], {'unauthorized': 'block'}),
    (['--profile', 'out'], {'profile': 'out'}),
    (['--note', 'für Ältere'], {'note': 'für Ältere'}),
])
def test_list(postern, options, fields):
    postern.ctl('profile', 'add', 'out', '--capture', 'out')
    assert postern.ctl('list', 'add', 'added', *options).items() >= fields.items()
    empty = postern.ctl('list', 'add', 'web')
    assert empty == {'id': empty['id'], 'name': 'web', 'unauthorized': None, 'profile': None,
                     'alert_to': None, 'note': None, 'users': 0}
    assert isinstance(empty['id'], str)
    assert postern.ctl('list', 'set', 'web', *options).items() >= fields.items()
    assert shown(postern, 'list', 'web').items() >= fields.items()
    assert [row['name'] for row in postern.ctl('list', 'ls')] == ['added', 'web']


@pytest.mark.parametrize('options, fields', [
    (['--priority', '1'], {'priority': 1}),
    (['--priority', '4', '--priority-max', '2'], {'priority': 4, 'priority_max': 2}),
    (['--domains', 'd1.example; *.d2.example'], {'domains': ['d1.example', '*.d2.example']}),
    (['--domains', 'münchen.example'], {'domains': ['xn--mnchen-3ya.example']}),
    (['--senders', 'a@b.example,c@d.example ;'], {'senders': ['a@b.example', 'c@d.example']}),
    (['--senders', '*'], {'senders': ['*']}),
    (['--check', 'header'], {'check': 'header'}),
    (['--check', 'envelope'], {'check': 'envelope'}),
    (['--profile', 'out'], {'profile': 'out'}),
    (['--stamp-priority', 'yes'], {'stamp_priority': True}),
    (['--active', 'no'], {'active': False}),
    (['--note', 'n'], {'note': 'n'}),
    (['--messages', ' 9/d 1/h '], {'messages': '1/h 9/d'}),
    (['--recipients', 'none', '--over-limit', 'hold'],
     {'recipients': 'none', 'over_limit': 'hold'}),
])
def test_user(postern, options, fields):
    postern.ctl('profile', 'add', 'out', '--capture', 'out')
    assert postern.add_user('added', *options).items() >= fields.items()
    account = postern.add_user('shop')
    assert account['server'] == 'relay.example' and account['login'] == 'shop'
    assert account['encryption'] == ['starttls', 'implicit']
    assert account['ports'] == [str(postern.port), str(postern.tls_port)]
    assert len(account['password']) >= 20
    plain = shown(postern, 'user', 'shop')
    sent = {name: plain.pop(name) for name in list(plain)
            if '_used_' in name or '_left_' in name or name in ('limited_until', 'has_held')}
    assert len(sent) == 10 and set(sent.values()) == {None, False}
    assert plain == {'id': plain['id'], 'login': 'shop', 'list': 'web', 'active': True,
                     'priority': 3, 'priority_max': 1, 'domains': [], 'senders': [],
                     'check': 'both', 'profile': None, 'stamp_priority': False, 'note': None,
                     'messages': None, 'recipients': None, 'over_limit': None}
    assert postern.ctl('user', 'set', 'shop', *options).items() >= fields.items()
    assert shown(postern, 'user', 'shop').items() >= fields.items()
    again = postern.ctl('user', 'reset-password', 'shop')
    assert again['password'] != account['password'] and again['server'] == 'relay.example'
    assert shown(postern, 'list', 'web')['users'] == 2


@pytest.mark.parametrize('options, fields', [
    ([], {'port': 25, 'tls': 'opportunistic', 'tls_verify': 'no', 'auth': 'none'}),
    (['--port', '465'], {'port': 465, 'tls': 'implicit', 'tls_verify': 'yes'}),
    (['--port', '587'], {'port': 587, 'tls': 'starttls', 'tls_verify': 'yes'}),
    (['--port', '2525'], {'port': 2525, 'tls': 'opportunistic'}),
    (['--tls', 'implicit'], {'port': 465}),
    (['--tls', 'starttls'], {'port': 587}),
    (['--tls', 'none'], {'port': 25, 'tls': 'none'}),
    (['--username', 'u', '--password-stdin'], {'username': 'u', 'auth': 'auto'}),
    (['--username', 'u', '--password-stdin', '--auth', 'cram-md5'], {'auth': 'cram-md5'}),
    (['--ehlo', 'me.example'], {'ehlo': 'me.example'}),
    (['--timeout', '90s', '--dot-timeout', '2m'], {'timeout': 90, 'dot_timeout': 120}),
    (['--tls', 'starttls', '--tls-min', '1.3'], {'tls_min': '1.3', 'tls_max': '1.3'}),
    (['--tls', 'starttls', '--tls-max', '1.2'], {'tls_min': '1.2', 'tls_max': '1.2'}),
    (['--tls', 'starttls', '--tls-max', '1.0'], {'tls_min': '1.0', 'tls_max': '1.0'}),
    (['--username', 'u', '--password-stdin', '--auth', 'scram-sha-256-plus'],
     {'auth': 'scram-sha-256-plus', 'auth_worked': None, 'auth_in_clear': False}),
    (['--username', 'u', '--password-stdin', '--auth-in-clear', 'yes'], {'auth_in_clear': True}),
    (['--tls', 'starttls', '--tls-verify', 'no'], {'tls_verify': 'no'}),
    (['--tls', 'starttls', '--tls-verify', 'AB:' * 31 + 'AB'], {'tls_verify': 'ab' * 32}),
    (['--connections', '7'], {'connections': 7}),
    (['--comment', 'c'], {'comment': 'c'}),
    (['--default'], {'default': True}),
])
def test_profile(postern, options, fields):
    postern.ctl('profile', 'add', 'first', '--capture', 'first')
    profile = postern.ctl('profile', 'add', 'up', '--host', 'h.example', *options,
                          stdin='secret\n')
    assert profile.items() >= {'name': 'up', 'host': 'h.example', **fields}.items()
    profile = shown(postern, 'profile', 'up')
    assert profile.items() >= {'state': 'ok', 'rate_limited_until': None, 'last_error': None,
                               'has_password': '--password-stdin' in options, **fields}.items()
    assert isinstance(profile['id'], str)


def test_profile_files_and_states(postern, tmp_path):
    ca = tmp_path / 'ca.pem'
    ca.write_text(postern.ctl('tls', 'ca')['certificate'])
    postern.ctl('profile', 'add', 'up', '--host', 'h.example', '--tls', 'starttls', '--ca', ca,
                '--username', 'u', '--password-stdin', stdin='secret\n')
    profile = shown(postern, 'profile', 'up')
    assert profile['has_password'] is True and 'secret' not in json.dumps(profile)
    assert profile['ca'] == ca.read_text()
    postern.ctl('profile', 'pause', 'up')
    assert shown(postern, 'profile', 'up')['state'] == 'paused'
    postern.ctl('profile', 'resume', 'up')
    assert shown(postern, 'profile', 'up')['state'] == 'ok'
    capture = postern.ctl('profile', 'add', 'caught', '--capture', 'sub')
    assert capture['capture'] == 'sub' and capture['host'] is None


@pytest.mark.parametrize('arguments', [
    ['profile', 'set', 'up', '--auth', 'gssapi'],
    ['list', 'set', 'web', '--alert-to', 'a@b.example'],
])
def test_what_is_not_built_is_refused(postern, arguments):
    postern.ctl('profile', 'add', 'up', '--host', 'h.example')
    postern.ctl('list', 'add', 'web')
    done = postern.run_ctl(*arguments)
    assert done.returncode == 1
    assert re.search('not available in this version|is not one of', done.stderr), done.stderr
    assert done.stderr.count('\n') == 1


@pytest.mark.parametrize('arguments, status', [
    (['status'], 0), (['list', 'show', 'nobody'], 1), (['user', 'add', 'x'], 2), ([], 2),
    (['list'], 2), (['list', 'add'], 2), (['list', 'ls', '--what'], 2), (['what'], 2),
    (['queue', 'rm'], 2), (['user', 'add', 'x', '--list', 'nix'], 1),
])
def test_exit_codes(postern, arguments, status):
    assert postern.run_ctl(*arguments).returncode == status


def test_exit_code_without_a_daemon(postern, tmp_path):
    done = subprocess.run([postern.programs['posternctl'], '-s', tmp_path / 'no', 'status'],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 3 and done.stderr.count('\n') == 1


def curl(postern, path, *options):
    done = subprocess.run(['curl', '-s', '-w', '\n%{http_code}', '--unix-socket',
                           postern.socket_path, f'http://localhost{path}', *options],
                          capture_output=True, text=True, timeout=30, check=True)
    body, status = done.stdout.rsplit('\n', 1)
    return int(status), json.loads(body)


@pytest.mark.parametrize('path', ['lists', 'users', 'profiles', 'messages', 'alerts'])
def test_paths_of_the_api(postern, path):
    assert curl(postern, f'/v1/{path}') == (200, [])


def test_more_rows_than_one_answer_has_room_for(make_postern):
    postern = make_postern(log_level='info')
    api, names = Api(postern.socket_path), [f'list{i:04}' for i in range(1200)]
    for name in names:
        assert api.ask('POST', '/v1/lists', {'name': name, 'note': 'n' * 900})[0] == 201
    assert [row['name'] for row in postern.ctl('list', 'ls')] == names
    api.close()


def test_api_with_curl(postern):
    assert curl(postern, '/v1/lists', '-d', '{"name": "web"}')[0] == 201
    status, answer = curl(postern, '/v1/lists', '-d', '{"name": "x", "colour": "red"}')
    assert status == 400 and answer['error']['field'] == 'colour'
    assert set(answer['error']) == {'code', 'message', 'field'}
    user = curl(postern, '/v1/users', '-d', '{"login": "a@b.example", "list": "web"}')[1]
    again = curl(postern, '/v1/users/a%40b.example/reset-password', '-X', 'POST')[1]
    assert again['password'] != user['password']
    assert curl(postern, '/v1/users/nobody')[0] == 404
    assert curl(postern, '/v1/lists', '-X', 'DELETE')[0] == 405
    assert curl(postern, '/v1/nothing')[1]['error']['code'] == 'unknown_path'


def test_status(postern):
    postern.ctl('profile', 'add', 'up', '--host', 'h.example')
    status = postern.ctl('status')
    assert {'version', 'roles', 'queue', 'profiles', 'listeners'} <= set(status)
    for role in status['roles']:
        assert {'name', 'pid', 'since', 'restarts'} <= set(role)
        assert RFC3339.fullmatch(role['since'])
    assert [profile['name'] for profile in status['profiles']] == ['up']


def test_message(postern, make_upstream):
    postern.add_upstream(make_upstream('rcpt match=<b@: reply 450 4.2.0 later'))
    user = postern.add_user('shop', '--priority', '2')
    with postern.client(user) as client:
        client.sendmail('a@example.com', ['a@example.net', 'b@example.net'],
                        b'From: <a@example.com>\r\nMessage-ID: <m@x>\r\nSubject: s\r\n\r\nb\r\n')
    postern.wait_for_log('event=deferred')
    message = postern.queued()[0]
    assert message.items() >= {
        'state': 'deferred', 'priority': 2, 'user': 'shop', 'list': 'web', 'profile': 'upstream',
        'from': 'a@example.com', 'message_id': '<m@x>', 'subject': 's'}.items()
    assert isinstance(message['id'], str) and isinstance(message['size'], int)
    assert RFC3339.fullmatch(message['received_at'])
    taken, waiting = message['recipients']
    assert taken.items() >= {'to': 'a@example.net', 'state': 'delivered', 'attempts': 1,
                             'next_attempt_at': None, 'code': 250}.items()
    assert waiting.items() >= {'to': 'b@example.net', 'state': 'deferred', 'code': 450,
                               'enhanced': '4.2.0', 'reply': 'later'}.items()
    assert RFC3339.fullmatch(waiting['next_attempt_at'])
    with pytest.raises(CtlError):
        postern.ctl('queue', 'show', 'nothing')


@pytest.mark.parametrize('count, reply', [(3000, 'y' * 900), (1000, 'later')],
                         ids=['long', 'short'])
def test_many_recipients_and_long_replies(make_postern, make_upstream, count, reply):
    """As much as one attempt can have to tell; and no answer grows over what fits into one."""
    postern = make_postern(config='limits = { recipients = 10000; };', log_level='info')
    postern.add_upstream(make_upstream(f'rcpt: reply 450 4.2.0 {reply}'))
    user = postern.add_user()
    with postern.client(user, tls='none') as client:
        for _ in range(4):
            client.sendmail('a@example.com', [f'r{i}@example.net' for i in range(count)],
                            b'Subject: s\r\n\r\nb\r\n')
    wait_until(lambda: postern.ctl('status')['queue']['deferred'] == 4, 'all are deferred')
    seen, after = [], []
    while page := postern.queued(*after):
        seen += [message['recipient_count'] for message in page]
        after = ['--after', page[-1]['id']]
    assert seen == [count] * 4
    assert f'+{count - 1}' in postern.run_ctl('queue', 'ls').stdout
