"""An upstream that answers what it was not asked, asks without an end, or speaks in drops."""
import contextlib
import socket
import threading
import time

import pytest
from posternd import wait_until

RETRY = 'queue = { retry = "1h"; };'


class Server:
    """An SMTP server that does for each connection what `talk` says, with its lines of a client."""

    def __init__(self, talk):
        self.talk = talk
        self.socket = socket.create_server(('127.0.0.1', 0))
        self.port = self.socket.getsockname()[1]
        self.connections = []       # the lines of each
        self.seconds = []           # that each has lasted
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            lines, begun = [], time.monotonic()
            self.connections.append(lines)
            with connection, connection.makefile('rb') as file, \
                    contextlib.suppress(OSError, EOFError):
                self.talk(connection.sendall, lambda f=file, to=lines: self.read(f, to))
            self.seconds.append(time.monotonic() - begun)

    @staticmethod
    def read(file, lines):
        line = file.readline().rstrip(b'\r\n')
        if not line:
            raise EOFError
        lines.append(line)
        return line

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(10)


@pytest.fixture
def relay(make_postern):
    """One message on its way to a Server: (postern, server)."""
    servers = []

    def make(talk, *options, stdin='', trouble=None):
        server = Server(talk)
        servers.append(server)
        postern = make_postern(config=RETRY)
        if trouble:
            postern.expect_trouble(trouble)
        postern.ctl('profile', 'add', 'upstream', '--host', '127.0.0.1', '--port', server.port,
                    '--tls', 'none', '--default', *options, stdin=stdin)
        with postern.client(postern.add_user()) as client:
            client.sendmail('a@example.com', ['b@example.net'], b'Subject: x\r\n\r\nbody\r\n')
        return postern, server
    yield make
    for server in servers:
        server.close()


def polite(say, read, at_data):
    say(b'220 mx\r\n')
    while True:
        line = read()
        if line == b'DATA':
            at_data(say, read)
        else:
            say(b'250 ok\r\n')


def test_taken_before_the_final_dot_is_not_taken(relay):
    def at_data(say, read):
        say(b'354 go\r\n250 2.0.0 queued\r\n')
        while read() != b'.':
            pass
        say(b'554 5.7.1 refused\r\n')
    postern, _ = relay(lambda say, read: polite(say, read, at_data))
    wait_until(lambda: 'event=deferred' in postern.log(), 'the message waits')
    assert 'answers before it was asked' in postern.log()
    assert 'event=delivered' not in postern.log()


def test_refused_before_the_final_dot_is_refused(relay):
    def at_data(say, read):
        say(b'354 go\r\n554 5.7.1 refused\r\n')
        while read() != b'.':
            pass
    postern, _ = relay(lambda say, read: polite(say, read, at_data))
    wait_until(lambda: 'event=bounced' in postern.log(), 'the message fails')


def test_everything_said_in_advance(relay):
    def talk(say, read):
        say(b'220 x\r\n250 x\r\n250 mail\r\n250 rcpt\r\n354 go\r\n250 2.0.0 queued\r\n')
        while True:
            read()
    postern, server = relay(talk, trouble='profile-stopped')
    wait_until(lambda: 'answers before it was asked' in postern.log(), 'the profile waits')
    assert b'DATA' not in server.connections[0]


def test_a_login_that_asks_without_an_end(relay):
    def talk(say, read):
        say(b'220 mx\r\n')
        read()
        say(b'250-mx\r\n250 AUTH PLAIN\r\n')
        while True:
            read()
            say(b'334 \r\n')
    postern, server = relay(talk, '--auth', 'plain', '--username', 'u', '--password-stdin',
                            stdin='secret\n', trouble='profile-stopped')
    wait_until(lambda: 'asks on and on' in postern.log(), 'the login ends')
    assert len(server.connections[0]) <= 3


@pytest.mark.parametrize('drop', [b'220-hello\r\n', b'2'])
def test_a_greeting_in_drops_has_its_time_and_no_more(relay, drop):
    def talk(say, read):
        for _ in range(100):
            say(drop)
            time.sleep(0.1)
    postern, server = relay(talk, '--timeout', '1s', trouble='profile-stopped')
    wait_until(lambda: 'nothing came in time' in postern.log(), 'the time is over')
    wait_until(lambda: server.seconds, 'the connection ends')
    assert server.seconds[0] < 5
