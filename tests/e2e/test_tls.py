"""TLS of the server side: who speaks what on which port."""
import smtplib
import socket
import ssl
import time

import pytest

from posternd import wait_until

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
def auto(make_postern):
    def prepare(postern):
        postern.listeners = (f'{{ address = "127.0.0.1"; ports = "{postern.port}"; tls = "auto"; '
                             'required = true; }')
    return make_postern(prepare, config='tls = { auto_wait = "200ms"; };')


def test_auto_with_tls_at_once(auto):
    with smtplib.SMTP_SSL('localhost', auto.port, context=auto.tls_context(), timeout=10) as client:
        client.ehlo()
        assert not client.has_extn('starttls')


def test_auto_with_starttls(auto):
    before = time.monotonic()
    with auto.client() as client:
        assert 0.15 <= time.monotonic() - before < 5
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
