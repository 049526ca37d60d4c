"""Tokens that postern fetches by itself, at a Dovecot that checks each with the server they come from, or by its key."""
import contextlib
import time
import uuid

import pytest

import dovecot
from dovecot import USER, Dovecot
from postfix import TOKEN_KEY, access_token
from posternd import wait_until
from tokenserver import TokenServer

SENDER = 'shop@example.com'
METHODS = ['oauthbearer', 'xoauth2']
pytestmark = pytest.mark.root


@pytest.fixture(scope='module')
def servers():
    """The token server, and two Dovecots: one asks it (RFC 7662), one has the key of its tokens (RFC 7519)."""
    if dovecot.why_not():
        pytest.skip(dovecot.why_not())
    with contextlib.ExitStack() as stack:
        tokens = stack.enter_context(TokenServer(mailbox=USER, make_token=access_token))
        asking = stack.enter_context(Dovecot(oauth=f'introspection_mode = post\n'
                                                   f'introspection_url = {tokens.url("introspect")}\n'))
        knowing = stack.enter_context(Dovecot(token_key=TOKEN_KEY))
        yield tokens, {'asking': asking, 'knowing': knowing}


class Office:
    def __init__(self, postern, tokens, server):
        self.postern, self.tokens, self.server = postern, tokens, server
        self.user = postern.add_user()
        self.logins_before = len(server.logins())
        tokens.behave()
        tokens.mailbox, tokens.make_token = USER, access_token
        tokens.requests.clear()

    def add(self, auth):
        refresh_token = self.postern.directory / 'refresh'
        refresh_token.write_text(self.tokens.refresh_token + '\n')
        self.postern.ctl('profile', 'add', 'office', '--host', 'localhost', '--port', self.server.ports['starttls'],
                         '--tls', 'starttls', '--ca', self.server.ca.path, '--default', '--auth', auth, '--username', USER,
                         '--oauth-grant', 'refresh', '--oauth-token-url', self.tokens.url('token'), '--oauth-scope', 'mail',
                         '--oauth-client-id', self.tokens.client[0], '--oauth-refresh-token', refresh_token)

    def send(self):
        recipient = f'{uuid.uuid4().hex}@example.net'
        with self.postern.client(self.user) as client:
            client.sendmail(SENDER, [recipient], f'From: <{SENDER}>\r\nSubject: order\r\n\r\nhello\r\n'.encode())
        return recipient

    def arrives(self, recipient):
        self.server.mail_for(recipient)
        self.postern.wait_for_log('event=delivered', f'to=<{recipient}>')

    def profile(self):
        return self.postern.ctl('profile', 'show', 'office')

    def fetched(self):
        return len([path for path, _ in self.tokens.requests if path == '/token'])

    def logins(self):
        return self.server.logins()[self.logins_before:]

    def hang_up(self):
        self.postern.ctl('profile', 'set', 'office', '--comment', 'its connections are closed')


@pytest.fixture
def make_office(postern, servers):
    return lambda name: Office(postern, servers[0], servers[1][name])


@pytest.mark.parametrize('server', ['asking', 'knowing'])
@pytest.mark.parametrize('auth', METHODS)
def test_token_is_taken(make_office, server, auth):
    office = make_office(server)
    office.add(auth)
    for _ in range(2):
        office.arrives(office.send())
        office.hang_up()
    assert office.fetched() == 1
    assert set(office.logins()) == {(auth.upper(), USER)}
    assert office.postern.ctl('profile', 'test', 'office')['method'] == auth.upper()


@pytest.mark.parametrize('auth', METHODS)
def test_token_that_was_revoked_is_replaced_once(make_office, auth):
    office = make_office('asking')
    office.add(auth)
    office.arrives(office.send())
    office.tokens.revoke()
    office.hang_up()
    office.arrives(office.send())
    assert office.fetched() == 2
    assert not office.postern.log_lines('event=profile-stopped')
    assert not office.postern.log_lines('event=deferred')


def test_token_that_expires_early_is_replaced_once(make_office):
    """The token server promised an hour."""
    office = make_office('knowing')
    lifetimes, ends_at = iter([5]), time.time() + 6
    office.tokens.make_token = lambda user: access_token(user, lifetime_s=next(lifetimes, 600))
    office.add('oauthbearer')
    office.arrives(office.send())
    wait_until(lambda: time.time() > ends_at, 'the token has expired')
    office.hang_up()
    office.arrives(office.send())
    assert office.fetched() == 2
    assert not office.postern.log_lines('event=profile-stopped')


# What Dovecot has against a token, and what is wrong.
LASTING = {
    'other mailbox': ('asking', lambda tokens: setattr(tokens, 'mailbox', 'kate@example.com')),
    'other key': ('knowing', lambda tokens: setattr(
        tokens, 'make_token', lambda user: access_token(user, key=b'another'))),
    'expired': ('knowing', lambda tokens: setattr(
        tokens, 'make_token', lambda user: access_token(user, lifetime_s=-300))),
    'opaque': ('knowing', lambda tokens: setattr(tokens, 'make_token', lambda user: 'no-token-at-all'))}


def is_stopped(office, recipient):
    """And what the operator reads names what to look at."""
    wait_until(lambda: office.profile()['state'] == 'stopped', 'the profile is stopped')
    error = office.profile()['last_error']
    assert '535' in error and 'The token was just made' in error and 'username the mailbox' in error, error
    assert not office.postern.log_lines('event=bounced')
    assert office.server.all_mail_for(recipient) == []
    alerts = wait_until(lambda: office.postern.ctl('alert', 'ls'), 'an alert')
    assert [alert['kind'] for alert in alerts] == ['profile-stopped']
    return True


@pytest.mark.parametrize('what', LASTING)
@pytest.mark.parametrize('auth', METHODS)
def test_token_that_is_refused_from_the_first(make_office, what, auth):
    """It was just made, so another would be no better."""
    server, spoil = LASTING[what]
    office = make_office(server)
    spoil(office.tokens)
    office.add(auth)
    recipient = office.send()
    assert is_stopped(office, recipient) and office.fetched() == 1
    # What was missing is granted, and the operator says so.
    office.tokens.mailbox, office.tokens.make_token = USER, access_token
    office.postern.ctl('profile', 'resume', 'office')
    office.arrives(recipient)
    assert office.fetched() == 2


@pytest.mark.parametrize('auth', METHODS)
def test_token_that_is_refused_for_good(make_office, auth):
    """An old one is replaced, once; the new one is refused as well."""
    office = make_office('asking')
    office.add(auth)
    office.arrives(office.send())
    office.tokens.mailbox = 'kate@example.com'
    office.hang_up()
    recipient = office.send()
    assert is_stopped(office, recipient) and office.fetched() == 2
