"""Real clients send through STARTTLS and AUTH; the message arrives, in the capture and upstream."""
import email
import email.policy
import json
import os
import pathlib
import shutil
import smtplib
import subprocess

import pytest

from posternd import wait_until
from testca import TestCa

SENDER, RECIPIENT = 'shop@example.com', 'customer@example.net'
MESSAGE = (f'From: Shop <{SENDER}>\r\nTo: {RECIPIENT}\r\nSubject: order 42\r\n\r\n'
           'first line\r\n.\r\n..two dots\r\nlast line\r\n').encode()

pytestmark = pytest.mark.user


@pytest.fixture
def caught(postern):
    """A posternd that captures, with a user."""
    postern.maildir = postern.add_capture()
    postern.user = postern.add_user('shop', '--domains', 'example.com')
    postern.ca_path = postern.directory / 'ca.pem'
    postern.ca_path.write_text(postern.ctl('tls', 'ca')['certificate'])
    return postern


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f'{program} is not installed')


def run(*arguments, stdin=None, env=None):
    done = subprocess.run([str(argument) for argument in arguments], input=stdin,
                          capture_output=True, timeout=60,
                          env={**os.environ, **env} if env else None)
    assert done.returncode == 0, (done.stdout + done.stderr).decode('utf-8', 'replace')
    return done.stdout.decode('utf-8', 'replace')


def received(postern, subject='order 42'):
    message = email.message_from_bytes(postern.captured(postern.maildir)[0],
                                       policy=email.policy.default)
    assert message['Subject'] == subject
    assert message['Received'] and 'relay.example' in message['Received']
    assert message['Date'] and message['Message-ID']
    wait_until(lambda: postern.log_lines('event=delivered', f'to=<{RECIPIENT}>'), 'delivered')
    assert postern.log_lines('event=accepted', 'user=shop', f'from=<{SENDER}>')
    assert not postern.queued()
    return message


def swaks(caught, *options, mechanism='PLAIN', port=None):
    return ['swaks', '--server', 'localhost', '--port', port or caught.port, *options,
            '--auth', mechanism, '--auth-user', caught.user['login'], '--auth-password',
            caught.user['password'], '--from', SENDER, '--to', RECIPIENT,
            '--header', 'Subject: order 42', '--body', 'hello']


@needs('swaks')
@pytest.mark.parametrize('tls', ['none', '--tls', '--tlsc'])
@pytest.mark.parametrize('mechanism', ['PLAIN', 'LOGIN'])
def test_swaks(caught, tls, mechanism):
    options = [] if tls == 'none' else [tls, '--tls-verify', '--tls-ca-path', caught.ca_path]
    run(*swaks(caught, *options, mechanism=mechanism,
               port=caught.tls_port if tls == '--tlsc' else caught.port))
    received(caught)


def curl(caught, message, *, url=None, ca=None, options=()):
    return ['curl', '--silent', '--show-error', '--ssl-reqd', '--cacert', ca or caught.ca_path,
            '--url', url or f'smtp://localhost:{caught.port}/client.example', '--user',
            f'{caught.user["login"]}:{caught.user["password"]}', '--mail-from', SENDER,
            '--mail-rcpt', RECIPIENT, '--upload-file', message, *options]


@needs('curl')
@pytest.mark.parametrize('tls', ['starttls', 'implicit'])
@pytest.mark.parametrize('mechanism', ['PLAIN', 'LOGIN'])
def test_curl(caught, tls, mechanism):
    message = caught.directory / 'message'
    message.write_bytes(MESSAGE)
    url = f'smtps://localhost:{caught.tls_port}/client.example' if tls == 'implicit' else None
    run(*curl(caught, message, url=url, options=('--login-options', f'AUTH={mechanism}')))
    assert received(caught).get_payload() == 'first line\r\n.\r\n..two dots\r\nlast line\r\n'


def msmtp(caught, *, tls='starttls', mechanism='plain', ca=None):
    config = caught.directory / 'msmtprc'
    config.write_text(f'''
account default
host localhost
port {caught.tls_port if tls == 'implicit' else caught.port}
tls on
tls_starttls {'off' if tls == 'implicit' else 'on'}
tls_trust_file {ca or caught.ca_path}
auth {mechanism}
user {caught.user['login']}
password {caught.user['password']}
from {SENDER}
''')
    config.chmod(0o600)
    return ['msmtp', '-C', config, RECIPIENT]


@needs('msmtp')
@pytest.mark.parametrize('tls', ['starttls', 'implicit'])
@pytest.mark.parametrize('mechanism', ['plain', 'login'])
def test_msmtp(caught, tls, mechanism):
    run(*msmtp(caught, tls=tls, mechanism=mechanism), stdin=MESSAGE.replace(b'\r\n', b'\n'))
    received(caught)


@pytest.mark.parametrize('tls', ['none', 'starttls', 'implicit'])
def test_smtplib(caught, tls):
    with caught.client(caught.user, tls=tls) as client:
        assert client.sendmail(SENDER, [RECIPIENT], MESSAGE) == {}
    received(caught)


CLIENTS = pathlib.Path(__file__).parent / 'clients'


def has_phpmailer():
    return (shutil.which('php') is not None
            and pathlib.Path('/usr/share/php/libphp-phpmailer').exists())


def phpmailer(caught, *, tls='tls', port=None, mechanism='', ca=None, password=None):
    return ['php', CLIENTS / 'phpmailer.php', port or caught.port, caught.user['login'],
            password or caught.user['password'], ca or caught.ca_path, SENDER, RECIPIENT, tls,
            mechanism]


needs_phpmailer = pytest.mark.skipif(not has_phpmailer(),
                                     reason='php or libphp-phpmailer is not installed')


@needs_phpmailer
@pytest.mark.parametrize('tls', ['tls', 'ssl'])
@pytest.mark.parametrize('mechanism', ['', 'PLAIN', 'LOGIN'])
def test_phpmailer(caught, tls, mechanism):
    port = caught.tls_port if tls == 'ssl' else caught.port
    run(*phpmailer(caught, tls=tls, port=port, mechanism=mechanism))
    message = received(caught)
    assert message.get_content_type() == 'multipart/mixed'
    text, picture = message.iter_parts()
    assert text.get_content().replace('\r\n', '\n') == 'Grüße\n.\n..\n'
    assert picture.get_content() == bytes(range(256)) * 40


def nodemailer_path():
    """Where node finds nodemailer: NODE_PATH, or a node_modules beside the tests."""
    here = pathlib.Path(__file__).parent / 'node_modules'
    return str(here) if here.exists() else os.environ.get('NODE_PATH', '')


def has_nodemailer():
    if shutil.which('node') is None:
        return False
    done = subprocess.run(['node', '-e', 'require("nodemailer")'], capture_output=True,
                          env={**os.environ, 'NODE_PATH': nodemailer_path()})
    return done.returncode == 0


def nodemailer(caught, *, tls='starttls', mechanism='', ca=None):
    port = caught.tls_port if tls == 'implicit' else caught.port
    return ['node', CLIENTS / 'nodemailer.js', port, caught.user['login'],
            caught.user['password'], ca or caught.ca_path, SENDER, RECIPIENT, tls, mechanism]


needs_nodemailer = pytest.mark.skipif(not has_nodemailer(), reason='nodemailer is not installed')


@needs_nodemailer
@pytest.mark.parametrize('tls', ['starttls', 'implicit'])
@pytest.mark.parametrize('mechanism', ['', 'LOGIN'])
def test_nodemailer(caught, tls, mechanism):
    run(*nodemailer(caught, tls=tls, mechanism=mechanism),
        env={'NODE_PATH': nodemailer_path()})
    message = received(caught)
    assert message['X-Priority'] == '1 (Highest)'
    assert caught.log_lines('event=accepted', 'priority=1')
    text, picture = message.iter_parts()
    assert text.get_content().replace('\r\n', '\n') == 'Grüße\n.\n..\n'
    assert picture.get_content() == bytes(range(256)) * 40


# ---- our certificate, and clients that don't know the CA ----

@pytest.fixture
def other_ca(tmp_path):
    return TestCa(tmp_path / 'other').path


def refuses(caught, *arguments, stdin=None, env=None, words='not accept our certificate'):
    """The client ends with an error, and the log says exactly why."""
    done = subprocess.run([str(argument) for argument in arguments], capture_output=True,
                          timeout=60, input=stdin, env={**os.environ, **env} if env else None)
    assert done.returncode != 0, done.stdout
    line = caught.wait_for_log('event=tls', words)[0]
    assert 'client=127.0.0.1:' in line or 'client=[::1]:' in line, line
    assert caught.queued() == [] and not caught.log_lines('event=accepted')


@needs('curl')
def test_curl_that_does_not_know_our_ca(caught, other_ca):
    message = caught.directory / 'message'
    message.write_bytes(MESSAGE)
    refuses(caught, *curl(caught, message, ca=other_ca))


@needs('msmtp')
def test_msmtp_that_does_not_know_our_ca(caught, other_ca):
    refuses(caught, *msmtp(caught, ca=other_ca), stdin=MESSAGE)


@needs('swaks')
def test_swaks_that_does_not_know_our_ca(caught, other_ca):
    refuses(caught, *swaks(caught, '--tls', '--tls-verify', '--tls-ca-path', other_ca))


@needs_phpmailer
def test_phpmailer_that_does_not_know_our_ca(caught, other_ca):
    refuses(caught, *phpmailer(caught, ca=other_ca))


@needs_nodemailer
@pytest.mark.parametrize('tls', ['starttls', 'implicit'])
def test_nodemailer_that_does_not_know_our_ca(caught, other_ca, tls):
    # Node.js sends no alert: it goes away before it has finished the handshake.
    refuses(caught, *nodemailer(caught, ca=other_ca, tls=tls),
            env={'NODE_PATH': nodemailer_path()},
            words='closed the connection during the TLS handshake')


@needs_phpmailer
def test_phpmailer_with_a_wrong_password_says_so(caught):
    done = subprocess.run([str(part) for part in phpmailer(caught, password='wrong')],
                          capture_output=True, timeout=60, text=True)
    assert done.returncode != 0
    assert 'authenticate' in done.stdout + done.stderr
    caught.wait_for_log('event=auth-failed', 'user=shop')


# ---- odds and ends ----

def test_many_messages_on_one_connection(caught):
    with caught.client(caught.user) as client:
        for _ in range(20):
            client.sendmail(SENDER, [RECIPIENT], MESSAGE)
    caught.captured(caught.maildir, 20)


def test_message_without_date_and_id_gets_them(caught):
    with caught.client(caught.user) as client:
        client.sendmail(SENDER, [RECIPIENT], MESSAGE)
    message = received(caught)
    assert message['Message-ID'].endswith('@relay.example>')


def test_bcc_is_dropped(caught):
    with caught.client(caught.user) as client:
        client.sendmail(SENDER, [RECIPIENT], b'Bcc: secret@example.net\r\n' + MESSAGE)
    assert received(caught)['Bcc'] is None


def test_trusted_network_needs_no_auth(make_postern):
    postern = make_postern(config='trusted = ( { network = "127.0.0.0/8"; user = "local"; } );')
    postern.maildir = postern.add_capture()
    with postern.client(tls='none') as client, pytest.raises(smtplib.SMTPSenderRefused):
        client.sendmail(SENDER, [RECIPIENT], MESSAGE)       # there is no such user yet
    postern.add_user('local')
    with postern.client(tls='none') as client:
        client.sendmail(SENDER, [RECIPIENT], MESSAGE)
    postern.captured(postern.maildir)


def test_answer_names_the_id_that_the_log_has(caught):
    with caught.client(caught.user) as client:
        client.mail(SENDER)
        client.rcpt(RECIPIENT)
        code, answer = client.data(MESSAGE)
    assert code == 250 and answer.startswith(b'2.0.0 Ok: queued as ')
    ident = answer.split()[-1].decode()
    caught.wait_for_log(f'id={ident}', 'event=accepted')
    caught.wait_for_log(f'id={ident}', 'event=delivered')


def test_json_of_an_account_has_what_a_client_asks_for(caught):
    assert set(caught.user) >= {'login', 'password', 'server', 'ports', 'encryption'}
    assert len(caught.user['password']) >= 16
    shown = json.dumps(caught.ctl('user', 'show', 'shop'))
    assert caught.user['password'] not in shown and 'password' not in shown
