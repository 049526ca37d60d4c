"""What EHLO announces, from a client to an upstream: SMTPUTF8, DSN, FUTURERELEASE, MT-PRIORITY; and
who gets no EHLO at all."""
import datetime
import smtplib
import socket

import pytest

MESSAGE = 'From: jörg@bücher.example\r\nSubject: grüße\r\n\r\nhello\r\n'.encode()

pytestmark = pytest.mark.user


@pytest.fixture
def relaying(postern, make_upstream):
    def start(*extensions, script=''):
        postern.host = make_upstream(script, extensions=('PIPELINING', 'SIZE', *extensions))
        postern.add_upstream(postern.host)
        return postern

    return start


def test_announced(postern):
    postern.add_capture()
    with postern.client(postern.add_user()) as client:
        assert client.ehlo()[0] == 250
        offered = client.esmtp_features
        assert {'size', 'pipelining', '8bitmime', 'smtputf8', 'enhancedstatuscodes', 'chunking',
                'dsn', 'auth', 'futurerelease', 'mt-priority', 'limits', 'help'} <= set(offered)
        assert offered['mt-priority'] == 'MIXER'
        assert offered['limits'] == 'RCPTMAX=1000'
        seconds, date = offered['futurerelease'].split()
        assert int(seconds) == 30 * 86400
        until = datetime.datetime.fromisoformat(date.replace('Z', '+00:00'))
        ahead = until - datetime.datetime.now(datetime.timezone.utc)
        assert abs(ahead.total_seconds() - int(seconds)) < 600


def test_utf8_addresses_reach_an_upstream_that_takes_them(relaying):
    postern = relaying('SMTPUTF8', '8BITMIME')
    user = postern.add_user('shop', '--domains', 'bücher.example')
    with postern.client(user) as client:
        client.ehlo()
        client.sendmail('jörg@BÜCHER.example', ['用户@例子.example'], MESSAGE,
                        mail_options=['SMTPUTF8', 'BODY=8BITMIME'])
    message = postern.host.wait_for(1)[0]
    assert 'jörg@BÜCHER.example' in message.mail.decode()
    assert 'SMTPUTF8' in message.mail.decode().upper()
    assert 'grüße'.encode() in message.body
    assert b'with UTF8SMTP' in message.body
    postern.wait_until_queue_is(0)


def test_utf8_addresses_of_somebody_else_are_blocked(postern):
    postern.add_capture()
    user = postern.add_user('shop', '--senders', 'jörg@bücher.example')
    with postern.client(user) as client:
        client.ehlo()
        assert client.docmd('MAIL FROM:<jorg@xn--bcher-kva.example>')[0] == 550
        client.command_encoding = 'utf-8'
        assert client.docmd('MAIL FROM:<jörg@bücher.example>')[0] == 553
        assert client.docmd('MAIL FROM:<jörg@bücher2.example> SMTPUTF8')[0] == 550
        assert client.docmd('MAIL FROM:<jörg@xn--bcher-kva.example> SMTPUTF8')[0] == 250


def test_priority_of_a_parameter_goes_before_the_header(postern):
    postern.add_capture()
    with postern.client(postern.add_user('shop', '--priority', '5')) as client:
        client.ehlo()
        client.sendmail('a@example.com', ['b@example.net'], b'Importance: low\r\n\r\nbody\r\n',
                        mail_options=['MT-PRIORITY=2'])
    assert 'priority=2 ' in postern.wait_for_log('event=accepted')[-1]


def test_a_refused_network_hears_554_and_may_only_quit(make_postern):
    postern = make_postern(config='refused = "192.0.2.0/24 127.0.0.1";')
    with socket.create_connection(('127.0.0.1', postern.port), 10) as peer:
        lines = peer.makefile('rb')
        assert lines.readline().startswith(b'554 5.7.1 ')
        peer.sendall(b'EHLO me\r\nMAIL FROM:<a@example.com>\r\nQUIT\r\n')
        assert lines.readline().startswith(b'503 5.5.1 ')
        assert lines.readline().startswith(b'503 5.5.1 ')
        assert lines.readline().startswith(b'221 ')
        assert lines.readline() == b''
    with pytest.raises(smtplib.SMTPConnectError):
        smtplib.SMTP('127.0.0.1', postern.port, timeout=10)
