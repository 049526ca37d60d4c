"""The rude upstream itself: what a script says is what a client meets."""
import smtplib
import socket
import ssl

import pytest

from fakehost import CHUNKING, FakeHost, parse_script

BODY = b'Subject: x\r\n\r\n.leading dot\r\nlast line\r\n'


def client_of(host, timeout=5):
    return smtplib.SMTP('127.0.0.1', host.port, timeout=timeout)


def test_message_is_recorded_byte_for_byte():
    with FakeHost() as host:
        with client_of(host) as client:
            client.sendmail('a@b.example', ['c@d.example', 'e@f.example'], BODY)
        message = host.wait_for(1)[0]
        assert message.sender == 'a@b.example'
        assert message.recipients == ['c@d.example', 'e@f.example']
        assert message.wire == BODY.replace(b'\r\n.', b'\r\n..')
        assert message.body == BODY


def test_chunks():
    with FakeHost('rcpt match=<e@: reply 550 5.1.1 No', extensions=CHUNKING) as host:
        with client_of(host) as client:
            client.ehlo()
            assert 'chunking' in client.esmtp_features
            client.sock.sendall(b'MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<e@f.example>\r\n'
                                b'BDAT 4\r\n.\r\n.BDAT 3 LAST\r\nx\r\nNOOP\r\n')
            assert [client.getreply()[0] for _ in range(6)] == [250, 250, 550, 250, 250, 250]
            client.sock.sendall(b'BDAT 6 LAST\r\nNOOP\r\n')
            assert client.getreply()[0] == 503
        message = host.wait_for(1)[0]
        assert message.recipients == ['c@d.example'] and message.chunks == [4, 3]
        assert message.wire == message.body == b'.\r\n.x\r\n'


def test_banner_421():
    with FakeHost('banner: reply 421 4.3.2 Not now') as host:
        with pytest.raises(smtplib.SMTPConnectError) as caught:
            client_of(host)
        assert caught.value.smtp_code == 421


@pytest.mark.parametrize('verb', ['ehlo', 'mail', 'rcpt', 'data', 'dot'])
def test_refusal_at_each_verb(verb):
    with FakeHost(f'{verb}: reply 451 4.3.0 Not now\nhelo: reply 451 4.3.0 Not now') as host:
        with client_of(host) as client:
            with pytest.raises(smtplib.SMTPException):
                client.sendmail('a@b.example', ['c@d.example'], BODY)
        assert host.messages == []


def test_one_recipient_of_three():
    with FakeHost('rcpt match=<b@: reply 550 5.1.1 No such user') as host:
        with client_of(host) as client:
            refused = client.sendmail('s@x.example', ['a@x.example', 'b@x.example', 'c@x.example'],
                                      BODY)
        assert list(refused) == ['b@x.example']
        assert host.wait_for(1)[0].recipients == ['a@x.example', 'c@x.example']


@pytest.mark.parametrize('action,is_kept', [('drop', False), ('reset', False),
                                            ('half-drop 451 4.3.0 Later', False),
                                            ('accept-drop', True)])
def test_connection_lost_at_the_dot(action, is_kept):
    with FakeHost(f'dot: {action}') as host:
        client = client_of(host)
        with pytest.raises((smtplib.SMTPException, OSError)):
            client.sendmail('a@b.example', ['c@d.example'], BODY)
        host.wait_until(lambda: host.connections[0].is_closed)
        assert len(host.messages) == is_kept
        assert host.connections[0].messages[0].is_complete


@pytest.mark.parametrize('event', ['banner', 'mail', 'dot'])
def test_silence(event):
    with FakeHost(f'{event}: silent') as host:
        with pytest.raises((smtplib.SMTPException, socket.timeout)):
            client_of(host, timeout=0.3).sendmail('a@b.example', ['c@d.example'], BODY)


@pytest.mark.parametrize('body', [b'.\r\n', b'x' * 3_000_000 + b'\r\n', b'\r\n.\r\n'])
def test_odd_bodies(body):
    with FakeHost() as host:
        with client_of(host) as client:
            for _ in range(2):
                client.sendmail('a@b.example', ['c@d.example'], body)
        assert [message.body for message in host.wait_for(2)] == [body, body]


@pytest.mark.parametrize('mechanism', ['PLAIN', 'LOGIN', 'CRAM-MD5'])
def test_login(mechanism):
    with FakeHost(auth=[mechanism], credentials=('me', 'pass')) as host:
        with client_of(host) as client:
            client.login('me', 'pass')
        with client_of(host) as client:
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login('me', 'wrong')
        assert host.connections[0].login[:2] == (mechanism, 'me')


def test_starttls_and_implicit():
    with FakeHost(tls='starttls') as host:
        context = ssl.create_default_context(cafile=str(host.ca))
        with smtplib.SMTP('localhost', host.port, timeout=5) as client:
            client.starttls(context=context)
            client.sendmail('a@b.example', ['c@d.example'], BODY)
        assert host.wait_for(1)[0].connection.tls_version
    with FakeHost(tls='implicit') as host:
        context = ssl.create_default_context(cafile=str(host.ca))
        with smtplib.SMTP_SSL('localhost', host.port, timeout=5, context=context) as client:
            client.sendmail('a@b.example', ['c@d.example'], BODY)
        assert host.wait_for(1)[0].connection.tls_version


def test_tls_garbage():
    with FakeHost('tls: garbage', tls='starttls') as host:
        with client_of(host) as client:
            with pytest.raises((ssl.SSLError, smtplib.SMTPException, OSError)):
                client.starttls()


def test_rules_are_used_up_and_counted():
    with FakeHost('mail times=1: reply 451 4.3.0 Once\nbanner connection=2: drop') as host:
        with client_of(host) as client:
            with pytest.raises(smtplib.SMTPException):
                client.sendmail('a@b.example', ['c@d.example'], BODY)
            client.sendmail('a@b.example', ['c@d.example'], BODY)
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client_of(host)
        assert len(host.messages) == 1


@pytest.mark.parametrize('line', ['nonsense: reply 250 x', 'mail: nonsense', 'mail when=1: drop'])
def test_a_wrong_script_is_refused(line):
    with pytest.raises(ValueError):
        parse_script(line)
