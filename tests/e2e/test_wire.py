"""Bodies arrive byte for byte: what the client sent is what stands on the wire upstream."""
import os
import signal
import socket

import pytest

from fakehost import CHUNKING, EXTENSIONS, FakeHost

HEADER = (b'Date: Sun, 01 Mar 2026 12:31:04 +0000\r\nMessage-ID: <1@example.com>\r\n'
          b'From: <a@example.com>\r\nTo: <b@example.net>\r\n')

BODIES = {
    'ordinary': b'\r\nhello\r\n',
    'empty body': b'\r\n',
    'leading dots': b'\r\n.\r\n..\r\n.a\r\n...\r\na.\r\n',
    'longest line': b'\r\n' + b'x' * 998 + b'\r\n' + b'.' * 998 + b'\r\n',
    'every length of a line': b'\r\n' + b''.join(b'y' * n + b'\r\n' for n in range(999)),
    '8-bit': b'\r\n' + bytes(range(0x80, 0x100)) + b'\r\n',
    'controls': b'\r\n\x01\x08\t\x0b\x0c\x1b\x7f\r\n',
    'spaces at the end': b'\r\na \r\n \r\n\t\r\n',
    'folded header': b'Subject: a\r\n b\r\n\tc\r\nX-Long: ' + b'z' * 900 + b'\r\n\r\nbody\r\n',
    'many empty lines': b'\r\n' * 1000,
    '1 MiB': b'\r\n' + (b'0123456789' * 7 + b'\r\n') * 14564,
}

pytestmark = pytest.mark.user


@pytest.fixture(params=[EXTENSIONS, CHUNKING], ids=['data', 'chunks'])
def sink(request):
    with FakeHost(extensions=request.param) as host:
        yield host


@pytest.fixture
def relaying(postern, sink):
    postern.add_upstream(sink)
    postern.user = postern.add_user()
    return postern


@pytest.mark.parametrize('name', BODIES)
def test_bytes_on_the_wire(relaying, sink, name):
    message = HEADER + BODIES[name]
    with relaying.client(relaying.user) as client:
        client.ehlo_or_helo_if_needed()
        client.mail('a@example.com', ['BODY=8BITMIME'])
        client.rcpt('b@example.net')
        code, answer = client.data(message)
        assert code == 250, answer
    got = sink.wait_for(1)[0]
    added, _, rest = got.body.partition(b'Date: ')
    assert added.startswith(b'Received: from ') and added.count(b'\r\nReceived:') == 0
    assert b'Date: ' + rest == message
    assert not set(got.wire.replace(b'\r\n', b'')) & set(b'\r\n')


def test_header_alone_gets_the_empty_line_that_ends_it(relaying, sink):
    with relaying.client(relaying.user) as client:
        client.sendmail('a@example.com', ['b@example.net'], HEADER)
    assert sink.wait_for(1)[0].body.endswith(HEADER + b'\r\n')


def test_envelope(relaying, sink):
    recipients = ['b@example.net', 'c@example.org', '"odd one"@example.net']
    with relaying.client(relaying.user) as client:
        client.sendmail('A.Sender@example.com', recipients, HEADER + b'\r\n')
    got = sink.wait_for(1)[0]
    assert got.sender == 'A.Sender@example.com'
    assert got.recipients == recipients


def test_null_sender(relaying, sink):
    with relaying.client(relaying.user) as client:
        client.sendmail('', ['b@example.net'], HEADER + b'\r\n')
    assert sink.wait_for(1)[0].sender == ''


@pytest.mark.parametrize('data', [
    b'bare\nline feed\r\n', b'bare\rcarriage return\r\n', b'smuggled\n.\r\nMAIL FROM:<x@y.z>\r\n',
    b'smuggled\r\n.\nMAIL FROM:<x@y.z>\r\n', b'smuggled\r\n.\rMAIL FROM:<x@y.z>\r\n'])
def test_bare_cr_and_lf_are_refused(relaying, sink, data):
    with relaying.client(relaying.user) as client:
        client.ehlo_or_helo_if_needed()
        client.mail('a@example.com')
        client.rcpt('b@example.net')
        client.docmd('DATA')
        client.send(HEADER + b'\r\n' + data + b'.\r\n')
        code, _ = client.getreply()
        assert 500 <= code <= 599
        assert client.noop()[0] == 250      # nothing of the data was taken for a command
    assert relaying.queued() == [] and sink.messages == []


def test_message_over_the_limit(make_postern, sink):
    postern = make_postern(config='limits = { message_size = "100K"; };')
    postern.add_upstream(sink)
    user = postern.add_user()
    with postern.client(user) as client:
        client.ehlo_or_helo_if_needed()
        code, answer = client.mail('a@example.com', ['SIZE=200000'])
        assert code == 552 and b'102400' in answer
        client.rset()
        client.mail('a@example.com')
        client.rcpt('b@example.net')
        code, answer = client.data(HEADER + b'\r\n' + b'x' * 70 * 3000 + b'\r\n')
        assert code in (500, 552)
        client.rset()
        client.mail('a@example.com')
        client.rcpt('b@example.net')
        code, answer = client.data(HEADER + b'\r\n' + (b'x' * 70 + b'\r\n') * 3000)
        assert code == 552 and answer.startswith(b'5.3.4')
    assert postern.queued() == []


def test_client_that_says_all_at_once_and_closes_its_side(relaying):
    """As `printf … | nc -N` does; here the end of its input is there long before the greeting."""
    accounts = relaying.roles()['accounts']
    os.kill(accounts, signal.SIGSTOP)
    try:
        with socket.create_connection(('127.0.0.1', relaying.port), 30) as client:
            client.sendall(b'EHLO me\r\nNOOP\r\nQUIT\r\n')
            client.shutdown(socket.SHUT_WR)
            said = b''
            while piece := client.recv(4096):
                said += piece
    finally:
        os.kill(accounts, signal.SIGCONT)
    codes = [line[:3] for line in said.splitlines() if line[3:4] == b' ']
    assert codes == [b'220', b'250', b'250', b'221'], said
