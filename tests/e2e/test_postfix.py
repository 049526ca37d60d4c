"""Upstream is Postfix with Dovecot's SASL: each way of TLS and AUTH, and what goes wrong with them."""
import socket
import uuid

import pytest

from postfix import PASSWORD, USER, access_token
from posternd import free_ports, wait_until
from testca import TestCa

SENDER = 'shop@example.com'
pytestmark = pytest.mark.root


class Upstream:
    """A posternd with Postfix as its default profile."""

    def __init__(self, postern, postfix):
        self.postern, self.postfix = postern, postfix
        self.user = postern.add_user()

    def add(self, service, *options, host='localhost', password=PASSWORD, user=USER):
        login = ('--username', user, '--password-stdin') if password else ()
        self.postern.ctl('profile', 'add', 'office', '--host', host, '--port',
                         self.postfix.ports[service], '--default', *login, *options,
                         stdin=f'{password}\n' if password else '')

    def trusting(self, service, *options, **settings):
        self.add(service, '--ca', self.postfix.ca.path, *options, **settings)

    def set(self, *options, stdin=''):
        self.postern.ctl('profile', 'set', 'office', *options, stdin=stdin)

    def profile(self):
        return self.postern.ctl('profile', 'show', 'office')

    def send(self, *recipients, sender=SENDER, subject='order 42', body='hello'):
        recipients = recipients or (f'{uuid.uuid4().hex}@example.net',)
        with self.postern.client(self.user) as client:
            client.sendmail(sender, recipients,
                            f'From: <{SENDER}>\r\nSubject: {subject}\r\n\r\n{body}\r\n'.encode())
        return recipients[0]

    def arrives(self, recipient):
        message = self.postfix.mail_for(recipient)[0]
        self.postern.wait_for_log('event=delivered', f'to=<{recipient}>', 'profile=office')
        self.postern.wait_until_queue_is(0)
        assert len(self.postfix.all_mail_for(recipient)) == 1
        return message

    def waits(self, state, *words):
        """Sends one message: it waits, nobody hears of it, and the profile says why."""
        recipient = self.send()
        wait_until(lambda: self.profile()['state'] == state, f'the profile is {state}')
        error = self.profile()['last_error']
        for word in words:
            assert word in error, error
        assert [message['recipients'][0]['to'] for message in self.postern.queued()] == [recipient]
        assert not self.postern.log_lines('event=bounced')
        assert self.postfix.all_mail_for(recipient) == []
        return recipient


@pytest.fixture
def upstream(postern, postfix):
    return Upstream(postern, postfix)


# ---- it works ----

@pytest.mark.parametrize('auth', ['plain', 'login', 'cram-md5', 'scram-sha-1',
                                  'scram-sha-256', 'auto'])
@pytest.mark.parametrize('service, tls', [
    ('plain', 'none'), ('starttls', 'starttls'), ('starttls', 'opportunistic'),
    ('implicit', 'implicit')])
def test_tls_and_auth(upstream, service, tls, auth):
    upstream.trusting(service, '--tls', tls, '--auth', auth)
    recipient = upstream.send()
    message = upstream.arrives(recipient)
    assert f'\nX-Original-To: {recipient}\n'.encode() in message
    assert message.startswith(f'Return-Path: <{SENDER}>\n'.encode())
    line = upstream.postern.log_lines('event=delivered')[0]
    assert ('tls=TLSv1.3' in line) == (tls != 'none')
    assert 'code=250' in line


@pytest.mark.parametrize('service, tls', [
    ('open', 'none'), ('open', 'opportunistic'), ('encrypt', 'starttls')])
def test_no_login_where_none_is_asked_for(upstream, service, tls):
    upstream.trusting(service, '--tls', tls, password=None)
    upstream.arrives(upstream.send())


def test_upstream_without_extensions(upstream):
    upstream.add('dull', password=None)
    upstream.arrives(upstream.send(body='one\r\n.\r\nthree'))


def test_opportunistic_tls_is_used_where_it_is_offered(upstream):
    upstream.add('encrypt', '--tls', 'opportunistic', password=None)
    upstream.arrives(upstream.send())
    assert 'tls=TLSv1.3' in upstream.postern.log_lines('event=delivered')[0]


def test_address_instead_of_a_name(upstream):
    upstream.trusting('starttls', '--tls', 'starttls', host='127.0.0.1')
    upstream.arrives(upstream.send())


def test_profile_test_passes_and_sends(upstream):
    upstream.trusting('starttls', '--tls', 'starttls')
    recipient = f'{uuid.uuid4().hex}@example.net'
    result = upstream.postern.ctl('profile', 'test', 'office', '--to', recipient)
    assert result['ok'] is True
    assert {step['step'] for step in result['steps']} >= {
        'name', 'connect', 'greeting', 'ehlo', 'tls', 'auth', 'mail'}
    upstream.postfix.mail_for(recipient)


# ---- tokens, and nobody ----

@pytest.mark.parametrize('auth', ['xoauth2', 'oauthbearer'])
def test_token(upstream, auth):
    """An access token in place of the password."""
    upstream.trusting('starttls', '--tls', 'starttls', '--auth', auth, password=access_token())
    upstream.arrives(upstream.send())


@pytest.mark.parametrize('auth', ['xoauth2', 'oauthbearer'])
@pytest.mark.parametrize('token', [access_token(lifetime_s=-300), access_token(key=b'another'), 'opaque'],
                         ids=['expired', 'forged', 'opaque'])
def test_token_that_is_refused(upstream, auth, token):
    upstream.trusting('starttls', '--tls', 'starttls', '--auth', auth, password=token)
    recipient = upstream.waits('stopped', '535 5.7.8', 'status=')
    assert token not in upstream.postern.log()
    upstream.set('--password-stdin', stdin=access_token() + '\n')
    upstream.arrives(recipient)


def test_anonymous(upstream):
    upstream.trusting('anonymous', '--tls', 'starttls', '--auth', 'anonymous', password=None)
    upstream.arrives(upstream.send())
    upstream.set('--username', 'shop@example.com')
    upstream.arrives(upstream.send())
    log = upstream.postfix.log()
    assert log.count('sasl_method=ANONYMOUS, sasl_username=anonymous') == 2


# ---- the login ----

@pytest.mark.parametrize('auth', ['plain', 'login', 'cram-md5', 'scram-sha-1',
                                  'scram-sha-256', 'auto'])
def test_wrong_password_waits_until_the_right_one_is_set(upstream, auth):
    upstream.trusting('starttls', '--tls', 'starttls', '--auth', auth, password='wrong')
    recipient = upstream.waits('stopped', '535 5.7.8', 'password')
    assert upstream.postern.ctl('alert', 'ls')[0]['kind'] == 'profile-stopped'
    upstream.set('--password-stdin', stdin=PASSWORD + '\n')
    upstream.arrives(recipient)
    assert upstream.profile()['state'] == 'ok'
    assert upstream.postern.log_lines('event=profile-resumed')


def test_unknown_user(upstream):
    upstream.trusting('plain', '--tls', 'none', user='nobody@example.com')
    upstream.waits('stopped', '535', 'before the @')


def test_login_is_asked_for_and_none_is_set(upstream):
    upstream.add('plain', '--tls', 'none', password=None)
    with upstream.postern.client(upstream.user) as client:
        client.sendmail(SENDER, ['b@example.net'], b'From: <shop@example.com>\r\n\r\nhello\r\n')
    # Postfix says 554 5.7.1 to a recipient: that is the message's problem, as it is worded.
    upstream.postern.wait_for_log('event=bounced', 'code=554')


def test_password_is_not_sent_in_clear(upstream):
    """The port offers AUTH only behind STARTTLS, and the profile has TLS off."""
    upstream.add('starttls', '--tls', 'none')
    upstream.waits('stopped', 'does not offer AUTH without STARTTLS', 'profile set office --tls starttls')


# ---- TLS ----

@pytest.mark.parametrize('service, words', [
    ('starttls', ['certificate', 'ca']),            # its CA is not among the system's
    ('expired', ['certificate', 'expired on 2020-02-01']),
    ('notyet', ['certificate', 'not valid before 2045-01-01']),
    ('elsewhere', ['certificate', 'host']),
    ('selfsigned', ['certificate', 'self-signed'])])
def test_certificate_that_is_not_accepted(upstream, service, words):
    ca = () if service == 'starttls' else ('--ca', upstream.postfix.ca.path)
    upstream.add(service, '--tls', 'starttls', *ca)
    recipient = upstream.waits('limited', 'tls', *words)
    upstream.set('--tls-verify', 'no')
    upstream.arrives(recipient)


# ---- versions of TLS, and certificates of our own ----

@pytest.mark.parametrize('service, version, name', [
    ('tls10', '1.0', 'TLSv1'), ('tls11', '1.1', 'TLSv1.1'), ('tls12', '1.2', 'TLSv1.2')])
def test_server_that_has_one_version(upstream, service, version, name):
    """Old ones only to whom allows it."""
    upstream.trusting(service, '--tls', 'starttls', '--tls-min', '1.3')
    recipient = upstream.waits('limited', 'tls', 'TLS failed')
    upstream.set('--tls-min', '', '--tls-max', version)
    upstream.arrives(recipient)
    assert f'tls={name} ' in upstream.postern.log_lines('event=delivered')[0]


def test_client_certificate(upstream, tmp_path):
    other = TestCa(tmp_path / 'other').issue('office', names=['office.example'])
    own = upstream.postfix.ca.issue('office', names=['office.example'])
    upstream.trusting('certificate', '--tls', 'starttls', password=None)
    recipient = upstream.waits('limited', 'No client certificate presented', 'client-certificate')
    upstream.set('--client-certificate', other.certificate, '--client-key', other.key)
    wait_until(lambda: 'not trusted' in upstream.profile()['last_error'], 'it is not accepted')
    upstream.set('--client-certificate', own.certificate, '--client-key', own.key)
    upstream.arrives(recipient)
    shown = upstream.profile()
    assert shown['has_client_key'] is True and 'client_key' not in shown
    assert own.key.read_text().splitlines()[1] not in upstream.postern.log()


def test_ca_of_somebody_else(upstream, tmp_path):
    upstream.add('implicit', '--tls', 'implicit', '--ca', TestCa(tmp_path / 'other').path)
    recipient = upstream.waits('limited', 'certificate')
    upstream.set('--ca', upstream.postfix.ca.path)
    upstream.arrives(recipient)


@pytest.mark.parametrize('service', ['starttls', 'expired', 'selfsigned', 'elsewhere'])
def test_pinned_fingerprint(upstream, service):
    pinned = upstream.postfix.certificate_of(service).fingerprint
    upstream.add(service, '--tls', 'starttls', '--tls-verify', pinned)
    upstream.arrives(upstream.send())


def test_pinned_fingerprint_of_another_certificate(upstream):
    other = upstream.postfix.certificate_of('selfsigned').fingerprint
    upstream.trusting('starttls', '--tls', 'starttls', '--tls-verify', other)
    recipient = upstream.waits('limited', 'tls', 'fingerprint')
    upstream.set('--tls-verify', upstream.postfix.certificate_of('starttls').fingerprint)
    upstream.arrives(recipient)


def test_implicit_tls_on_a_starttls_port(upstream):
    upstream.trusting('starttls', '--tls', 'implicit')
    recipient = upstream.waits('limited', 'answers in clear', 'set tls to starttls')
    upstream.set('--tls', 'starttls')
    upstream.arrives(recipient)


def test_starttls_on_an_implicit_tls_port(upstream):
    upstream.trusting('implicit', '--tls', 'starttls', '--timeout', '2s')
    recipient = upstream.waits('limited', 'set tls to implicit')
    upstream.set('--tls', 'implicit')
    upstream.arrives(recipient)


def test_starttls_where_none_is_offered(upstream):
    upstream.add('open', '--tls', 'starttls', password=None)
    recipient = upstream.waits('limited', 'no encryption')
    upstream.set('--tls', 'none')
    upstream.arrives(recipient)


def test_tls_is_wanted_and_switched_off(upstream):
    upstream.add('encrypt', '--tls', 'none', password=None)
    recipient = upstream.waits('stopped', '530', 'starttls')
    upstream.set('--tls', 'starttls', '--ca', upstream.postfix.ca.path)
    upstream.arrives(recipient)


# ---- being away ----

def test_upstream_away_and_back(upstream, make_upstream):
    port = free_ports(1)[0]
    upstream.postern.ctl('profile', 'add', 'office', '--host', '127.0.0.1', '--port', port,
                         '--default')
    upstream.waits('limited', 'connect', 'refused')
    assert upstream.profile()['rate_limited_until']
    host = make_upstream(port=port)
    upstream.postern.ctl('profile', 'resume', 'office')
    host.wait_for(1)
    upstream.postern.wait_until_queue_is(0)
    assert upstream.profile()['state'] == 'ok'


def test_upstream_comes_back_by_itself(upstream, make_upstream):
    """Without an operator: the relay looks again after its pause."""
    port = free_ports(1)[0]
    upstream.postern.ctl('profile', 'add', 'office', '--host', '127.0.0.1', '--port', port,
                         '--default')
    upstream.waits('limited', 'refused')
    make_upstream(port=port).wait_for(1, within_s=40)
    upstream.postern.wait_until_queue_is(0)


def test_host_name_that_does_not_exist(upstream):
    upstream.postern.ctl('profile', 'add', 'office', '--host', 'nowhere.invalid', '--default',
                         '--timeout', '3s')
    upstream.waits('limited', 'name', 'nowhere.invalid')


def test_address_that_answers_nobody(upstream):
    """A listener whose queue of connections is full: connects hang, as behind a firewall."""
    with socket.socket() as full:
        full.bind(('127.0.0.1', 0))
        full.listen(0)
        held = []
        for _ in range(3):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(full.getsockname())
            held.append(client)
        upstream.postern.ctl('profile', 'add', 'office', '--host', '127.0.0.1', '--port',
                             full.getsockname()[1], '--default', '--timeout', '2s')
        upstream.waits('limited', 'connect')
        for client in held:
            client.close()


# ---- recipients ----

def test_refused_recipient_of_several(upstream):
    upstream.add('open', password=None)
    good = [f'{uuid.uuid4().hex}@example.net' for _ in range(2)]
    refused = f'refused-{uuid.uuid4().hex}@example.net'
    sender = f'{uuid.uuid4().hex}@example.com'
    upstream.send(good[0], refused, good[1], sender=sender)
    for recipient in good:
        upstream.postfix.mail_for(recipient)
    notices = upstream.postfix.mail_for(sender)
    upstream.postern.wait_until_queue_is(0)
    assert len(notices) == len(upstream.postfix.all_mail_for(sender)) == 1
    assert notices[0].startswith(b'Return-Path: <>\n')
    assert refused.encode() in notices[0] and good[0].encode() not in notices[0]
    upstream.postern.wait_for_log('event=bounced', f'to=<{refused}>', 'code=550', 'enhanced=5.1.1')


def test_recipient_refused_for_now(upstream):
    upstream.add('open', password=None)
    good, later = f'{uuid.uuid4().hex}@example.net', f'later-{uuid.uuid4().hex}@example.net'
    upstream.send(good, later)
    upstream.postfix.mail_for(good)
    upstream.postern.wait_for_log('event=deferred', f'to=<{later}>', 'code=450')
    states = {recipient['to']: recipient['state']
              for recipient in upstream.postern.queued()[0]['recipients']}
    assert states == {good: 'delivered', later: 'deferred'}
    upstream.postern.ctl('queue', 'retry', '--all')
    upstream.postern.wait_for_log('event=deferred', f'to=<{later}>', count=2)
    assert len(upstream.postfix.all_mail_for(good)) == 1


def test_message_too_big_for_the_upstream(upstream):
    upstream.add('small', password=None)
    sender, recipient = f'{uuid.uuid4().hex}@example.com', f'{uuid.uuid4().hex}@example.net'
    upstream.send(recipient, sender=sender, body='x' * 70 + '\r\n' + ('y' * 70 + '\r\n') * 400)
    upstream.postern.wait_for_log('event=bounced', f'to=<{recipient}>', 'code=552', '20000')
    assert b'20000' in upstream.postfix.mail_for(sender)[0]
