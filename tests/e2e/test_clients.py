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


@needs('swaks')
@pytest.mark.parametrize('tls', [(), ('--tls',), ('--tlsc',)])
@pytest.mark.parametrize('mechanism', ['PLAIN', 'LOGIN'])
def test_swaks(caught, tls, mechanism):
    port = caught.tls_port if tls == ('--tlsc',) else caught.port
    run('swaks', '--server', '127.0.0.1', '--port', port, *tls, '--auth', mechanism,
        '--auth-user', caught.user['login'], '--auth-password', caught.user['password'],
        '--from', SENDER, '--to', RECIPIENT, '--header', 'Subject: order 42',
        '--body', 'hello')
    received(caught)


@needs('curl')
def test_curl(caught):
    message = caught.directory / 'message'
    message.write_bytes(MESSAGE)
    run('curl', '--silent', '--show-error', '--ssl-reqd', '--cacert', caught.ca_path,
        '--url', f'smtp://localhost:{caught.port}/client.example', '--user',
        f'{caught.user["login"]}:{caught.user["password"]}', '--mail-from', SENDER,
        '--mail-rcpt', RECIPIENT, '--upload-file', message)
    assert received(caught).get_payload() == 'first line\r\n.\r\n..two dots\r\nlast line\r\n'


@needs('msmtp')
def test_msmtp(caught):
    config = caught.directory / 'msmtprc'
    config.write_text(f'''
account default
host localhost
port {caught.port}
tls on
tls_starttls on
tls_trust_file {caught.ca_path}
auth plain
user {caught.user['login']}
password {caught.user['password']}
from {SENDER}
''')
    config.chmod(0o600)
    run('msmtp', '-C', config, RECIPIENT, stdin=MESSAGE.replace(b'\r\n', b'\n'))
    received(caught)


@pytest.mark.parametrize('tls', ['none', 'starttls', 'implicit'])
def test_smtplib(caught, tls):
    with caught.client(caught.user, tls=tls) as client:
        assert client.sendmail(SENDER, [RECIPIENT], MESSAGE) == {}
    received(caught)


PHPMAILER = '''<?php
require 'libphp-phpmailer/autoload.php';
$mail = new PHPMailer\\PHPMailer\\PHPMailer(true);
$mail->isSMTP();
$mail->Host = 'localhost'; $mail->Port = (int)$argv[1];
$mail->SMTPAuth = true; $mail->Username = $argv[2]; $mail->Password = $argv[3];
$mail->SMTPSecure = 'tls';
$mail->SMTPOptions = ['ssl' => ['cafile' => $argv[4]]];
$mail->setFrom($argv[5]); $mail->addAddress($argv[6]);
$mail->Subject = 'order 42'; $mail->Body = 'hello';
$mail->send();
'''


@needs('php')
@pytest.mark.skipif(not pathlib.Path('/usr/share/php/libphp-phpmailer').exists(),
                    reason='libphp-phpmailer is not installed')
def test_phpmailer(caught):
    script = caught.directory / 'mail.php'
    script.write_text(PHPMAILER)
    run('php', script, caught.port, caught.user['login'], caught.user['password'],
        caught.ca_path, SENDER, RECIPIENT)
    received(caught)


NODEMAILER = '''
const fs = require('fs');
const [port, user, pass, ca, from, to] = process.argv.slice(2);
require('nodemailer').createTransport({
    host: 'localhost', port: Number(port), secure: false, requireTLS: true,
    auth: { user, pass }, tls: { ca: fs.readFileSync(ca) },
}).sendMail({ from, to, subject: 'order 42', text: 'hello' })
    .catch(problem => { console.error(problem); process.exitCode = 1; });
'''


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


@pytest.mark.skipif(not has_nodemailer(), reason='nodemailer is not installed')
def test_nodemailer(caught):
    script = caught.directory / 'mail.js'
    script.write_text(NODEMAILER)
    run('node', script, caught.port, caught.user['login'], caught.user['password'],
        caught.ca_path, SENDER, RECIPIENT, env={'NODE_PATH': nodemailer_path()})
    received(caught)


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
