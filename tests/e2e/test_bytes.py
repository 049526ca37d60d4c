"""Bodies of all shapes arrive byte for byte, seen on the wire; the header changes in no other way."""
import random
import re
import socket

import pytest

from fakehost import CHUNKING, EXTENSIONS, FakeHost

HEADER = (b'Message-ID: <1@example.com>\r\nDate: Sun, 01 Mar 2026 12:31:04 +0000\r\n'
          b'From: Shop <shop@example.com>\r\nTo: b@example.net\r\n')
# What smtpd, the links and relay take at once: bodies with something odd at each of these places.
CHUNKS = (4096, 16384, 32768, 65536, 131072, 262144)

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



def pass_through(postern, sink, message, *, pieces=None):
    """Sends the message, checks that it arrived as it was, and returns what was added above."""
    before = len(sink.messages)
    wire = re.sub(rb'(?m)^\.', b'..', message)
    with postern.client(postern.user) as client:
        client.ehlo()
        assert client.mail('a@example.com', ['BODY=8BITMIME'])[0] == 250
        client.rcpt('b@example.net')
        assert client.docmd('DATA')[0] == 354
        for piece in pieces(wire + b'.\r\n') if pieces else [wire + b'.\r\n']:
            client.sock.sendall(piece)
        code, answer = client.getreply()
        assert code == 250, answer
    got = sink.wait_for(before + 1)[-1]
    expected = message if got.chunks else wire
    assert bool(got.chunks) == ('CHUNKING' in sink.extensions)
    assert got.wire.endswith(expected), explain(got.wire, expected)
    added = got.wire[:-len(expected)] if expected else got.wire
    assert b'\r' not in got.wire.replace(b'\r\n', b'') and b'\n' not in got.wire.replace(
        b'\r\n', b'')
    return added


def explain(got, expected):
    at = got.find(expected[:200])
    for i, (a, b) in enumerate(zip(got[at:], expected)):
        if a != b:
            return f'differs at {i}: {got[at + i - 20:at + i + 20]!r}, {expected[i - 20:i + 20]!r}'
    return f'{len(got) - at} bytes for {len(expected)}'


RECEIVED = re.compile(rb'Received: from \S+ \(.*\r\n(?:[ \t].*\r\n)+\Z')


def test_nothing_is_added_but_received(relaying, sink):
    added = pass_through(relaying, sink, HEADER + b'\r\nhello\r\n')
    assert RECEIVED.fullmatch(added), added
    assert b'relay.example' in added and b'ESMTPSA' in added


def test_line_lengths_up_to_1000(relaying, sink):
    body = b''.join(b'%d'.ljust(length, b'x')[:length] + b'\r\n' for length in range(999))
    pass_through(relaying, sink, HEADER + b'\r\n' + body)


@pytest.mark.parametrize('length', [999, 1000, 1001, 5000, 70000, 300000])
def test_lines_longer_than_the_standard_allows(relaying, sink, length):
    """Refused with a clear word, or passed on as they are: never cut, never broken."""
    message = HEADER + b'\r\n' + b'x' * length + b'\r\nlast\r\n'
    with relaying.client(relaying.user) as client:
        client.ehlo()
        client.mail('a@example.com')
        client.rcpt('b@example.net')
        code, answer = client.data(message)
    if code == 250:
        assert sink.wait_for(1)[0].wire.endswith(message)
    else:
        assert code == 500 and b'line' in answer.lower(), answer
        assert relaying.queued() == [] and sink.messages == []


@pytest.mark.parametrize('dots', [b'.', b'..', b'.x', b'...', b'. ', b'.\t.'])
def test_lines_with_leading_dots(relaying, sink, dots):
    pass_through(relaying, sink, HEADER + b'\r\n' + (dots + b'\r\n') * 300)


@pytest.mark.parametrize('chunk', CHUNKS)
def test_dots_at_the_borders_of_chunks(relaying, sink, chunk):
    """Each border that a reader may cut at has CR, LF or a leading dot on either side once."""
    for shift in range(-6, 4):
        start = len(HEADER) + 2
        body = bytearray()
        while start + len(body) < chunk + shift - 100:
            body += b'y' * 68 + b'\r\n'
        body += b'z' * (chunk + shift - start - len(body)) + b'\r\n..\r\n.\r\n.end\r\n'
        pass_through(relaying, sink, HEADER + b'\r\n' + bytes(body))


def test_pieces_of_every_size(relaying, sink):
    """However the client's bytes are cut: here at each place of a message with dots."""
    message = HEADER + b'\r\n.\r\n..\r\n\r\n.a\r\nend\r\n'
    for size in (1, 2, 3, 5, 7):
        pass_through(relaying, sink, message, pieces=lambda wire: [
            wire[at:at + size] for at in range(0, len(wire), size)])


def test_random_bodies(relaying, sink):
    """Lines of random bytes and lengths, 5 MiB of them; what fails says its seed."""
    seed = 20260301
    rng, lines, size = random.Random(seed), [], 0
    forbidden = bytes(set(b'\r\n'))
    while size < 5 * 1024 * 1024:
        length = rng.choice((0, 1, 2, rng.randrange(80), rng.randrange(999)))
        line = rng.randbytes(length).translate(None, forbidden + b'\0')
        lines.append(rng.choice((b'', b'', b'', b'.', b'..')) + line[:990])
        size += len(lines[-1]) + 2
    pass_through(relaying, sink, HEADER + b'\r\n' + b'\r\n'.join(lines) + b'\r\n')


@pytest.mark.parametrize('body', [b'', b'\r\n', b'.\r\n', b'\r\n' * 500],
                         ids=['empty', 'empty line', 'dot', 'empty lines'])
def test_hardly_a_body(relaying, sink, body):
    pass_through(relaying, sink, HEADER + b'\r\n' + body)


def test_header_alone_gets_the_empty_line_behind_it(relaying, sink):
    with relaying.client(relaying.user) as client:
        client.sendmail('a@example.com', ['b@example.net'], HEADER)
    assert sink.wait_for(1)[0].wire.endswith(HEADER + b'\r\n')


def test_end_without_an_end_of_line(relaying, sink):
    """DATA knows no such thing: the CRLF before the final dot is the last line's."""
    with relaying.client(relaying.user) as client:
        client.ehlo()
        client.mail('a@example.com')
        client.rcpt('b@example.net')
        client.docmd('DATA')
        client.sock.sendall(HEADER + b'\r\nno end\r\n.\r\n')
        assert client.getreply()[0] == 250
    assert sink.wait_for(1)[0].wire.endswith(b'\r\n\r\nno end\r\n')


def test_header_is_kept_as_it_is(relaying, sink):
    """Odd fields, folding, order, case, blanks, doubles, 8 bits: whatever we don't drop."""
    header = (b'Received: from a by b; Sun, 01 Mar 2026 12:31:04 +0000\r\n' + HEADER +
              b'SUBJECT:no blank\r\nX-Double: 1\r\nX-Double: 2\r\nx-empty:\r\n'
              b'X-Folded: one\r\n two\r\n\t three  \r\nX-Raw: gr\xc3\xbc\xdfe\r\n'
              b'DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=x;\r\n\tbh=abc=; b=def\r\n'
              b'X-Long: ' + b'l' * 900 + b'\r\nDisposition-Notification-To: <shop@example.com>\r\n')
    added = pass_through(relaying, sink, header + b'\r\nhello\r\n')
    assert RECEIVED.fullmatch(added), added


def test_dropped_fields_go_and_their_neighbours_stay(relaying, sink):
    message = (b'Bcc: secret@example.net,\r\n\tother@example.net\r\n' + HEADER +
               b'X-First: 1\r\nbcc: again@example.net\r\nRESENT-BCC: x@example.net\r\n'
               b'X-Bcc: stays\r\nReturn-Path: <old@example.com>\r\nX-Last: 2\r\n')
    with relaying.client(relaying.user) as client:
        client.sendmail('a@example.com', ['b@example.net'], message + b'\r\nBcc: in the body\r\n')
    wire = sink.wait_for(1)[0].wire
    assert wire.endswith(HEADER + b'X-First: 1\r\nX-Bcc: stays\r\nX-Last: 2\r\n'
                         b'\r\nBcc: in the body\r\n'), wire
    assert b'secret' not in wire and b'old@' not in wire


def test_missing_date_and_id_are_added_above(relaying, sink):
    added = pass_through(relaying, sink, b'From: <a@example.com>\r\n\r\nhello\r\n')
    assert added.count(b'\r\nDate: ') == added.count(b'\r\nMessage-ID: <') == 1
    assert added.startswith(b'Received: ')


def test_envelopes(relaying, sink):
    """As the client said them: case, quotes, plus signs, order, doubles."""
    sender = 'Mixed.Case+tag@Example.COM'
    recipients = ['First@example.net', '"quoted local"@example.org', 'a/b=c@example.net',
                  "o'hara@example.net", 'x@[127.0.0.1]', 'last@xn--bcher-kva.example']
    with relaying.client(relaying.user) as client:
        client.ehlo()
        assert client.mail(sender)[0] == 250
        for recipient in recipients:
            assert client.docmd(f'RCPT TO:<{recipient}>')[0] == 250, recipient
        assert client.data(HEADER + b'\r\nhello\r\n')[0] == 250
    got, = sink.wait_for(1)
    assert got.mail.startswith(f'MAIL FROM:<{sender}>'.encode())
    assert got.rcpts == [f'RCPT TO:<{recipient}>'.encode() for recipient in recipients]


def test_many_recipients(relaying, sink):
    recipients = [f'r{number}@example.net' for number in range(1000)]
    with relaying.client(relaying.user) as client:
        client.sendmail('a@example.com', recipients, HEADER + b'\r\nhello\r\n')
    relaying.wait_until_queue_is(0)
    assert sorted(r for message in sink.messages for r in message.recipients) == sorted(recipients)


def test_everything_in_one_segment(relaying, sink):
    """Envelope, data and a second message, pipelined as far as the standard lets a client go."""
    login = relaying.user
    with relaying.client(login) as client:
        client.ehlo()
        client.sock.sendall(b'MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n')
        assert [client.getreply()[0] for _ in range(3)] == [250, 250, 354]
        client.sock.sendall(HEADER + b'\r\none\r\n.\r\nMAIL FROM:<a@example.com>\r\n'
                            b'RCPT TO:<b@example.net>\r\nDATA\r\n')
        assert [client.getreply()[0] for _ in range(4)] == [250, 250, 250, 354]
        client.sock.sendall(HEADER + b'\r\ntwo\r\n.\r\nQUIT\r\n')
        assert [client.getreply()[0] for _ in range(2)] == [250, 221]
        client.sock.shutdown(socket.SHUT_RDWR)
    bodies = sorted(message.body[-7:] for message in sink.wait_for(2))
    assert bodies == [b'\r\none\r\n', b'\r\ntwo\r\n']
