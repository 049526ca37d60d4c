#!/usr/bin/env python3
"""fakehost - a rude SMTP server for tests: it does what a script says and records what it was sent.

From a test:

    with FakeHost('rcpt match=<b@: reply 550 5.1.1 No such user') as host:
        ...                                     # send something to 127.0.0.1, host.port
        message = host.wait_for(messages=1)[0]
        assert message.wire == b'exact bytes, still dot-stuffed\\r\\n'

From a shell (prints one line with the ports as JSON, then runs until it is interrupted):

    fakehost.py [--record DIR] [--tls none|starttls|implicit] [--port N] SCRIPT-FILE

A script has one rule a line; the first whose conditions hold decides, and without one the server
behaves. `#` begins a comment.

    EVENT [CONDITION...]: ACTION [ARGUMENT]

Events: banner tls ehlo helo starttls auth mail rcpt data body bdat dot rset noop vrfy quit any.
`body` comes when the first bytes of the data, or of a chunk that is not there whole, have been read, `dot` when its end has been, before
anything is answered; `bdat` when a chunk has been read, for the last one `dot` comes as well; `tls`
comes before a handshake.

Conditions: connection=N, message=N (both count from 1; `message` is that of the connection),
match=TEXT (in the command's line), times=N (the rule is used up after N).

Actions:
    reply CODE TEXT      answers so; several lines are separated by \\n. A 421 closes as well.
    drop                 closes the connection without a word
    reset                the same with a TCP reset
    half CODE TEXT       sends half of the reply, without its end, and is silent from then on
    half-drop CODE TEXT  sends half of the reply and closes
    silent               answers nothing from then on, and reads on
    reply-drop CODE TEXT answers so and closes, whatever has come and was not read: that makes it a reset
    reply-read CODE TEXT answers so, reads on for a while, and closes
    reply-stall CODE TEXT  answers so, and reads nothing from then on until the test calls release()
    accept-drop          (dot) keeps the message, then closes without a reply
    accept-silent        (dot) keeps the message, then is silent
    inject TEXT          (starttls) sends TEXT behind its 220, in the same segment and in clear
    garbage              (tls) answers the handshake with bytes that are no TLS
    sleep SECONDS        waits, then behaves
    hold                 waits for the test to call release(), then behaves
    raw TEXT             sends TEXT as it stands (\\r \\n \\x00 are understood)
"""
import argparse
import base64
import contextlib
import hashlib
import hmac
import json
import os
import pathlib
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

from ntlm_acceptor import NtlmAcceptor

EVENTS = {'banner', 'tls', 'ehlo', 'helo', 'starttls', 'auth', 'mail', 'rcpt', 'data', 'body', 'bdat',
          'dot', 'rset', 'noop', 'vrfy', 'quit', 'any'}
ACTIONS = {'reply', 'drop', 'reset', 'half', 'half-drop', 'silent', 'reply-drop', 'reply-read', 'reply-stall', 'accept-drop',
           'accept-silent', 'inject', 'garbage', 'sleep', 'hold', 'raw'}
EXTENSIONS = ('PIPELINING', 'SIZE 52428800', '8BITMIME', 'ENHANCEDSTATUSCODES')
CHUNKING = (*EXTENSIONS, 'CHUNKING')


class Closed(Exception):
    """The conversation is over."""


class Rule:
    def __init__(self, line):
        head, _, tail = line.partition(':')
        words = head.split()
        self.event, conditions = words[0], words[1:]
        self.action, _, self.argument = tail.strip().partition(' ')
        self.connection = self.message = self.match = None
        self.left = -1
        if self.event not in EVENTS or self.action not in ACTIONS:
            raise ValueError(f'no such rule: {line}')
        for condition in conditions:
            key, _, value = condition.partition('=')
            if key == 'match':
                self.match = value
            elif key == 'times':
                self.left = int(value)
            elif key in ('connection', 'message'):
                setattr(self, key, int(value))
            else:
                raise ValueError(f'no such condition: {line}')

    def fits(self, event, line, connection, message):
        return (self.event in (event, 'any') and self.left != 0
                and self.connection in (None, connection)
                and self.message in (None, message)
                and (self.match is None or self.match in line))


def parse_script(text):
    lines = (line.strip() for line in text.splitlines())
    return [Rule(line) for line in lines if line and not line.startswith('#')]


def unescape(text):
    return text.encode().decode('unicode_escape').encode('latin-1')


class Message:
    """What one transaction brought: the commands as they came, the data as it was on the wire."""

    def __init__(self, connection, mail):
        self.connection = connection
        self.mail = mail            # the MAIL line, without CRLF
        self.rcpts = []             # the RCPT lines that were accepted
        self.refused = []           # and those that were not
        self.wire = b''             # everything before the final dot, dot-stuffed; or of all chunks
        self.chunks = []            # the sizes of these; [] it came by DATA
        self.is_complete = False    # the final dot came
        self.is_accepted = False    # and was answered with 250

    @staticmethod
    def _path(line):
        return line[line.find(b'<') + 1:line.rfind(b'>')].decode('utf-8', 'surrogateescape')

    @property
    def sender(self):
        return self._path(self.mail.split(b'> ')[0] + b'>' if b'> ' in self.mail else self.mail)

    @property
    def recipients(self):
        return [self._path(line) for line in self.rcpts]

    @property
    def body(self):
        """The data as the client meant it: without the stuffed dots."""
        if self.chunks:
            return self.wire
        return b''.join(line[1:] if line.startswith(b'.') else line
                        for line in self.wire.splitlines(keepends=True))


class Connection:
    def __init__(self, host, sock, number):
        self.host, self.sock, self.number = host, sock, number
        self.buffer = b''
        self.commands = []          # every line, without CRLF
        self.segments = []          # every piece as it was read
        self.times = []             # and when, time.monotonic()
        self.messages = []
        self.tls_version = None
        self.helo = None
        self.login = None           # (mechanism, user, password or digest)
        self.is_closed = False
        self.current = None
        self.count = 0

    # -- bytes --

    def send(self, data):
        if isinstance(data, str):
            data = data.encode()
        self.sock.sendall(data)

    def reply(self, text):
        code, lines = text[:3], text[4:].split('\\n')
        out = ''.join(f'{code}-{line}\r\n' for line in lines[:-1]) + f'{code} {lines[-1]}\r\n'
        self.send(out)
        if code == '421':
            raise Closed

    def fill(self):
        data = self.sock.recv(65536)
        if not data:
            raise Closed
        self.segments.append(data)
        self.times.append(time.monotonic())
        self.buffer += data

    def read_line(self):
        while b'\r\n' not in self.buffer:
            self.fill()
        line, _, self.buffer = self.buffer.partition(b'\r\n')
        return line

    def stay_silent(self):
        while True:
            self.buffer = b''
            self.fill()

    def read_on(self):
        """Until nothing comes for a second, since the client may wait as well."""
        self.sock.settimeout(1)
        for _ in range(10):
            self.buffer = b''
            self.fill()

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        raise Closed

    # -- rules --

    def act(self, event, line=b''):
        """Does what the script says; True if the event has been dealt with."""
        rule = self.host.find_rule(event, line.decode('latin-1'), self.number, self.count)
        if rule is None:
            return False
        action, argument = rule.action, rule.argument
        if action == 'reply':
            self.reply(argument)
        elif action == 'drop':
            raise Closed
        elif action == 'reset':
            self.reset()
        elif action in ('reply-drop', 'reply-read', 'reply-stall'):
            self.reply(argument)
            if action == 'reply-read':
                self.read_on()
            elif action == 'reply-stall':
                self.host.released.wait(self.host.patience_s)
            raise Closed
        elif action in ('half', 'half-drop'):
            self.send(argument[:max(2, len(argument) // 2)])
            if action == 'half-drop':
                raise Closed
            self.stay_silent()
        elif action == 'silent':
            self.stay_silent()
        elif action in ('accept-drop', 'accept-silent'):
            self.keep_message()
            if action == 'accept-drop':
                raise Closed
            self.stay_silent()
        elif action == 'inject':
            self.send(b'220 2.0.0 Go ahead\r\n' + unescape(argument))
        elif action == 'garbage':
            self.sock.recv(4096)
            self.send(b'\x7f\x00this is no TLS\r\n')
            raise Closed
        elif action == 'raw':
            self.send(unescape(argument))
        elif action == 'sleep':
            time.sleep(float(argument))
            return False
        elif action == 'hold':
            self.host.is_holding = True
            self.host.changed()
            self.host.released.wait(self.host.patience_s)
            return False
        return True

    # -- the dialogue --

    def run(self):
        try:
            self.sock.settimeout(self.host.patience_s)
            if self.host.tls == 'implicit':
                self.secure()
            if not self.act('banner'):
                self.reply(f'220 {self.host.name} ESMTP fakehost')
            while True:
                self.do_command(self.read_line())
        except (Closed, OSError, ssl.SSLError):
            pass
        finally:
            self.is_closed = True
            try:
                self.sock.close()
            finally:
                self.host.changed()

    def secure(self):
        if self.act('tls'):
            return
        self.sock = self.host.server_context().wrap_socket(self.sock, server_side=True)
        self.tls_version = self.sock.version()

    def do_command(self, line):
        self.commands.append(line)
        verb = line.split(b' ')[0].upper().decode('latin-1').lower()
        event = verb if verb in EVENTS else 'any'
        if verb == 'starttls':
            self.do_starttls(line)
        elif verb == 'mail':
            self.do_mail(line)
        elif verb == 'rcpt':
            self.do_rcpt(line)
        elif verb == 'bdat' and 'CHUNKING' in self.host.extensions:
            self.do_bdat(line)
        elif self.act(event, line):
            pass
        elif hasattr(self, 'do_' + verb):
            getattr(self, 'do_' + verb)(line)
        else:
            self.reply('502 5.5.1 Command not implemented')

    def extensions(self):
        words = list(self.host.extensions)
        if self.host.tls == 'starttls' and self.tls_version is None:
            words.append('STARTTLS')
        if self.host.auth:
            words.append('AUTH ' + ' '.join(self.host.auth))
        return words

    def do_ehlo(self, line):
        self.helo = line[5:].decode('latin-1')
        self.reply('250 ' + '\\n'.join([self.host.name] + self.extensions()))

    def do_helo(self, line):
        self.helo = line[5:].decode('latin-1')
        self.reply('250 ' + self.host.name)

    def do_starttls(self, line):
        if self.act('starttls', line):
            return
        if self.host.tls != 'starttls':
            self.reply('502 5.5.1 Not offered')
            return
        self.send('220 2.0.0 Go ahead\r\n')
        self.secure()

    def do_auth(self, line):
        words = line.decode('latin-1').split(' ')
        mechanism = words[1].upper()
        first = words[2] if len(words) > 2 else None
        if mechanism not in self.host.auth:
            self.reply('504 5.5.4 Mechanism not offered')
            return
        user, proof, good = getattr(self, 'auth_' + mechanism.lower().replace('-', '_'))(first)
        self.login = (mechanism, user, proof)
        self.reply('235 2.7.0 Welcome' if good else '535 5.7.8 Credentials invalid')

    def challenge(self, text):
        self.send('334 ' + base64.b64encode(text.encode()).decode() + '\r\n')
        line = self.read_line()
        self.commands.append(line)
        return base64.b64decode(line)

    def auth_plain(self, first):
        token = base64.b64decode(first) if first is not None else self.challenge('')
        _, user, password = token.decode().split('\0')
        return user, password, (user, password) == self.host.credentials

    def auth_login(self, first):
        user = base64.b64decode(first) if first is not None else self.challenge('Username:')
        password = self.challenge('Password:')
        pair = (user.decode(), password.decode())
        return pair[0], pair[1], pair == self.host.credentials

    def auth_cram_md5(self, first):
        challenge = f'<{time.time()}@{self.host.name}>'
        user, _, digest = self.challenge(challenge).decode().partition(' ')
        good = hmac.new(self.host.credentials[1].encode(), challenge.encode(), hashlib.md5)
        return user, digest, user == self.host.credentials[0] and digest == good.hexdigest()

    def refuse_token(self, last):
        """The words of an error, which the client answers before it hears 535 (RFC 7628 3.2.3)."""
        assert self.challenge('{"status":"401","schemes":"bearer"}') == last

    def auth_xoauth2(self, first):
        token = base64.b64decode(first) if first is not None else self.challenge('')
        user, bearer, *rest = token.decode().split('\x01')
        assert user.startswith('user=') and bearer.startswith('auth=Bearer ') and rest == ['', '']
        user, token = user[5:], bearer[12:]
        good = self.host.tokens(user, token)
        if not good:
            self.refuse_token(b'')
        return user, token, good

    def auth_oauthbearer(self, first):
        token = base64.b64decode(first) if first is not None else self.challenge('')
        header, *pairs = token.decode().split('\x01')
        assert header.startswith('n,a=') and header.endswith(',') and pairs[-2:] == ['', '']
        pairs = dict(pair.split('=', 1) for pair in pairs[:-2])
        user = header[4:-1].replace('=2C', ',').replace('=3D', '=')
        token = pairs['auth'].removeprefix('Bearer ')
        good = self.host.tokens(user, token)
        if not good:
            self.refuse_token(b'\x01')
        return user, token, good

    def auth_external(self, first):
        """The certificate says who it is, `first` as whom it acts."""
        subject = dict(pair for names in self.sock.getpeercert().get('subject', ()) for pair in names)
        user = '' if first in (None, '=') else base64.b64decode(first).decode()
        return user, subject.get('commonName', ''), bool(subject)

    def auth_ntlm(self, first):
        """The users stand in a file: see ntlm_acceptor.py."""
        acceptor = NtlmAcceptor()
        self.send('334 NTLM supported\r\n')
        line = self.read_line()
        self.send(f'334 {base64.b64encode(acceptor.step(base64.b64decode(line))).decode()}\r\n')
        answer = self.read_line()
        self.commands += [line, answer]
        acceptor.step(base64.b64decode(answer))
        return acceptor.user or '', answer.decode(), acceptor.user is not None

    def do_mail(self, line):
        self.count += 1
        if self.act('mail', line):
            return
        self.current = Message(self, line)
        self.reply('250 2.1.0 Ok')

    def do_rcpt(self, line):
        if self.current is None:
            self.reply('503 5.5.1 MAIL first')
            return
        if self.act('rcpt', line):
            self.current.refused.append(line)
            return
        self.current.rcpts.append(line)
        self.reply('250 2.1.5 Ok')

    def do_data(self, line):
        if self.current is None or not self.current.rcpts:
            self.reply('554 5.5.1 No valid recipients')
            return
        self.reply('354 End data with <CR><LF>.<CR><LF>')
        self.messages.append(self.current)
        self.read_data()
        self.current.is_complete = True
        if not self.act('dot'):
            self.keep_message()
            self.reply('250 2.0.0 Ok: taken')
        self.current = None

    def read_data(self):
        """Reads up to the final dot; what is behind it stays in the buffer."""
        data, is_first, searched = bytearray(b'\r\n' + self.buffer), True, 0
        while (at := data.find(b'\r\n.\r\n', searched)) < 0:
            if len(data) > 2 and is_first:
                is_first = False
                self.act('body')
            searched = max(0, len(data) - 4)
            self.buffer = b''
            self.fill()
            data += self.buffer
        self.current.wire, self.buffer = bytes(data[2:at + 2]), bytes(data[at + 5:])

    def do_bdat(self, line):
        words = line.decode('latin-1').split(' ')
        size, is_last = int(words[1]), words[2:] == ['LAST']
        octets = self.read_octets(size)
        if self.current is None or not self.current.rcpts:
            self.reply('503 5.5.1 No valid recipients')
            return
        if not self.current.chunks:
            self.messages.append(self.current)
        self.current.wire += octets
        self.current.chunks.append(size)
        self.current.is_complete = is_last
        if self.act('bdat', line) or (is_last and self.act('dot')):
            self.current = None     # refused: nothing but RSET helps
            return
        if is_last:
            self.keep_message()
        self.reply('250 2.0.0 Ok: taken' if is_last else f'250 2.0.0 Ok: {size} bytes')
        if is_last:
            self.current = None

    def read_octets(self, size):
        octets, is_first = bytearray(self.buffer), True
        while len(octets) < size:
            if octets and is_first:
                is_first = False
                self.act('body')
            self.buffer = b''
            self.fill()
            octets += self.buffer
        self.buffer = bytes(octets[size:])
        return bytes(octets[:size])

    def keep_message(self):
        self.current.is_accepted = True
        self.host.keep(self.current)

    def do_rset(self, line):
        self.current = None
        self.reply('250 2.0.0 Ok')

    def do_noop(self, line):
        self.reply('250 2.0.0 Ok')

    def do_vrfy(self, line):
        self.reply('252 2.1.5 Send some mail')

    def do_quit(self, line):
        self.send('221 2.0.0 Bye\r\n')
        raise Closed


def make_certificates(directory, names=('localhost',), addresses=('127.0.0.1',), days=2):
    """A CA and a certificate in `directory`: paths of the CA, the certificate and its key."""
    directory = pathlib.Path(directory)
    ca, ca_key = directory / 'ca.pem', directory / 'ca.key'
    cert, key, request = directory / 'cert.pem', directory / 'cert.key', directory / 'cert.csr'
    san = ','.join([f'DNS:{n}' for n in names] + [f'IP:{a}' for a in addresses])
    (directory / 'san').write_text(f'subjectAltName={san}\n')
    ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    for command in (
            ['req', '-x509', *ec, '-keyout', ca_key, '-out', ca, '-days', '10',
             '-subj', '/CN=fakehost CA'],
            ['req', *ec, '-keyout', key, '-out', request, '-subj', f'/CN={names[0]}'],
            ['x509', '-req', '-in', request, '-CA', ca, '-CAkey', ca_key, '-CAcreateserial',
             '-out', cert, '-days', str(days), '-extfile', directory / 'san']):
        subprocess.run(['openssl', *map(str, command)], check=True, capture_output=True)
    return ca, cert, key


class FakeHost:
    """The server. Starts in its constructor's thread at once; `port` is where."""

    def __init__(self, script='', *, tls='none', auth=(), credentials=('user', 'secret'),
                 extensions=EXTENSIONS, certificate=None, key=None, address='127.0.0.1', port=0,
                 name='fakehost.example', patience_s=120, record=None, tokens=None,
                 client_ca=None):
        self.tls, self.auth, self.credentials = tls, tuple(auth), tuple(credentials)
        self.extensions, self.name, self.patience_s = tuple(extensions), name, patience_s
        self.certificate, self.key, self.client_ca = certificate, key, client_ca
        self.tokens = tokens        # (user, token) → whether it is good
        self.record = pathlib.Path(record) if record else None
        self.rules = parse_script(script)
        self.connections, self.messages = [], []
        self._scratch = None
        self._context = None
        self._condition = threading.Condition()
        self.is_holding, self.released = False, threading.Event()
        self._listener = socket.create_server(
            (address, port), backlog=256,
            family=socket.AF_INET6 if ':' in address else socket.AF_INET)
        self.address, self.port = self._listener.getsockname()[:2]
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.release()
        # Closed under a thread that is about to accept, the number of its descriptor could be the
        # next host's by then, and this one would take that one's clients.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        for connection in self.connections:
            try:
                connection.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None

    def release(self):
        """Whatever is held, now and later, goes on."""
        self.released.set()

    def set_script(self, script):
        """From the next event on, these rules hold."""
        with self._condition:
            self.rules = parse_script(script)

    @property
    def ca(self):
        """The CA's certificate of a host that made its own."""
        self.server_context()
        return pathlib.Path(self._scratch.name) / 'ca.pem'

    def server_context(self):
        with self._condition:
            if self._context is None:
                if self.certificate is None:
                    self._scratch = tempfile.TemporaryDirectory(prefix='fakehost-')
                    _, self.certificate, self.key = make_certificates(self._scratch.name)
                self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self._context.load_cert_chain(self.certificate, self.key)
                if self.client_ca is not None:
                    self._context.load_verify_locations(self.client_ca)
                    self._context.verify_mode = ssl.CERT_OPTIONAL
            return self._context

    def find_rule(self, event, line, connection, message):
        with self._condition:
            for rule in self.rules:
                if rule.fits(event, line, connection, message):
                    rule.left -= 1 if rule.left > 0 else 0
                    return rule
        return None

    def keep(self, message):
        with self._condition:
            self.messages.append(message)
            if self.record is not None:
                self._write(message, len(self.messages))
            self._condition.notify_all()

    def _write(self, message, number):
        (self.record / f'{number}.wire').write_bytes(message.wire)
        (self.record / f'{number}.json').write_text(json.dumps({
            'sender': message.sender, 'recipients': message.recipients,
            'mail': message.mail.decode('latin-1'), 'connection': message.connection.number,
            'tls': message.connection.tls_version, 'login': message.connection.login}))

    def changed(self):
        with self._condition:
            self._condition.notify_all()

    def wait_until(self, is_true, within_s=60, what='the condition'):
        with self._condition:
            if not self._condition.wait_for(is_true, within_s):
                raise TimeoutError(f'{what} was not met within {within_s} s; '
                                   f'{len(self.messages)} messages, '
                                   f'{len(self.connections)} connections')

    def wait_for(self, messages=1, within_s=60):
        """Waits until so many messages were taken, and returns all of them."""
        self.wait_until(lambda: len(self.messages) >= messages, within_s, f'{messages} messages')
        return list(self.messages)

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._condition:
                connection = Connection(self, sock, len(self.connections) + 1)
                self.connections.append(connection)
                self._condition.notify_all()
            threading.Thread(target=connection.run, daemon=True).start()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('script', type=pathlib.Path)
    parser.add_argument('--record', type=pathlib.Path, help='where messages are written')
    parser.add_argument('--tls', choices=('none', 'starttls', 'implicit'), default='none')
    parser.add_argument('--auth', default='', help='mechanisms, separated by commas')
    parser.add_argument('--credentials', default='user:secret', metavar='USER:PASSWORD')
    parser.add_argument('--address', default='127.0.0.1')
    parser.add_argument('--port', type=int, default=0)
    options = parser.parse_args()
    if options.record is not None:
        options.record.mkdir(parents=True, exist_ok=True)
    with FakeHost(options.script.read_text(), tls=options.tls, record=options.record,
                  auth=[m for m in options.auth.upper().split(',') if m],
                  credentials=options.credentials.split(':', 1), address=options.address,
                  port=options.port) as host:
        about = {'port': host.port, 'pid': os.getpid()}
        if options.tls != 'none':
            about['ca'] = str(host.ca)
        print(json.dumps(about), flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return 0


if __name__ == '__main__':
    sys.exit(main())
