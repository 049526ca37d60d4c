"""Who may log in, what a client hears, and what the log says of it."""
import base64
import os
import pty
import smtplib
import socket
import ssl
import subprocess
import termios

import pytest

from posternd import wait_until

pytestmark = pytest.mark.user


@pytest.fixture
def ready(postern):
    postern.add_capture()
    postern.user = postern.add_user('shop')
    return postern


def plain(login, password):
    return base64.b64encode(f'\0{login}\0{password}'.encode()).decode()


def encoded(text):
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize('mechanism', ['PLAIN', 'LOGIN'])
@pytest.mark.parametrize('has_initial', [True, False])
def test_good_password(ready, mechanism, has_initial):
    with ready.client() as client:
        client.ehlo()
        client.user, client.password = ready.user['login'], ready.user['password']
        code, _ = client.auth(mechanism, getattr(client, f'auth_{mechanism.lower()}'),
                              initial_response_ok=has_initial)
        assert code == 235
    ready.wait_for_log('event=authenticated', 'user=shop')


@pytest.mark.parametrize('login, password', [
    ('shop', 'wrong'), ('shop', ''), ('nobody', 'wrong'), ('', 'x'), ('shop', 'x' * 1000)])
def test_bad_password(ready, login, password):
    with ready.client() as client:
        client.ehlo()
        code, answer = client.docmd('AUTH', f'PLAIN {plain(login, password)}')
        assert (code, answer) == (535, b'5.7.8 Authentication credentials invalid')
        assert client.mail('a@example.com')[0] == 530
    ready.wait_for_log('event=auth-failed')
    assert 'x' * 1000 not in ready.log()


def test_prompts_are_what_old_clients_expect(ready):
    with ready.client() as client:
        client.ehlo()
        assert client.docmd('AUTH', 'LOGIN') == (334, b'VXNlcm5hbWU6')
        assert client.docmd(encoded('shop')) == (334, b'UGFzc3dvcmQ6')
        assert client.docmd(encoded(ready.user['password']))[0] == 235


def test_cancel(ready):
    with ready.client() as client:
        client.ehlo()
        assert client.docmd('AUTH', 'LOGIN')[0] == 334
        assert client.docmd('*')[0] == 501
        assert client.noop()[0] == 250


@pytest.mark.parametrize('command, code', [
    ('AUTH', 501), ('AUTH NTLM', 504), ('AUTH PLAIN !!!', 501),
    ('AUTH PLAIN =', 501), ('AUTH LOGIN =', 501)])
def test_malformed(ready, command, code):
    with ready.client() as client:
        client.ehlo()
        assert client.docmd(command)[0] == code


def test_nobody_relays_without_being_a_user(ready):
    with ready.client() as client:
        client.ehlo()
        code, answer = client.mail('a@example.com')
        assert (code, answer[:5]) == (530, b'5.7.0')


def test_without_tls_never(make_postern):
    postern = make_postern(without_tls='never')
    user = postern.add_user()
    with postern.client(tls='none') as client:
        client.ehlo()
        assert client.esmtp_features['auth'].split() == ['SCRAM-SHA-256']
        assert client.docmd('AUTH', f'PLAIN {plain("shop", user["password"])}')[0] == 538
    with postern.client(user) as client:
        assert client.noop()[0] == 250


def test_too_many_failures_end_the_connection(make_postern):
    postern = make_postern(config='limits = { auth_failures = 2; };')
    postern.add_user()
    with postern.client() as client:
        client.ehlo()
        codes = []
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError, ssl.SSLError)):
            for n in range(5):
                codes.append(client.docmd('AUTH', f'PLAIN {plain("shop", f"wrong{n}")}')[0])
        assert codes[0] == 535 and set(codes[1:]) <= {535, 421}


def test_open_session_hears_of_a_new_password_and_of_being_switched_off(ready):
    with ready.client(ready.user) as client:
        assert client.mail('a@example.com')[0] == 250
        client.rset()
        again = ready.ctl('user', 'reset-password', 'shop')
        assert again['password'] != ready.user['password']
        assert client.mail('a@example.com')[0] == 530
    with pytest.raises(smtplib.SMTPAuthenticationError):
        ready.client(ready.user)
    with ready.client(again) as client:
        ready.ctl('user', 'set', 'shop', '--active', 'no')
        assert client.mail('a@example.com')[0] == 530
    with pytest.raises(smtplib.SMTPAuthenticationError):
        ready.client(again)
    ready.ctl('user', 'set', 'shop', '--active', 'yes')
    with ready.client(again) as client:
        assert client.mail('a@example.com')[0] == 250


def test_password_from_stdin(ready):
    ready.ctl('user', 'add', 'own', '--list', 'web', '--password-stdin', stdin='My own Pässword\n')
    with ready.client() as client:
        client.ehlo()
        assert client.docmd('AUTH', f'PLAIN {plain("own", "My own Pässword")}')[0] == 235


def test_bytes_behind_starttls_end_the_connection(ready):
    with socket.create_connection(('127.0.0.1', ready.port), 10) as sock:
        assert sock.recv(500).startswith(b'220 relay.example ESMTP postern')
        sock.sendall(b'EHLO client\r\n')
        while b'250 ' not in sock.recv(2000):
            pass
        sock.sendall(b'STARTTLS\r\nNOOP\r\n')
        got = b''
        while piece := sock.recv(1000):
            got += piece
        assert b'250' not in got


def test_client_that_does_not_trust_our_ca(ready):
    client = ready.client(tls='none')
    with pytest.raises(ssl.SSLCertVerificationError):
        client.starttls(context=ssl.create_default_context())
    ready.wait_for_log('certificate')
    client.close()


def test_browser_is_sent_away(ready):
    with socket.create_connection(('127.0.0.1', ready.port), 10) as sock:
        sock.sendall(b'POST / HTTP/1.1\r\nHost: localhost\r\n\r\nMAIL FROM:<a@b.example>\r\n')
        got = b''
        try:
            while piece := sock.recv(1000):
                got += piece
        except ConnectionResetError:
            pass
    assert got.count(b'\r\n') <= 2 and b'250' not in got


def test_a_password_that_is_typed_does_not_show(postern):
    login = postern.add_user()['login']
    ours, theirs = pty.openpty()
    with subprocess.Popen([postern.programs['posternctl'], '-s', postern.socket_path, '-j', 'user',
                           'reset-password', login, '--password-stdin'], stdin=theirs,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as ctl:
        wait_until(lambda: not termios.tcgetattr(theirs)[3] & termios.ECHO, 'echo is off')
        os.write(ours, b'typed-secret-1\n')
        assert '"typed-secret-1"' in ctl.communicate(timeout=30)[0]
    assert termios.tcgetattr(theirs)[3] & termios.ECHO
    os.set_blocking(ours, False)
    assert b'typed' not in os.read(ours, 1000)
    os.close(ours)
    os.close(theirs)
