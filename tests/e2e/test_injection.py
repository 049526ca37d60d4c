"""What a client writes into any field stays in that field: on the wire, in the log, for people.

Each field that a client controls gets line ends, control characters, escapes for terminals, NUL,
format strings and what looks like our own log; then every output is looked at: replies, what the
upstream gets, the log, posternctl for people and as JSON.
"""
import base64
import json
import re
import socket

import pytest

ATTACKS = {
    'crlf': b'x\r\nX-Injected: yes',
    'lf': b'x\nX-Injected: yes',
    'cr': b'x\rX-Injected: yes',
    'nul': b'x\0X-Injected: yes',
    'escape': b'\x1b]0;owned\x07\x1b[31m\x1b[2J',
    'delete': b'x\x7f\x08\x08\x08y',
    'c1 in UTF-8': '\x9b31m\x85event=accepted'.encode(),
    'raw c1': b'\x9b31m\x85event=accepted',
    'line separator': 'x\u2028X-Injected: yes\u2029'.encode(),
    'text that turns round': 'x\u202egro.elpmaxe\u2066@'.encode(),
    'formats': b'%s%s%n%x%99999999d%1$s%',
    'log': b'x" event=delivered id=1000000 to=<victim@example.org> reply="',
    'backslash': b'x\\',
    'latin-1': b'\xff\xfe\xe9',
    'HTML': b'<script>alert(1)</script>&quot;',
    'JSON': b'x", "state": "delivered", "y": "',
    'xtext': b'x+0D+0AX-Injected:+20yes+00+1B',
    'UTF-8 xtext': b'x\\x{0D}\\x{0A}X-Injected:\\x{1B}\\x{9B}\\x{202E}',
    'long': b'A' * 900,
}
# from here on text is anything but controls, C1 among them, and what moves letters about
ODD = re.compile('[\0-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]')
LOG_LINE = re.compile(r'(id=[0-9A-Z]+ )?event=[a-z-]+( [a-z0-9-]+=("([^"\\]|\\x[0-9a-f]{2})*"|[^ "]*))*')

pytestmark = pytest.mark.user


class Raw:
    """A client that sends bytes, and looks at each line it gets."""

    def __init__(self, postern):
        self.sock = socket.create_connection(('127.0.0.1', postern.port), timeout=20)
        self.file = self.sock.makefile('rb')
        assert self.reply()[0] == 220

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.sock.close()

    def reply(self):
        """Its code and text; (0, '') at the end of the session."""
        texts = []
        while line := self.file.readline():
            assert line.endswith(b'\r\n') and len(line) <= 514, line
            text = line[:-2].decode()           # UTF-8, or there is something wrong
            assert not ODD.search(text) and '\n' not in text and '\t' not in text, line
            assert re.match(r'[2345]\d\d[ -]', text), line
            texts.append(text[4:])
            if text[3] == ' ':
                return int(text[:3]), '\n'.join(texts)
        return 0, ''

    def say(self, *lines):
        code = 0
        for line in lines:
            self.sock.sendall(line + b'\r\n')
            code = self.reply()[0]
        return code


@pytest.fixture
def relaying(make_postern, sink):
    postern = make_postern(config='limits = { errors = 1000; auth_failures = 1000; };')
    postern.add_upstream(sink)
    postern.user = postern.add_user('shop')
    return postern


def login(client, user):
    token = base64.b64encode(f'\0{user["login"]}\0{user["password"]}'.encode())
    assert client.say(b'EHLO me') == 250
    assert client.say(b'AUTH PLAIN ' + token) == 235


def check_log(postern):
    text = postern.log_path.read_bytes().decode()       # UTF-8 throughout
    for line in text.split('\n'):
        assert not ODD.search(line), line
        assert line == '' or LOG_LINE.fullmatch(line), line
        assert len(re.findall(r'(?:^| )event=', re.sub(r'"[^"]*"', '""', line))) == (line != '')


def check_strings(value):
    if isinstance(value, dict):
        value = list(value.items())
    if isinstance(value, (list, tuple)):
        for item in value:
            check_strings(item)
    elif isinstance(value, str):
        assert not ODD.search(value) and '\n' not in value, value


def check_posternctl(postern):
    ids = [message['id'] for message in postern.queued()]
    for command in (['queue', 'ls'], ['queue', 'show', *ids[:1]], ['queue', 'show', *ids[-1:]],
                    ['alert', 'ls'], ['user', 'show', 'shop'], ['status']):
        if command[-1] == 'show':
            continue
        plain = postern.run_ctl(*command)
        assert plain.returncode == 0, plain.stderr
        assert not ODD.search(plain.stdout), plain.stdout
        assert 'X-Injected' not in [line.split(':')[0] for line in plain.stdout.splitlines()]
        check_strings(postern.ctl(*command))


def check_wire(messages):
    for message in messages:
        fields = re.sub(rb'\r\n[ \t]', b' ', message.wire.partition(b'\r\n\r\n')[0]).split(b'\r\n')
        if message.sender != '':                # no notice of ours
            assert fields[0].startswith(b'Received: from ')
        assert not ODD.search(fields[0].decode('ascii')), fields[0]
        assert not [f for f in fields if f.lower().startswith(b'x-injected')], fields
        assert not set(message.wire.replace(b'\r\n', b'')) & set(b'\r\n\0')
        for line in [message.mail, *message.rcpts]:
            assert re.fullmatch(rb'[\x20-\x7e\x80-\xff]+', line), line
            assert not ODD.search(line.decode()), line


def test_fields_of_the_session(relaying, sink):
    """EHLO, login, verbs and unknown parameters: nothing leaves but replies and the log."""
    for name, attack in ATTACKS.items():
        with Raw(relaying) as client:
            for verb in (b'EHLO ', b'HELO ', b'NOOP ', b'VRFY ', b'HELP ', b'', b'STARTTLS ',
                         b'AUTH ', b'BDAT '):
                client.sock.sendall(verb + attack + b'\r\nNOOP\r\n')
                while (code := client.reply()[0]) not in (0, 250):
                    pass
                if code == 0:
                    break
    for attack in list(ATTACKS.values())[:4] + [ATTACKS['escape'], ATTACKS['formats'],
                                               ATTACKS['log']]:
        with Raw(relaying) as client:
            client.say(b'EHLO me')
            token = base64.b64encode(b'\0' + attack.replace(b'\0', b'') + b'\0x')
            assert client.say(b'AUTH PLAIN ' + token) >= 400
    assert sink.messages == []
    check_log(relaying)
    check_posternctl(relaying)


def deliver(client, helo, mail, rcpt, header):
    """True if the message was taken."""
    client.sock.sendall(b'EHLO ' + helo + b'\r\n')
    if client.reply()[0] != 250:
        client.sock.sendall(b'EHLO me\r\n')
        while client.reply()[0] != 250:
            pass
    if client.say(b'MAIL FROM:' + mail) != 250:
        return False
    if client.say(b'RCPT TO:' + rcpt) != 250:
        client.say(b'RSET')
        return False
    assert client.say(b'DATA') == 354
    return client.say(header + b'\r\n\r\nbody\r\n.') == 250


PLAIN = {'helo': b'me', 'mail': b'<a@example.com>', 'rcpt': b'<b@example.net>',
         'header': b'From: <a@example.com>\r\nSubject: x'}
FIELDS = {
    'helo': ('helo', b'%s'),
    'sender': ('mail', b'<"%s"@example.com>'),
    'bare sender': ('mail', b'<%s@example.com>'),
    'sender domain': ('mail', b'<a@%s>'),
    'parameter of MAIL': ('mail', b'<a@example.com> BODY=%s'),
    'envelope id': ('mail', b'<a@example.com> ENVID=%s'),
    'AUTH=': ('mail', b'<a@example.com> AUTH=%s'),
    'name of a parameter': ('mail', b'<a@example.com> %s=1'),
    'recipient': ('rcpt', b'<"%s"@example.net>'),
    'recipient domain': ('rcpt', b'<b@%s>'),
    'parameter of RCPT': ('rcpt', b'<b@example.net> ORCPT=rfc822;%s'),
    'original recipient': ('rcpt', b'<b@example.net> ORCPT=utf-8;%s'),
    'Subject': ('header', b'From: <a@example.com>\r\nSubject: %s'),
    'Message-ID': ('header', b'From: <a@example.com>\r\nMessage-ID: <%s@example.com>'),
    'From': ('header', b'From: "%s" <a@example.com>'),
    'From as an address': ('header', b'From: %s'),
    'Sender': ('header', b'From: <a@example.com>\r\nSender: "%s" <a@example.com>'),
    'X-Priority': ('header', b'From: <a@example.com>\r\nX-Priority: %s'),
    'Date': ('header', b'From: <a@example.com>\r\nDate: %s'),
    'Received': ('header', b'Received: from %s by x\r\nFrom: <a@example.com>'),
}


@pytest.fixture
def waiting(make_postern, make_upstream):
    """An upstream that refuses for now and repeats what it was told: messages stay in the queue."""
    postern = make_postern(config='limits = { errors = 1000; idle_commands = 10000; };'
                                  'queue = { retry = "1h"; };')
    postern.user = postern.add_user('shop')
    postern.host = make_upstream('')
    postern.add_upstream(postern.host)
    return postern


@pytest.mark.parametrize('kind', ['delivered', 'bounced', 'restricted'])
def test_fields_of_the_message(waiting, kind):
    """Bounced: what the notice repeats is held to the same."""
    is_restricted = kind == 'restricted'
    if kind == 'bounced':
        waiting.host.set_script('rcpt match=<b@: reply 550 5.1.1 unknown')
    if is_restricted:
        waiting.ctl('user', 'set', 'shop', '--domains', 'example.org')
    else:
        waiting.ctl('profile', 'pause', 'upstream')
    taken = 0
    with Raw(waiting) as client:
        login(client, waiting.user)
        for name, attack in ATTACKS.items():
            for field, (where, pattern) in FIELDS.items():
                values = {**PLAIN, where: pattern.replace(b'%s', attack)}
                if name == 'crlf' and where == 'header':
                    continue            # that is how a header field is written
                if b'\n' in values['helo'] or b'\n' in values['mail'] or b'\n' in values['rcpt']:
                    continue            # lines of their own: see below
                taken += deliver(client, **values)
    if is_restricted:
        assert taken == 0
        assert waiting.ctl('alert', 'ls') != []
    else:
        assert taken > 100
        assert len(waiting.queued('--limit', '1000')) == taken
    check_log(waiting)
    check_posternctl(waiting)
    if not is_restricted:
        waiting.ctl('profile', 'resume', 'upstream')
        waiting.wait_until_queue_is(0)
        assert (kind == 'bounced') == ('' in [m.sender for m in waiting.host.messages])
        check_wire(waiting.host.messages)
        check_log(waiting)


@pytest.mark.parametrize('line_end', [b'\n', b'\r', b'\r\n'])
def test_line_ends_in_commands(relaying, sink, line_end):
    """A bare CR or LF ends the session or is refused; behind CRLF stands another command."""
    for field, (where, pattern) in FIELDS.items():
        if where == 'header':
            continue
        with Raw(relaying) as client:
            login(client, relaying.user)
            value = pattern.replace(b'%s', b'x' + line_end + b'X-Injected: yes')
            client.sock.sendall({'helo': b'EHLO ', 'mail': b'MAIL FROM:',
                                 'rcpt': b'MAIL FROM:<a@example.com>\r\nRCPT TO:'}[where] + value +
                                b'\r\nRCPT TO:<b@example.net>\r\nDATA\r\nQUIT\r\n')
            client.sock.shutdown(socket.SHUT_WR)
            while client.reply()[0]:
                pass
    assert sink.messages == [] and relaying.queued() == []
    check_log(relaying)
