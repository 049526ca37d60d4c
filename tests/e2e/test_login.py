"""Logging in without showing the password: SCRAM and CRAM-MD5, by real clients and our own."""
import base64
import hashlib
import hmac
import subprocess

import pytest

from posternd import wait_until
from test_clients import (MESSAGE, curl, msmtp, needs, needs_nodemailer, needs_phpmailer,
                          nodemailer, nodemailer_path, phpmailer, received, run, swaks)

pytestmark = pytest.mark.user
WITH_CRAM = 'mechanisms = "SCRAM-SHA-256-PLUS SCRAM-SHA-256 LOGIN PLAIN CRAM-MD5";'


@pytest.fixture
def ready(postern):
    return furnish(postern)


@pytest.fixture
def old(make_postern):
    """One that takes CRAM-MD5."""
    return furnish(make_postern(auth=WITH_CRAM))


def furnish(postern):
    postern.maildir = postern.add_capture()
    postern.user = postern.add_user('shop', '--domains', 'example.com')
    postern.ca_path = postern.directory / 'ca.pem'
    postern.ca_path.write_text(postern.ctl('tls', 'ca')['certificate'])
    return postern


def encoded(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


class Scram:
    """The client's side of SCRAM-SHA-256 (RFC 5802) without a binding."""

    def __init__(self, login, password):
        self.password = password
        self.bare = f'n={login},r=client-nonce'
        self.first = 'n,,' + self.bare

    def final(self, challenge):
        fields = dict(field.split('=', 1) for field in challenge.split(','))
        salted = hashlib.pbkdf2_hmac('sha256', self.password.encode(),
                                     base64.b64decode(fields['s']), int(fields['i']))
        without = f'c={encoded("n,,")},r={fields["r"]}'
        message = f'{self.bare},{challenge},{without}'.encode()
        key = hmac.digest(salted, b'Client Key', 'sha256')
        signature = hmac.digest(hashlib.sha256(key).digest(), message, 'sha256')
        server_key = hmac.digest(salted, b'Server Key', 'sha256')
        self.expected = 'v=' + encoded(hmac.digest(server_key, message, 'sha256'))
        return f'{without},p={encoded(bytes(a ^ b for a, b in zip(key, signature)))}'


def scram(client, login, password):
    """The replies' codes; the server's proof is checked."""
    exchange = Scram(login, password)
    code, text = client.docmd('AUTH', f'SCRAM-SHA-256 {encoded(exchange.first)}')
    codes = [code]
    if code == 334:
        code, text = client.docmd(encoded(exchange.final(base64.b64decode(text).decode())))
        codes.append(code)
    if code == 334:
        assert base64.b64decode(text).decode() == exchange.expected
        codes.append(client.docmd('')[0])
    return codes


@pytest.mark.parametrize('tls', ['none', 'starttls', 'implicit'])
def test_scram(ready, tls):
    with ready.client(tls=tls) as client:
        client.ehlo()
        bound = [] if tls == 'none' else ['SCRAM-SHA-256-PLUS']
        assert client.esmtp_features['auth'].split() == bound + ['SCRAM-SHA-256', 'LOGIN', 'PLAIN']
        assert scram(client, 'shop', ready.user['password']) == [334, 334, 235]
        # a client may greet again
        client.ehlo()
        assert client.docmd('AUTH', 'PLAIN')[0] == 503
        assert client.mail('a@example.com')[0] == 250
        assert client.docmd('AUTH', 'PLAIN')[0] == 503
    ready.wait_for_log('event=authenticated', 'user=shop', 'mechanism=SCRAM-SHA-256')


def test_wrong_unknown_and_inactive_look_alike(ready):
    off = ready.ctl('user', 'add', 'off', '--list', 'web', '--active', 'no')
    for login, password in (('shop', 'x'), ('nobody', 'x'), ('off', 'x'), ('off', off['password'])):
        with ready.client() as client:
            client.ehlo()
            assert scram(client, login, password) == [334, 535]


def test_password_beyond_ascii_is_the_same_by_every_mechanism(ready):
    ready.ctl('user', 'add', 'own', '--list', 'web', '--password-stdin',
              stdin='Pa\u0308ssw\u00f6rd\u00a0\u2167\n')
    for form in ('P\u00e4ssw\u00f6rd VIII', 'Pa\u0308sswo\u0308rd \u2167'):
        with ready.client() as client:
            client.ehlo()
            assert client.docmd('AUTH', 'PLAIN ' + encoded(f'\0own\0{form}'))[0] == 235
    with ready.client() as client:
        client.ehlo()
        assert scram(client, 'own', 'P\u00e4ssw\u00f6rd VIII') == [334, 334, 235]


def test_one_wrong_password_by_every_mechanism_is_one_failure(make_postern):
    postern = furnish(make_postern(auth=WITH_CRAM, config='limits = { auth_failures = 2; };'))
    with postern.client() as client:
        client.ehlo()
        assert scram(client, 'shop', 'wrong') == [334, 535]
        assert client.docmd('AUTH', 'PLAIN ' + encoded('\0shop\0wrong'))[0] == 535
        assert client.docmd('AUTH', 'LOGIN ' + encoded('shop'))[0] == 334
        assert client.docmd(encoded('wrong'))[0] == 535
        assert client.docmd('AUTH', 'GSSAPI')[0] == 504
        assert client.noop()[0] == 250
        # a second one
        assert client.docmd('AUTH', 'PLAIN ' + encoded('\0shop\0other'))[0] == 535
        assert client.getreply()[0] == 421


def test_secrets_come_with_cram_md5_and_go_with_it(make_postern):
    postern = furnish(make_postern())
    assert 'cram_md5' not in postern.ctl('user', 'show', 'shop')
    postern.auth = WITH_CRAM
    postern.write_config()
    postern.ctl('reload')
    wait_until(lambda: 'cram_md5' in postern.ctl('user', 'show', 'shop'), 'the reload')
    postern.ctl('user', 'add', 'new', '--list', 'web')
    assert [(user['login'], user['cram_md5']) for user in postern.ctl('user', 'ls')] == [
        ('new', True), ('shop', False)]
    postern.auth = ''
    postern.write_config()
    postern.ctl('reload')
    postern.wait_for_log('event=config', 'count=1', 'secrets wiped')


# ---- real clients ----

def gsasl(postern, mechanism, *options, password=None):
    """GNU SASL's own client; it binds whenever it can."""
    done = subprocess.run(
        ['gsasl', '--smtp', '--connect', f'localhost:{postern.port}', '--x509-ca-file',
         str(postern.ca_path), '--mechanism', mechanism, '--authentication-id', 'shop',
         '--password', password or postern.user['password'], *options],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=60, text=True)
    return done.returncode, done.stdout


@needs('gsasl')
@pytest.mark.parametrize('priority, version, binding', [
    ('NORMAL', 'TLSv1.3', 'tls-exporter'),
    ('NORMAL:-VERS-TLS1.3', 'TLSv1.2', 'tls-unique')])
def test_gsasl_bound_to_the_tls_session(ready, priority, version, binding):
    status, wire = gsasl(ready, 'SCRAM-SHA-256-PLUS', '--priority', priority)
    assert status == 0 and '235 2.7.0' in wire, wire
    hello = next(line for line in wire.splitlines() if line.startswith(encoded('p=t')))
    assert base64.b64decode(hello).decode().startswith(f'p={binding},,n=shop,r=')
    ready.wait_for_log('event=authenticated', f'tls={version}', 'mechanism=SCRAM-SHA-256-PLUS')
    status, wire = gsasl(ready, 'SCRAM-SHA-256-PLUS', '--priority', priority, password='wrong')
    assert status != 0 and '535 5.7.8' in wire


@needs('gsasl')
@pytest.mark.parametrize('mechanism', ['SCRAM-SHA-256', 'CRAM-MD5', 'PLAIN', 'LOGIN'])
def test_gsasl(old, mechanism):
    status, wire = gsasl(old, mechanism, '--no-cb')
    assert status == 0 and '235 2.7.0' in wire, wire


@needs('msmtp')
@pytest.mark.parametrize('mechanism', ['scram-sha-256', 'cram-md5'])
def test_msmtp(old, mechanism):
    run(*msmtp(old, mechanism=mechanism), stdin=MESSAGE.replace(b'\r\n', b'\n'))
    received(old)
    old.wait_for_log('event=authenticated', f'mechanism={mechanism.upper()}')


@needs('swaks')
def test_swaks(old):
    run(*swaks(old, mechanism='CRAM-MD5'))
    received(old)


@needs('curl')
def test_curl_prefers_cram_md5(old):
    message = old.directory / 'message'
    message.write_bytes(MESSAGE)
    run(*curl(old, message))
    received(old)
    old.wait_for_log('event=authenticated', 'mechanism=CRAM-MD5')


@needs_phpmailer
def test_phpmailer_prefers_cram_md5(old):
    run(*phpmailer(old))
    received(old)
    old.wait_for_log('event=authenticated', 'mechanism=CRAM-MD5')


@needs_nodemailer
def test_nodemailer(old):
    run(*nodemailer(old, mechanism='CRAM-MD5'), env={'NODE_PATH': nodemailer_path()})
    received(old)
    old.wait_for_log('event=authenticated', 'mechanism=CRAM-MD5')


def test_smtplib_prefers_cram_md5(old):
    with old.client(old.user) as client:
        assert client.noop()[0] == 250
    old.wait_for_log('event=authenticated', 'mechanism=CRAM-MD5')


# ---- old devices ----

def test_auth_behind_helo(make_postern):
    for auth, codes in (('', [503, 250, 235]), ('after_helo = true;', [235, 250, 503])):
        postern = make_postern(auth=auth)
        user = postern.add_user()
        with postern.client(tls='none') as client:
            client.helo('printer')
            answers = [client.docmd('AUTH', 'PLAIN ' + encoded(f'\0shop\0{user["password"]}'))[0],
                       client.ehlo()[0]]
            answers.append(
                client.docmd('AUTH', 'PLAIN ' + encoded(f'\0shop\0{user["password"]}'))[0])
            assert answers == codes


def test_legacy_line(make_postern):
    postern = make_postern(auth='legacy_line = true;')
    with postern.client() as client:
        lines = client.ehlo()[1].decode().split('\n')
    assert 'AUTH=LOGIN PLAIN' in lines
    assert 'AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 LOGIN PLAIN' in lines


def test_longest_response(ready):
    longest = encoded(b'\0shop\0' + b'x' * (12288 // 4 * 3 - 6))
    assert len(longest) == 12288
    with ready.client() as client:
        client.ehlo()
        assert client.docmd('AUTH', 'PLAIN ' + longest)[0] == 535
        code, text = client.docmd('AUTH', 'PLAIN ' + longest + 'A')
        assert (code, text[:5]) == (500, b'5.5.6')
        assert client.docmd('AUTH', 'PLAIN')[0] == 334
        assert client.docmd(longest)[0] == 535
        assert client.docmd('AUTH', 'PLAIN')[0] == 334
        assert client.docmd(longest + 'A')[0] == 500
        assert client.noop()[0] == 250
