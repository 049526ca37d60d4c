"""No string of odd line ends makes two messages of one, seen on the wire to the upstream."""
import pytest

HEADER = b'Message-ID: <1@example.com>\r\nDate: Sun, 01 Mar 2026 12:31:04 +0000\r\n'
SECOND = (b'MAIL FROM:<evil@example.com>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\n'
          b'Subject: second\r\n\r\nsecond\r\n')
# What stands between the first text and what looks like commands.
REFUSED = [
    b'\n.\n', b'\n.\r\n', b'\r.\r', b'\r.\r\n', b'\r\n.\n', b'\r\n.\r', b'\r\n.\r\r\n',
    b'\r\r\n.\r\r\n', b'\n\n.\r\n', b'\r\n\n.\r\n', b'\r\n\r.\r\n', b'\n\r.\n\r', b'\r\n\0.\r\n',
    b'\r\n.\0\r\n', b'\r\0\n.\r\n', b'\r\n.\r\0\n', b'\0', b'\n', b'\r', b'\n.\n.\r\n',
]
# Lines like any other, for us and for whoever reads CRLF only.
TAKEN = [
    b'\r\n..\r\n', b'\r\n. \r\n', b'\r\n .\r\n', b'\r\n.\t\r\n', b'\v.\v', b'\r\n.\v\r\n',
    b'\x85.\x85', b'\xc2\x85.\xc2\x85', b'\xe2\x80\xa8.\xe2\x80\xa8', b'\x8d\x8a.\x8d\x8a',
    b'\f.\f', b'\x1a', b'\x1b[2K',
]
PLACES = {'body': HEADER + b'\r\nfirst', 'header': HEADER + b'Subject: first'}

pytestmark = pytest.mark.user


@pytest.fixture
def relaying(make_postern, sink):
    postern = make_postern(config='limits = { errors = 1000; };')
    postern.add_upstream(sink)
    postern.user = postern.add_user()
    return postern


def by_data(client, text):
    assert client.docmd('DATA')[0] == 354
    client.sock.sendall(text + b'\r\n.\r\n')
    return client.getreply()


def by_bdat(client, text):
    half = len(text) // 2
    client.sock.sendall(b'BDAT %d\r\n' % half + text[:half] +
                        b'BDAT %d LAST\r\n' % (len(text) - half) + text[half:])
    client.getreply()
    return client.getreply()


@pytest.mark.parametrize('send', [by_data, by_bdat])
@pytest.mark.parametrize('place', PLACES)
def test_one_message_stays_one(relaying, sink, send, place):
    taken = 0
    with relaying.client(relaying.user, tls='none') as client:
        client.ehlo()
        for odd in REFUSED + TAKEN:
            assert client.mail('a@example.com', ['BODY=8BITMIME'])[0] == 250
            assert client.rcpt('b@example.net')[0] == 250
            code, answer = send(client, PLACES[place] + odd + SECOND)
            if odd in REFUSED:
                assert code == 554 and answer.startswith(b'5.6.0 Malformed message'), (odd, answer)
            else:
                assert code == 250, (odd, answer)
                taken += 1
            # the dialogue is where it ought to be: nothing more was answered
            assert client.docmd('NOOP', 'x') == (250, b'2.0.0 Ok'), odd
    messages = sink.wait_for(taken)
    relaying.wait_until_queue_is(0)
    assert len(sink.messages) == taken
    for message in messages:
        assert message.sender == 'a@example.com' and message.recipients == ['b@example.net']
        assert not set(message.wire.replace(b'\r\n', b'')) & set(b'\r\n\0')
        assert b'\r\n.\r\n' not in b'\r\n' + message.wire
