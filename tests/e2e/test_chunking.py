"""Messages in chunks (BDAT, RFC 3030): they leave by DATA as if they had come by it."""
import os
import re
import signal

import pytest

from posternd import wait_until
from rig import is_sanitized, peak_mib

HEADER = (b'Message-ID: <1@example.com>\r\nDate: Sun, 01 Mar 2026 12:31:04 +0000\r\n'
          b'From: Shop <shop@example.com>\r\nTo: b@example.net\r\n')
MESSAGE = HEADER + b'\r\n.\r\n..\r\n\r\n.a\r\nMAIL FROM:<x@example.com>\r\n\x80\xff\r\n'

pytestmark = pytest.mark.user


@pytest.fixture
def relaying(make_postern, sink):
    postern = make_postern(config='limits = { message_size = "8M"; };')
    postern.add_upstream(sink)
    postern.user = postern.add_user()
    return postern


def begin(client):
    client.ehlo_or_helo_if_needed()
    assert client.has_extn('chunking')
    assert client.mail('a@example.com', ['BODY=8BITMIME'])[0] == 250
    assert client.rcpt('b@example.net')[0] == 250


def bdat(client, chunk, last=False):
    client.sock.sendall(b'BDAT %d%s\r\n' % (len(chunk), b' LAST' if last else b'') + chunk)
    return client.getreply()


def check_arrival(got, message):
    assert got.wire.endswith(re.sub(rb'(?m)^\.', b'..', message)), got.wire[-300:]
    assert not set(got.wire.replace(b'\r\n', b'')) & set(b'\r\n')
    assert b' with ESMTP' in got.wire.partition(b'Message-ID')[0]


@pytest.mark.parametrize('tls', ['none', 'starttls'])
def test_chunks_of_every_size(relaying, sink, tls):
    with relaying.client(relaying.user, tls=tls) as client:
        for number, size in enumerate((1, 2, 3, 7, 50, 100, 1000), 1):
            begin(client)
            for at in range(0, len(MESSAGE), size):
                chunk = MESSAGE[at:at + size]
                answer = bdat(client, chunk)
                assert answer == (250, b'2.0.0 %d octets received' % len(chunk))
            code, answer = bdat(client, b'', last=True)
            assert code == 250 and answer.startswith(b'2.0.0 Ok: queued as '), answer
            check_arrival(sink.wait_for(number)[-1], MESSAGE)


def test_large_chunks(relaying, sink):
    body = (b'.23456789' * 8 + b'\r\n') * 90000
    with relaying.client(relaying.user) as client:
        begin(client)
        assert bdat(client, HEADER + b'\r\n' + body[:-1])[0] == 250
        assert bdat(client, b'\n', last=True)[0] == 250
        check_arrival(sink.wait_for(1)[0], HEADER + b'\r\n' + body)
        begin(client)
        code, answer = bdat(client, HEADER + b'\r\n' + body + body)
        assert (code, answer) == (552, b'5.3.4 Message too big (limit 8388608 bytes)')
        assert bdat(client, b'x', last=True)[0] == 552
        begin(client)
        assert bdat(client, MESSAGE, last=True)[0] == 250
    check_arrival(sink.wait_for(2)[-1], MESSAGE)


def test_all_in_one_segment(relaying, sink):
    """Two messages in chunks, and a refused one between, with nothing waited for."""
    half = len(MESSAGE) // 2
    envelope = b'MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\n'
    good = envelope + b'BDAT %d\r\n' % half + MESSAGE[:half] + b'BDAT %d LAST\r\n' % (
        len(MESSAGE) - half) + MESSAGE[half:]
    bad = envelope + b'BDAT 3\r\na\nbBDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nRSET\r\n'
    with relaying.client(relaying.user) as client:
        client.ehlo()
        client.sock.sendall(good + bad + good + b'QUIT\r\n')
        codes = [client.getreply()[0] for _ in range(14)]
    assert codes == [250] * 4 + [250, 250, 554, 554, 554] + [250] * 4 + [221]
    for got in sink.wait_for(2):
        check_arrival(got, MESSAGE)


def test_line_that_is_too_long(relaying, sink):
    with relaying.client(relaying.user) as client:
        begin(client)
        code, answer = bdat(client, HEADER + b'\r\n' + b'x' * (1 << 20), last=True)
        assert code == 250, answer
        begin(client)
        code, answer = bdat(client, HEADER + b'\r\n' + b'x' * ((1 << 20) + 1), last=True)
        assert (code, answer) == (554, b'5.6.0 Malformed message (line too long)')
    check_arrival(sink.wait_for(1)[0], HEADER + b'\r\n' + b'x' * (1 << 20) + b'\r\n')


def test_queue_dies_between_chunks(relaying, sink):
    """A 4xx, and the next message goes through."""
    relaying.expect_trouble(r'event=role-restarted|role queue .* was ended by signal 9')
    with relaying.client(relaying.user) as client:
        begin(client)
        assert bdat(client, HEADER)[0] == 250
        os.kill(relaying.roles()['queue'], signal.SIGKILL)
        relaying.wait_for_log('event=role-restarted')
        code, answer = bdat(client, b'\r\nbody\r\n', last=True)
        assert code == 451, answer
        wait_until(lambda: client.mail('a@example.com', ['BODY=8BITMIME'])[0] == 250,
                   'queue takes messages again')
        client.rcpt('b@example.net')
        assert bdat(client, MESSAGE, last=True)[0] == 250
    check_arrival(sink.wait_for(1)[0], MESSAGE)


def test_chunk_of_40_mib_stands_in_no_memory(make_postern, sink):
    postern = make_postern(config='limits = { message_size = "41M"; };')
    postern.add_upstream(sink)
    message = HEADER + b'\r\n' + b'\r\n'.join([b'x' * 254] * (40 << 12)) + b'\r\n'
    with postern.client(postern.add_user(), tls='none') as client:
        begin(client)
        code, answer = bdat(client, message, last=True)
        assert code == 250, answer
    assert sink.wait_for(1)[0].wire.endswith(message)
    memory = {role: peak_mib(pid) for role, pid in postern.roles().items()}
    print(f'peak MiB: {memory}')
    assert is_sanitized() or max(memory.values()) < 36, memory
