"""Real servers as upstreams: each way of TLS and AUTH that Postfix, Dovecot, Exim and OpenSMTPD offer."""
import itertools
import json
import uuid

import pytest

import dovecot
import exim
import opensmtpd
import postfix as postfix_server
from posternd import Posternd, wait_until
from testca import TestCa

SENDER = 'shop@example.com'
NUMBERS = itertools.count()
PLAIN, CHALLENGE = ('plain', 'login'), ('cram-md5', 'scram-sha-1', 'scram-sha-256')
BAD = {'expired': 'expired', 'notyet': 'not valid before', 'elsewhere': '--host mail.elsewhere.example)', 'selfsigned': 'self-signed'}
# What the servers log of a login that they refuse.
REFUSED = ('authentication failed', 'authenticator failed', 'auth failed')
pytestmark = pytest.mark.root


@pytest.fixture(scope='module')
def servers():
    """name → a server, started when it is asked for the first time."""
    class Servers(dict):
        def __missing__(self, name):
            module = {'postfix': postfix_server, 'dovecot': dovecot, 'exim': exim, 'opensmtpd': opensmtpd}[name]
            if reason := module.why_not():
                pytest.skip(reason)
            make = {'postfix': postfix_server.Postfix, 'dovecot': dovecot.Dovecot, 'opensmtpd': opensmtpd.OpenSmtpd,
                    'exim': lambda: exim.Exim(self['dovecot'])}[name]
            self[name] = make().__enter__()
            return self[name]
    made = Servers()
    yield made
    for server in made.values():
        server.__exit__(None, None, None)


@pytest.fixture(scope='module')
def postern(tmp_path_factory):
    """One for all tests: each adds a profile of its own."""
    with Posternd(tmp_path_factory.mktemp('servers')) as one:
        one.user = one.add_user()
        yield one


class Way:
    """A profile, the default one, that sends through one port of a server."""

    def __init__(self, postern, server):
        self.postern, self.server = postern, server
        self.name = f'office{next(NUMBERS)}'
        self.logins = len(server.logins())
        self.failed = self.failed_logins()

    def add(self, service, *options, host='localhost', user=None, password=None, ca=None, login=True):
        named = ('--username', user or self.server.user, '--password-stdin') if login else ()
        self.postern.ctl('profile', 'add', self.name, '--host', host, '--port', self.server.ports[service],
                         '--default', '--ca', ca or self.server.ca.path, *named, *options,
                         stdin=f'{password or self.server.password}\n' if login else '')
        return self

    def set(self, *options, stdin=''):
        return self.postern.ctl('profile', 'set', self.name, *options, stdin=stdin)

    def profile(self):
        return self.postern.ctl('profile', 'show', self.name)

    def test(self):
        """What `profile test` says."""
        return json.loads(self.postern.run_ctl('-j', 'profile', 'test', self.name).stdout)

    def send(self, recipient=None):
        recipient = recipient or f'{uuid.uuid4().hex}@example.net'
        with self.postern.client(self.postern.user) as client:
            client.sendmail(SENDER, [recipient], f'From: <{SENDER}>\r\nSubject: order 42\r\n\r\nhello\r\n'.encode())
        return recipient

    def arrives(self, recipient):
        """The message is there, once; the line of the log that says so."""
        assert b'Subject: order 42' in self.server.mail_for(recipient)[0]
        line = self.postern.wait_for_log('event=delivered', f'to=<{recipient}>', f'profile={self.name}')[0]
        self.postern.wait_until_queue_is(0)
        assert len(self.server.all_mail_for(recipient)) == 1
        return line

    def new_logins(self):
        return self.server.logins()[self.logins:]

    def waits(self, *words, state='limited'):
        """One message waits, nobody hears of it, and the profile and its test say why."""
        recipient = self.send()
        shown = wait_until(lambda: (profile := self.profile())['state'] == state and profile, f'it is {state}')
        for word in words:
            assert word in shown['last_error'], shown['last_error']
        assert [message['recipients'][0]['to'] for message in self.postern.queued()] == [recipient]
        assert not self.postern.log_lines('event=bounced')
        assert self.server.all_mail_for(recipient) == [] and self.new_logins() == []
        return recipient

    def test_says(self, *words):
        result = self.test()
        assert result['ok'] is False
        for word in words:
            assert word in json.dumps(result), result

    def do_as_advised(self, *options):
        """Runs the command that `profile test` and the profile's last error name, to the letter."""
        command = f'posternctl profile set {self.name} {" ".join(options)}'
        wait_until(lambda: self.profile()['last_error'], 'it has tried')
        for said in (self.test()['diagnosis'], self.profile()['last_error']):
            assert command in said, said
        self.set(*options)

    def failed_logins(self):
        return sum(map(self.server.log().count, REFUSED))

    def was_told_nothing(self):
        """No login came to the server, neither a good one nor a bad one."""
        assert self.new_logins() == [] and self.failed_logins() == self.failed, self.server.log()


@pytest.fixture
def make_way(postern, servers):
    made = []

    def make(server):
        made.append(Way(postern, servers[server]))
        return made[-1]
    yield make
    for way in made:
        if postern.queued():
            postern.ctl('queue', 'rm', '--all')


# ---- each TLS × AUTH ----

def pairs():
    def of(server, ways, methods, versions=('1.2', '1.3')):
        for (service, tls), auth in itertools.product(ways, methods):
            for version in versions if tls != 'none' else (None,):
                yield pytest.param(server, service, tls, auth, version,
                                   id='-'.join(filter(None, (server, service, tls, auth, version))))
    encrypted = [('starttls', 'starttls'), ('starttls', 'opportunistic'), ('implicit', 'implicit')]
    # test_postfix.py has Postfix's with the newest TLS
    yield from of('postfix', encrypted[::2], (*PLAIN, *CHALLENGE, 'auto'), ('1.2',))
    yield from of('dovecot', [('clear', 'none')], (*PLAIN, *CHALLENGE, 'auto'))
    yield from of('dovecot', encrypted[::2], (*PLAIN, *CHALLENGE, 'auto'), ('1.3',))
    yield from of('dovecot', encrypted[::2], ('auto',), ('1.2',))
    yield from of('exim', [('clear', 'none')], (*PLAIN, *CHALLENGE, 'ntlm-v1'))
    yield from of('exim', encrypted[::2], (*PLAIN, *CHALLENGE, 'ntlm-v1'), ('1.3',))
    yield from of('exim', encrypted, ('cram-md5', 'plain'), ('1.2',))


@pytest.mark.parametrize('server, service, tls, auth, version', pairs())
def test_pair(make_way, server, service, tls, auth, version):
    way = make_way(server)
    # Exim asks Dovecot about SCRAM, and so it is Dovecot's user
    user = dovecot.USER if auth.startswith('scram') else None
    way.add(service, '--tls', tls, '--auth', auth, *(('--tls-max', version) if version else ()), user=user)
    line = way.arrives(way.send())
    assert f'tls=TLSv{version}' in line if version else 'tls=TLS' not in line
    used = {'auto': 'SCRAM-SHA-256', 'ntlm-v1': 'NTLM'}.get(auth, auth.upper())
    assert way.new_logins() == [(used, user or way.server.user)]


@pytest.mark.parametrize('server', ['dovecot', 'postfix'])
def test_profile_test_names_what_was_used(make_way, server):
    way = make_way(server).add('starttls', '--tls', 'starttls')
    result = way.test()
    assert result['ok'] is True and result['method'] == 'SCRAM-SHA-256' and result['tls'] == 'TLSv1.3'


def test_auto_at_a_server_with_two_kinds_of_users(make_way):
    """Exim announces SCRAM, and this user is known to its PLAIN only: two methods, and the second is kept."""
    way = make_way('exim').add('starttls', '--tls', 'starttls')
    way.arrives(way.send())
    assert [method for method, _ in way.new_logins()] == ['LOGIN']
    assert way.profile()['auth_worked'] == 'login'
    way.postern.restart()
    way.arrives(way.send())
    assert [method for method, _ in way.new_logins()] == ['LOGIN', 'LOGIN']


# ---- chunks ----

# Nothing that a server may take for the end, or change. The last line has no end: it gets one.
PARTS = {'lines': b''.join(b'.' * (n % 5) + b'line %d\r\n' % n for n in range(400)) + b'.\r\n..\r\nQUIT\r\n.',
         '8-bit': bytes(range(0x80, 0x100)) + b'\r\n\xff\r\n',
         'large': b''.join(b'.%d ' % n + b'x' * (n % 700) + b'\r\n' for n in range(12_000))}


def send_chunk(postern, recipients, body):
    """As a client that sends chunks has it, which need not end a last line."""
    text = f'From: <{SENDER}>\r\nMessage-ID: <{uuid.uuid4().hex}@example.com>\r\nSubject: order 42\r\n\r\n'.encode() + body
    with postern.client(postern.user) as client:
        client.ehlo()
        client.mail(SENDER, ['BODY=8BITMIME'])
        for recipient in recipients:
            assert client.rcpt(recipient)[0] == 250
        client.sock.sendall(b'BDAT %d LAST\r\n' % len(text) + text)
        code, words = client.getreply()
        assert code == 250, words


def transcript(postern, recipient):
    wait_until(lambda: any(story['attempts'] for story in postern.ctl('track', '--to', recipient)), 'an attempt')
    return postern.ctl('track', '--to', recipient, '--transcript')[-1]['attempts'][0]['transcript']


@pytest.mark.parametrize('part', PARTS)
@pytest.mark.parametrize('server, service, login', [('postfix', 'open', False), ('postfix', 'starttls', True),
                                                    ('exim', 'starttls', True)])
def test_chunks(make_way, server, service, login, part):
    """Small ones with their envelope; to the octet."""
    way = make_way(server)
    way.add(service, '--tls', 'starttls' if login else 'opportunistic', '--transcript', 'always', login=login)
    for _ in range(2):      # which see that chunks are taken, and connections kept
        way.arrives(way.send())
    recipient = f'{uuid.uuid4().hex}@example.net'
    send_chunk(way.postern, [recipient], PARTS[part])
    way.arrives(recipient)
    got = way.server.all_mail_for(recipient)[0].partition(b'\n\n')[2]
    assert got.rstrip(b'\n') == PARTS[part].replace(b'\r\n', b'\n').rstrip(b'\n')
    said = transcript(way.postern, recipient)
    assert ' LAST\n' in said and 'C: DATA\n' not in said
    # the replies to a group come behind all of it
    assert part == 'large' or said.index('C: BDAT') < said.index('S: 250', said.index('C: MAIL'))


# ---- in clear ----

@pytest.mark.parametrize('server', ['exim'])
@pytest.mark.parametrize('auth', [*PLAIN, *CHALLENGE])
def test_no_login_in_clear_unless_it_is_allowed(make_way, server, auth):
    """Opportunistic TLS with a server that offers AUTH and no STARTTLS."""
    way = make_way(server)
    user = dovecot.USER if auth.startswith('scram') else None
    way.add('clear', '--tls', 'opportunistic', '--auth', auth, user=user)
    recipient = way.waits('not sent in clear', 'auth-in-clear')
    way.test_says('not sent in clear')
    way.was_told_nothing()
    way.set('--auth-in-clear', 'yes')
    assert 'tls=TLS' not in way.arrives(recipient)
    assert [method for method, _ in way.new_logins()] == [auth.upper()]


# ---- versions ----

@pytest.mark.parametrize('version', ['1.0', '1.1', '1.2', '1.3'])
@pytest.mark.parametrize('server', ['exim', 'postfix'])
def test_server_with_one_version(make_way, server, version):
    way = make_way(server)
    old = ('--tls-min', version) if version < '1.2' else ()
    way.add(f'tls{version.replace(".", "")}', '--tls', 'starttls', '--auth', 'plain', *old)
    line = way.arrives(way.send())
    assert f'tls=TLSv{version.removesuffix(".0")} ' in line + ' '


@pytest.mark.parametrize('server', ['exim', 'postfix'])
@pytest.mark.parametrize('service, options', [
    ('tls11', ()), ('tls10', ('--tls-min', '1.1')), ('tls12', ('--tls-min', '1.3')),
    ('tls13', ('--tls-max', '1.2'))])
def test_server_without_a_version_that_is_allowed(make_way, server, service, options):
    way = make_way(server).add(service, '--tls', 'starttls', '--auth', 'plain', *options)
    way.waits('--tls-min', '--tls-max')
    way.test_says('--tls-min', '--tls-max')
    way.was_told_nothing()


# ---- certificates ----

@pytest.mark.parametrize('server', ['exim', 'postfix'])
@pytest.mark.parametrize('service', BAD)
def test_certificate_that_is_not_accepted(make_way, server, service):
    way = make_way(server).add(service, '--tls', 'starttls')
    recipient = way.waits('certificate', BAD[service])
    way.test_says('certificate', BAD[service])
    way.was_told_nothing()
    # its fingerprint, which the operator has looked at, makes it good: the advice has the command
    way.set('--auth', 'plain')
    way.do_as_advised('--tls-verify', way.server.certificate_of(service).fingerprint)
    way.arrives(recipient)


@pytest.mark.parametrize('server, service, tls', [
    ('dovecot', 'starttls', 'starttls'), ('exim', 'implicit', 'implicit'), ('postfix', 'implicit', 'implicit')])
def test_ca_of_somebody_else(make_way, tmp_path, server, service, tls):
    way = make_way(server).add(service, '--tls', tls, '--auth', 'plain', ca=TestCa(tmp_path / 'other').path)
    recipient = way.waits('certificate comes from an unknown CA, test CA', '--ca FILE')
    way.test_says('certificate', way.server.certificate_of('good').fingerprint)
    way.was_told_nothing()
    way.set('--ca', way.server.ca.path)
    way.arrives(recipient)


@pytest.mark.parametrize('server, service, tls', [
    ('dovecot', 'implicit', 'implicit'), ('exim', 'starttls', 'starttls'), ('postfix', 'starttls', 'starttls')])
def test_fingerprint_of_another_certificate(make_way, server, service, tls):
    way = make_way(server).add(service, '--tls', tls, '--auth', 'plain', '--tls-verify', 'ab' * 32)
    recipient = way.waits('another fingerprint')
    way.test_says('another fingerprint')
    way.was_told_nothing()
    way.do_as_advised('--tls-verify', way.server.certificate_of('good').fingerprint)
    way.arrives(recipient)


# ---- the wrong way of TLS ----

@pytest.mark.parametrize('server', ['dovecot', 'exim', 'postfix'])
@pytest.mark.parametrize('service, wrong, right, words', [
    ('starttls', 'implicit', 'starttls', ['answers in clear', 'set tls to starttls']),
    ('implicit', 'starttls', 'implicit', ['set tls to implicit'])])
def test_wrong_way_of_tls(make_way, server, service, wrong, right, words):
    way = make_way(server).add(service, '--tls', wrong, '--auth', 'plain', '--timeout', '2s')
    recipient = way.waits(*words)
    way.test_says(*words)
    way.was_told_nothing()
    way.set('--tls', right)
    way.arrives(recipient)


# ---- a wrong password ----

@pytest.mark.parametrize('auth', [*PLAIN, 'cram-md5', 'scram-sha-256', 'auto'])
@pytest.mark.parametrize('server', ['dovecot', 'exim'])
def test_wrong_password(make_way, server, auth):
    """At most two methods, and not again until an operator has changed it."""
    way = make_way(server)
    user = dovecot.USER if auth.startswith('scram') else None
    way.add('starttls', '--tls', 'starttls', '--auth', auth, user=user, password='wrong')
    recipient = way.waits('535', 'password', state='stopped')
    way.postern.ctl('queue', 'retry', '--all')
    assert way.postern.run_ctl('-j', 'profile', 'show', way.name).returncode == 0
    assert way.profile()['state'] == 'stopped' and way.failed_logins() <= way.failed + 2
    way.set('--password-stdin', stdin=way.server.password + '\n')
    way.arrives(recipient)
    assert way.profile()['state'] == 'ok' and len(way.new_logins()) == 1


# ---- OpenSMTPD ----

@pytest.mark.parametrize('service, tls', [('open', 'none'), ('open', 'opportunistic'), ('starttls', 'opportunistic')])
def test_opensmtpd(make_way, service, tls):
    """Its STARTTLS fails in every handshake: opportunistic goes on in clear."""
    way = make_way('opensmtpd').add(service, '--tls', tls, login=False)
    assert 'tls=TLS' not in way.arrives(way.send())


@pytest.mark.parametrize('service', ['starttls', 'implicit'])
def test_server_whose_handshakes_all_fail(make_way, service):
    way = make_way('opensmtpd').add(service, '--tls', service)
    way.waits('tls', 'the encryption failed')
    way.test_says('the encryption failed')


def test_opensmtpd_without_a_login_in_clear(make_way):
    """Credentials wait for the encryption that isn't to be had."""
    way = make_way('opensmtpd').add('starttls', '--tls', 'opportunistic')
    way.waits('tls')
