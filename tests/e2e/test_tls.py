"""TLS of the server side: who speaks what on which port, certificates, tickets, old devices."""
import contextlib
import os
import smtplib
import socket
import ssl
import subprocess
import threading
import time

import pytest

from posternd import CtlError, free_ports, wait_until
from testca import NEW_RSA_KEY, TestCa

pytestmark = pytest.mark.user

REFUSAL = b'421 4.7.0 this port expects TLS at once\r\n'


def connect(port):
    return socket.create_connection(('127.0.0.1', port), 10)


def read_all(sock):
    data = b''
    while chunk := sock.recv(4096):
        data += chunk
    return data


def use_tls(postern, text):
    """A config of its own in tls, in force."""
    postern.write_config(f'tls = {{ {text} }};')
    postern.ctl('reload')


@pytest.mark.parametrize('said', [b'EHLO client\r\n', b'e', b'\r\n', b'NOOP\r\n' * 2000])
def test_plain_text_where_tls_is_expected(postern, said):
    with connect(postern.tls_port) as client:
        client.sendall(said)
        assert read_all(client) == REFUSAL
    line = postern.wait_for_log('event=rejected', 'code=421')[0]
    assert 'in plain text' in line and f'which is port {postern.port} here' in line


def test_client_that_waits_for_a_greeting_where_tls_is_expected(postern):
    use_tls(postern, 'implicit_wait = "400ms";')
    wait_until(lambda: postern.ctl('status')['config_generation'] == 2, 'the reload')
    before = time.monotonic()
    with connect(postern.tls_port) as client:
        assert read_all(client) == REFUSAL
    assert time.monotonic() - before >= 0.35
    assert 'waits for a greeting' in postern.wait_for_log('event=rejected', 'code=421')[0]


def test_web_browser_where_tls_is_expected(postern):
    with connect(postern.tls_port) as client:
        client.sendall(b'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
        assert read_all(client) == b''
    postern.wait_for_log('event=rejected', 'the client speaks HTTP')


def test_health_check_is_no_news(postern):
    for _ in range(3):
        connect(postern.tls_port).close()
    postern.wait_for_log('event=disconnected', f'listener={postern.tls_port}', count=3)
    assert not postern.log_lines('event=rejected') and not postern.log_lines('event=tls')


def test_tls_where_a_greeting_is_expected(postern):
    with connect(postern.port) as client:
        with pytest.raises(ssl.SSLError):
            postern.tls_context().wrap_socket(client, server_hostname='localhost')
    line = postern.wait_for_log('event=rejected', 'began with TLS')[0]
    assert 'set to STARTTLS' in line and f'which is port {postern.tls_port} here' in line


@pytest.fixture
def make_auto(make_postern):
    def prepare(postern):
        postern.listeners = (f'{{ address = "127.0.0.1"; ports = "{postern.port}"; tls = "auto"; '
                             'required = true; }')

    def make(wait='200ms'):
        return make_postern(prepare, config=f'tls = {{ auto_wait = "{wait}"; }};')
    return make


@pytest.fixture
def auto(make_auto):
    return make_auto()


def test_auto_with_tls_at_once(make_auto):
    auto = make_auto(wait='10s')
    with smtplib.SMTP_SSL('localhost', auto.port, context=auto.tls_context(), timeout=10) as client:
        client.ehlo()
        assert not client.has_extn('starttls')


def test_auto_with_starttls(auto):
    before = time.monotonic()
    with auto.client() as client:
        assert time.monotonic() - before >= 0.15
        assert client.noop()[0] == 250


def test_auto_with_a_client_that_talks_first(auto):
    with connect(auto.port) as client:
        client.sendall(b'QUIT\r\n')
        assert read_all(client).startswith(b'220 relay.example ESMTP postern\r\n221 ')


def test_auto_with_a_hello_that_comes_after_the_greeting(auto):
    with connect(auto.port) as client:
        assert client.recv(4) == b'220 '
        with pytest.raises(ssl.SSLError):
            auto.tls_context().wrap_socket(client, server_hostname='localhost')
    auto.wait_for_log('event=rejected', 'began with TLS')


# -- certificates --

def pair(certificate):
    return f'certificate = "{certificate.certificate}"; key = "{certificate.key}";'


def shown(port, ca, name='localhost', *, ciphers=None):
    """The names in the certificate that a client is shown."""
    context = ssl.create_default_context(cafile=ca.path)
    context.check_hostname = False
    if ciphers:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers)
    with connect(port) as sock, context.wrap_socket(sock, server_hostname=name) as client:
        return [value for _, value in client.getpeercert()['subjectAltName']], client.cipher()[0]


def test_several_certificates(postern, tmp_path):
    ca = TestCa(tmp_path)
    first = ca.issue('first', names=['relay.example'])
    other = ca.issue('other', names=['*.shop.example'])
    rsa = ca.issue('rsa', names=['relay.example'], new_key=NEW_RSA_KEY)
    use_tls(postern, f'{pair(first)} certificates = ( {{ {pair(other)} }}, {{ {pair(rsa)} }} );')
    wait_until(lambda: shown(postern.tls_port, ca)[0] == ['relay.example'], 'the reload')
    assert shown(postern.tls_port, ca, 'mail.shop.example')[0] == ['*.shop.example']
    assert 'RSA' in shown(postern.tls_port, ca, 'relay.example', ciphers='aRSA')[1]
    assert 'ECDSA' in shown(postern.tls_port, ca, 'relay.example', ciphers='aECDSA')[1]


def test_reload_with_a_bad_certificate_changes_nothing(postern, tmp_path):
    ca = TestCa(tmp_path)
    first, second = ca.issue('first', names=['first.example']), ca.issue('second')
    use_tls(postern, pair(first))
    wait_until(lambda: shown(postern.tls_port, ca)[0] == ['first.example'], 'the reload')
    second.key = first.key
    postern.expect_trouble('event=config')
    with pytest.raises(CtlError) as caught:
        use_tls(postern, f'{pair(first)}\ncertificates = (\n{{ {pair(second)} }} );')
    line = postern.config_path.read_text().splitlines().index(f'{{ {pair(second)} }} ); }};') + 1
    assert f'postern.conf:{line}: tls.certificates.key: ' in caught.value.message
    assert 'is not the key of the certificate in' in caught.value.message
    assert shown(postern.tls_port, ca)[0] == ['first.example']
    postern.wait_for_log('event=config', 'state=refused', 'is not the key')


def test_certificate_that_expires_soon(postern, tmp_path):
    ca = TestCa(tmp_path)
    soon = ca.issue('soon', days=7)
    old = ca.issue('old', start='20200101000000Z', end='20200201000000Z')
    postern.expect_trouble('expire')
    for certificate, words in ((soon, 'the certificate expires on 2'),
                               (old, 'the certificate expired on 2020-02-01')):
        use_tls(postern, pair(certificate))
        postern.wait_for_log('event=problem', words)
        checked = subprocess.run([postern.programs['posternd'], '-n', '-c', postern.config_path],
                                 capture_output=True, text=True, check=True)
        assert f'warning: {postern.config_path}:' in checked.stderr and words in checked.stderr


def test_reload_in_the_middle_of_a_message(postern, tmp_path):
    directory = postern.add_capture()
    ca = TestCa(tmp_path)
    with postern.client(postern.add_user(), tls='implicit') as client:
        client.mail('a@example.com')
        client.rcpt('b@example.net')
        assert client.docmd('DATA')[0] == 354
        client.send(b'Subject: begun before\r\n\r\n' + b'x' * 70 + b'\r\n')
        use_tls(postern, pair(ca.issue('new', names=['new.example'])))
        wait_until(lambda: shown(postern.tls_port, ca)[0] == ['new.example'], 'the reload')
        client.send((b'y' * 70 + b'\r\n') * 5000 + b'.\r\n')
        assert client.getreply()[0] == 250
    assert postern.captured(directory)[0].count(b'y' * 70) == 5000


# -- session tickets --

def client_context(postern, version):
    context = postern.tls_context()
    context.minimum_version = context.maximum_version = version
    return context


def session_of(postern, context, session=None):
    """One connection: whether it resumed the session, and the one that it was given."""
    with connect(postern.tls_port) as sock, \
            context.wrap_socket(sock, server_hostname='localhost', session=session) as client:
        assert client.recv(4) == b'220 '
        return client.session_reused, client.session


@pytest.mark.parametrize('version', [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tickets_resume_at_any_process_and_behind_a_reload(make_postern, version):
    postern = make_postern(smtpd_processes=3)
    context = client_context(postern, version)
    _, session = session_of(postern, context)
    for turn in range(20):
        if turn == 10:
            postern.ctl('reload')
        resumed, session = session_of(postern, context, session)
        assert resumed


def test_tickets_of_old_keys_are_refused(make_postern):
    postern = make_postern(config='tls = { ticket_rotation = "1s"; };', smtpd_processes=2)
    context = client_context(postern, ssl.TLSVersion.TLSv1_3)
    _, session = session_of(postern, context)
    rotations = len(postern.log_lines('session tickets have a new key'))
    postern.wait_for_log('session tickets have a new key', count=rotations + 3)
    assert session_of(postern, context, session)[0] is False


# -- old devices --

def old_client(port, version):
    return subprocess.run(
        ['openssl', 's_client', '-connect', f'localhost:{port}', version, '-cipher',
         'DEFAULT@SECLEVEL=0', '-quiet'], input='QUIT\r\n', capture_output=True, text=True,
        timeout=20, check=False, env={**os.environ, 'OPENSSL_CONF': '/dev/null'}).stdout


@pytest.mark.parametrize('version', ['-tls1', '-tls1_1'])
def test_listener_for_old_devices(make_postern, version):
    legacy = free_ports(1)[0]

    def prepare(postern):
        postern.listeners += (f', {{ address = "127.0.0.1"; ports = "{legacy}"; tls = "implicit"; '
                              'min_version = "1.0"; }')
        postern.expect_trouble('takes TLS 1.0')

    postern = make_postern(prepare)
    assert f'port {legacy} takes TLS 1.0' in postern.wait_for_log('event=problem')[0]
    assert old_client(postern.tls_port, version) == ''
    assert not postern.log_lines('event=alert')
    for _ in range(2):
        assert old_client(legacy, version).startswith('220 ')
    postern.wait_for_log('event=tls', f'listener={legacy}', 'tls=TLSv1', count=2)
    assert 'kind=legacy-tls' in postern.wait_for_log('event=alert')[0]
    with connect(legacy) as sock, \
            postern.tls_context().wrap_socket(sock, server_hostname='localhost') as client:
        assert client.version() == 'TLSv1.3'
    wait_until(lambda: [(alert['kind'], alert['count']) for alert in postern.ctl('alert', 'ls')] ==
               [('legacy-tls', 2)], 'one alert, counted')


# -- what is injected around STARTTLS --

def greeted(port):
    client = connect(port)
    file = client.makefile('rb')
    assert file.readline().startswith(b'220 ')
    client.sendall(b'EHLO client\r\n')
    while not file.readline().startswith(b'250 '):
        pass
    return client, file


@pytest.mark.parametrize('segments', [
    [b'STARTTLS\r\nMAIL FROM:<a@example.com>\r\n'], [b'START', b'TLS\r\nX'],
    [b'STARTTLS\r', b'\n\x16\x03\x01'], [b'NOOP\r\nSTARTTLS\r\nNOOP\r\n']])
def test_bytes_behind_starttls(postern, segments):
    client, file = greeted(postern.port)
    for segment in segments:
        client.sendall(segment)
        time.sleep(0.05)                # so that it is a segment of its own
    answers = file.read()
    client.close()
    assert answers.endswith(b'554 5.7.0 Nothing may follow STARTTLS\r\n')
    assert answers.count(b'\r\n') == 1 + segments[0].startswith(b'NOOP')
    postern.wait_for_log('event=rejected', 'behind STARTTLS')


def test_commands_in_place_of_the_handshake(postern):
    client, file = greeted(postern.port)
    client.sendall(b'STARTTLS\r\n')
    assert file.readline().startswith(b'220 ')
    client.sendall(b'EHLO again\r\nMAIL FROM:<a@example.com>\r\n')
    assert b'250' not in file.read()    # an alert of TLS
    client.close()
    postern.wait_for_log('event=tls', 'speaks no TLS')


def test_starttls_comes_before_a_login_or_not_at_all(postern):
    """Nobody could tell afterwards what of the session in clear still counts."""
    postern.add_capture()
    user = postern.add_user()
    with postern.client(tls='none') as client:
        client.login(user['login'], user['password'])
        assert client.docmd('STARTTLS')[0] == 503
        client.ehlo()
        assert not client.has_extn('starttls')
        assert client.docmd('MAIL', 'FROM:<a@example.com>')[0] == 250


# -- clients that go away --

def test_client_that_does_not_trust_us_and_says_nothing(postern):
    """As Node.js does: it closes the socket, without an alert."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname='localhost')
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    with connect(postern.tls_port) as client:
        client.sendall(outgoing.read())
        assert client.recv(1) == b'\x16'
    line = postern.wait_for_log('event=tls', 'during the TLS handshake')[0]
    assert "don't trust our certificate" in line


# -- the same towards an upstream --

class InjectingUpstream(threading.Thread):
    """Answers STARTTLS in segments that hold more than the answer; notes what it is told."""

    def __init__(self, segments):
        super().__init__(daemon=True)
        self.segments, self.heard = segments, b''
        self.server = socket.create_server(('127.0.0.1', 0))
        self.port = self.server.getsockname()[1]
        self.start()

    def run(self):
        connection, _ = self.server.accept()
        with self.server, connection, contextlib.suppress(OSError):
            connection.settimeout(10)
            connection.sendall(b'220 mx.example ESMTP\r\n')
            self.heard += connection.recv(1000)
            connection.sendall(b'250-mx.example\r\n250 STARTTLS\r\n')
            self.heard += connection.recv(1000)
            for segment in self.segments:
                if segment is None:         # so that the next one comes behind the hello
                    self.heard += connection.recv(1000)
                else:
                    connection.sendall(segment)
                    time.sleep(0.05)
            while chunk := connection.recv(1000):
                self.heard += chunk


@pytest.mark.parametrize('segments, words', [
    ([b'220 go\r\n250 mx.example\r\n'], 'injected in clear'),
    ([b'220 ', b'go\r\n2'], 'injected in clear'),
    ([b'220 go\r\n', None, b'250-mx.example\r\n250 AUTH PLAIN\r\n'], 'speaks no TLS')])
def test_bytes_behind_an_upstreams_220(postern, segments, words):
    upstream = InjectingUpstream(segments)
    postern.ctl('profile', 'add', 'up', '--host', '127.0.0.1', '--port', upstream.port,
                '--tls', 'starttls', '--tls-verify', 'no')
    tested = postern.run_ctl('profile', 'test', 'up')
    assert tested.returncode == 1 and words in tested.stdout + tested.stderr, tested
    upstream.join(10)
    assert upstream.heard.startswith(b'EHLO ') and b'STARTTLS\r\n' in upstream.heard
    assert b'MAIL' not in upstream.heard and b'AUTH' not in upstream.heard
