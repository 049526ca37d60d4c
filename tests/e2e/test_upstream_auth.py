"""Logging in to upstreams: which method, when the next one, and when none any more."""
import subprocess
import uuid

import pytest

import exim
from posternd import CtlError, wait_until
from testca import TestCa

USER, PASSWORD = 'office', 'correct horse'
SENDER = 'shop@example.com'
pytestmark = pytest.mark.user


@pytest.fixture
def relay(postern, make_upstream):
    """A posternd whose default profile logs in to a rude upstream over TLS that it can be sure of."""
    def make(script='', *options, auth=('PLAIN', 'LOGIN'), password=PASSWORD, known=PASSWORD, tls='starttls'):
        host = make_upstream(script, auth=auth, credentials=(USER, known), tls=tls)
        postern.host = host
        trust = ('--ca', host.ca) if tls != 'none' else ()
        postern.add_upstream(host, 'office', '--tls', tls, *trust, '--username', USER, '--password-stdin',
                             '--transcript', 'always', *options, stdin=password + '\n')
        postern.user = postern.add_user('shop')
        return postern, host
    return make


def send(postern):
    recipient = f'{uuid.uuid4().hex}@example.net'
    with postern.client(postern.user) as client:
        client.sendmail(SENDER, [recipient], b'From: <shop@example.com>\r\n\r\nhello\r\n')
    return recipient


def methods(host):
    """The commands of AUTH, by connection."""
    return [[line.split()[1].decode() for line in connection.commands if line.startswith(b'AUTH ')]
            for connection in host.connections]


def test_upstream_that_can_not_check_what_it_announces(relay):
    """As those that keep hashed passwords and offer CRAM-MD5 all the same."""
    postern, host = relay('auth match=CRAM-MD5: reply 535 5.7.8 Authentication failed',
                          auth=('PLAIN', 'CRAM-MD5', 'LOGIN'))
    send(postern)
    host.wait_for(1)
    postern.wait_until_queue_is(0)
    assert methods(host) == [['CRAM-MD5', 'LOGIN']]
    profile = wait_until(lambda: (shown := postern.ctl('profile', 'show', 'office'))['auth_worked'] and shown,
                         'the method is kept')
    assert profile['auth_worked'] == 'login' and profile['state'] == 'ok'
    # the next connection begins with it, also after a restart
    postern.restart()
    send(postern)
    host.wait_for(2)
    postern.wait_until_queue_is(0)
    assert methods(host)[1:] == [['LOGIN']]
    # and forgets it with another login
    profile = postern.ctl('profile', 'set', 'office', '--username', USER)
    assert profile['auth_worked'] is None


def test_method_that_is_not_supported_after_all(relay):
    postern, host = relay('auth match=CRAM-MD5: reply 504 5.5.4 Unrecognized authentication type',
                          auth=('PLAIN', 'CRAM-MD5'))
    send(postern)
    host.wait_for(1)
    assert methods(host) == [['CRAM-MD5', 'PLAIN']]


def test_two_methods_and_no_more(relay):
    """The account would be locked. A test of the profile counts as well."""
    postern, host = relay(auth=('CRAM-MD5', 'LOGIN', 'PLAIN'), known='another')
    recipient = send(postern)
    postern.wait_for_log('event=profile-stopped', '535')
    assert methods(host) == [['CRAM-MD5', 'LOGIN']]
    result = postern.run_ctl('-j', 'profile', 'test', 'office')
    assert result.returncode == 1 and 'refused 2 logins within ten minutes' in result.stdout
    assert '535 5.7.8 Credentials invalid' in result.stdout
    assert 'Mend what was refused' in result.stdout
    assert methods(host)[1:] == [[]]
    # an operator's change begins anew
    postern.ctl('profile', 'set', 'office', '--password-stdin', stdin='another\n')
    host.wait_for(1)
    postern.wait_for_log('event=delivered', f'to=<{recipient}>')
    assert methods(host)[2:] == [['CRAM-MD5']]


def test_password_that_a_test_found_wrong_stops_the_profile(relay):
    """The test has used up both logins: the mail behind it hears of the password all the same."""
    postern, host = relay(auth=('CRAM-MD5', 'PLAIN'), known='another')
    assert postern.run_ctl('profile', 'test', 'office').returncode == 1
    assert methods(host) == [['CRAM-MD5', 'PLAIN']]
    recipient = send(postern)
    postern.wait_for_log('event=profile-stopped', 'class=auth-bad', '535')
    shown = postern.ctl('profile', 'show', 'office')
    assert shown['state'] == 'stopped' and '--password-stdin' in shown['last_error']
    alert, = postern.ctl('alert', 'ls')
    assert (alert['kind'], alert['address']) == ('profile-stopped', 'office')
    assert methods(host)[1:] == [[]]
    postern.ctl('profile', 'set', 'office', '--password-stdin', stdin='another\n')
    postern.wait_for_log('event=delivered', f'to=<{recipient}>')


def test_one_connection_logs_in_before_others_try(relay):
    """Twenty connections with a wrong password would be twenty refusals."""
    postern, host = relay('auth: reply 535 5.7.8 Authentication failed', '--auth', 'plain')
    postern.ctl('profile', 'pause', 'office')
    for _ in range(5):
        send(postern)
    postern.ctl('profile', 'resume', 'office')
    postern.wait_for_log('event=profile-stopped', '535')
    assert sum(map(len, methods(host))) == 1
    assert len(postern.queued()) == 5


def test_password_goes_to_nobody_else(relay):
    """Without verification it is not said by LOGIN after CRAM-MD5 was refused."""
    postern, host = relay('auth match=CRAM-MD5: reply 535 5.7.8 Authentication failed', '--tls-verify', 'no',
                          auth=('PLAIN', 'CRAM-MD5', 'LOGIN'))
    send(postern)
    postern.wait_for_log('event=profile-stopped', '535')
    assert methods(host) == [['CRAM-MD5']]


def test_in_clear_only_if_it_is_allowed(relay):
    postern, host = relay('', '--tls', 'opportunistic', tls='none')
    recipient = send(postern)
    profile = wait_until(lambda: (shown := postern.ctl('profile', 'show', 'office'))['state'] == 'limited' and shown,
                         'it waits')
    assert 'credentials are not sent in clear' in profile['last_error']
    assert 'auth-in-clear' in profile['last_error']
    assert methods(host) == [[]]
    postern.ctl('profile', 'set', 'office', '--auth-in-clear', 'yes')
    host.wait_for(1)
    postern.wait_for_log('event=delivered', f'to=<{recipient}>')
    assert methods(host)[-1] == ['LOGIN']


@pytest.mark.parametrize('allows', ['yes', 'no'])
def test_opportunistic_tls_that_fails(relay, allows):
    """STARTTLS is announced, and its handshake breaks: on in clear, with credentials only if that is allowed."""
    postern, host = relay('tls: garbage', '--tls', 'opportunistic', '--auth-in-clear', allows)
    send(postern)
    if allows == 'yes':
        host.wait_for(1)
        assert methods(host)[-1] == ['LOGIN']
    else:
        wait_until(lambda: postern.ctl('profile', 'show', 'office')['state'] == 'limited', 'it waits')
        assert not any(methods(host))


# ---- NTLM ----

@pytest.fixture
def ntlm_users(tmp_path, monkeypatch):
    pytest.importorskip('gssapi')
    users = tmp_path / 'ntlm-users'
    users.write_text(f'WORKGROUP:{USER}:{PASSWORD}\n:office@example.com:{PASSWORD}\n')
    monkeypatch.setenv('NTLM_USER_FILE', str(users))


@pytest.mark.parametrize('auth', ['ntlm', 'msn', 'auto'])
@pytest.mark.parametrize('name', [f'WORKGROUP\\{USER}', USER, 'OFFICE', 'office@example.com'])
def test_ntlm(relay, ntlm_users, auth, name):
    """NTLMv2, held against the NTLM of others."""
    postern, host = relay('', '--auth', auth, '--username', name, auth=('NTLM', 'LOGIN'))
    send(postern)
    host.wait_for(1)
    assert methods(host) == [['NTLM']]
    assert host.messages[0].connection.login[1].lower().endswith(name.lower())


def test_ntlm_with_a_wrong_password(relay, ntlm_users):
    postern, host = relay('', '--auth', 'ntlm', auth=('NTLM', 'LOGIN'), password='wrong')
    send(postern)
    postern.wait_for_log('event=profile-stopped', '535')
    assert methods(host) == [['NTLM']]


@pytest.mark.root
@pytest.mark.parametrize('password', [exim.PASSWORD, 'wrong'])
def test_exim(postern, password):
    """Its SPA knows NTLMv1 only, which has to be asked for."""
    if exim.why_not():
        pytest.skip(exim.why_not())
    with exim.Exim() as server:
        postern.ctl('profile', 'add', 'office', '--host', '127.0.0.1', '--port', server.port, '--tls', 'none', '--auth',
                    'ntlm-v1', '--username', exim.USER, '--password-stdin', '--default', stdin=password + '\n')
        postern.user = postern.add_user('shop')
        recipient = send(postern)
        if password == exim.PASSWORD:
            server.mail_for(recipient)
            postern.wait_for_log('event=delivered', f'to=<{recipient}>')
        else:
            postern.wait_for_log('event=profile-stopped', '535 Incorrect authentication data')


# ---- certificates of our own ----

@pytest.mark.parametrize('name', ['', 'shop'])
def test_external(postern, make_upstream, tmp_path, name):
    ca = TestCa(tmp_path / 'ca')
    own = ca.issue('office', names=['office.example'])
    host = make_upstream(auth=('EXTERNAL', 'PLAIN'), tls='starttls', client_ca=ca.path)
    postern.add_upstream(host, 'office', '--tls', 'starttls', '--ca', host.ca, '--auth', 'external', '--username',
                         name, '--client-certificate', own.certificate, '--client-key', own.key)
    postern.user = postern.add_user('shop')
    send(postern)
    host.wait_for(1)
    assert methods(host) == [['EXTERNAL']]
    assert host.messages[0].connection.login[1] == name


def test_client_certificates_that_can_not_be(postern, tmp_path):
    ca = TestCa(tmp_path / 'ca')
    one, two = ca.issue('one', names=['one.example']), ca.issue('two', names=['two.example'])
    locked, junk = tmp_path / 'locked', tmp_path / 'junk'
    subprocess.run(['openssl', 'pkey', '-in', one.key, '-aes256', '-passout', 'pass:x', '-out', locked], check=True)
    junk.write_text('hello\n')

    def refused(*options, command=('add', 'x', '--host', 'mail.example')):
        with pytest.raises(CtlError) as caught:
            postern.ctl('profile', *command, *options)
        return caught.value.message
    assert 'go together' in refused('--client-certificate', one.certificate)
    assert 'go together' in refused('--client-key', one.key)
    pair = ('--client-certificate', one.certificate, '--client-key')
    assert 'does not belong' in refused(*pair, two.key)
    assert 'passphrase' in refused(*pair, locked)
    assert 'no key' in refused(*pair, junk)
    assert 'no certificate' in refused('--client-certificate', junk, '--client-key', one.key)
    assert 'needs a certificate' in refused('--auth', 'external')
    postern.ctl('profile', 'add', 'x', '--host', 'mail.example', *pair, one.key)
    assert 'does not belong' in refused('--client-certificate', two.certificate, command=('set', 'x'))
    assert 'does not belong' in refused('--client-key', two.key, command=('set', 'x'))
    shown = postern.ctl('profile', 'set', 'x', '--client-certificate', two.certificate, '--client-key', two.key)
    assert shown['has_client_key'] is True


# ---- with a real server: another postern ----

@pytest.fixture
def upstream(make_postern):
    other = make_postern(auth='mechanisms = "SCRAM-SHA-256-PLUS SCRAM-SHA-256 LOGIN PLAIN CRAM-MD5";')
    other.add_capture()
    other.maildir = other.directory / 'capture' / 'caught'
    other.account = other.add_user(USER, '--domains', 'example.com')
    other.ca_path = other.directory / 'ca.pem'
    other.ca_path.write_text(other.ctl('tls', 'ca')['certificate'])
    return other


@pytest.mark.parametrize('auth, used', [
    ('auto', 'SCRAM-SHA-256-PLUS'), ('scram-sha-256-plus', 'SCRAM-SHA-256-PLUS'), ('scram-sha-256', 'SCRAM-SHA-256'),
    ('cram-md5', 'CRAM-MD5'), ('login', 'LOGIN'), ('plain', 'PLAIN')])
@pytest.mark.parametrize('tls_max', ['1.2', '1.3'])
def test_postern_as_upstream(make_postern, upstream, auth, used, tls_max):
    """Both channel bindings: tls-unique up to TLS 1.2, tls-exporter since."""
    postern = make_postern()
    postern.ctl('profile', 'add', 'office', '--host', 'localhost', '--port', upstream.port, '--tls', 'starttls',
                '--ca', upstream.ca_path, '--tls-max', tls_max, '--auth', auth, '--username', USER,
                '--password-stdin', '--default', stdin=upstream.account['password'] + '\n')
    postern.user = postern.add_user('shop')
    recipient = send(postern)
    line = postern.wait_for_log('event=delivered', f'to=<{recipient}>')
    assert f'tls=TLSv{tls_max}' in str(line)
    line = upstream.wait_for_log('event=authenticated', f'user={USER}')[0]
    assert f'mechanism={used}' in line.split()
    result = postern.ctl('profile', 'test', 'office')
    assert result['ok'] is True and result['method'] == used and result['tls'] == f'TLSv{tls_max}'
