"""Upstreams that misbehave: what becomes of the message, of the profile, and what the log says."""
import re

import pytest

from posternd import wait_until

SENDER, RECIPIENT = 'shop@example.com', 'b@example.net'
MESSAGE = b'From: <shop@example.com>\r\nSubject: x\r\n\r\nhello\r\n'
# more than the kernel takes from a sender whose peer doesn't read
BIG_MESSAGE = MESSAGE + (b'x' * 998 + b'\r\n') * 8000

pytestmark = pytest.mark.user


class Rude:
    def __init__(self, postern, make_upstream):
        self.postern, self.make_upstream = postern, make_upstream

    def says(self, script, *options, stdin='', **settings):
        """Adds the upstream and its profile, and sends one message there."""
        self.host = self.make_upstream(script, **settings)
        self.postern.add_upstream(self.host, 'upstream', '--timeout', '2s', *options, stdin=stdin)
        self.user = self.postern.add_user()
        return self

    def send(self, *recipients, sender=SENDER, message=MESSAGE):
        with self.postern.client(self.user) as client:
            client.sendmail(sender, recipients or [RECIPIENT], message)
        return self

    def profile(self):
        return self.postern.ctl('profile', 'show', 'upstream')

    def behaves_again(self, *, is_delivered_once=True):
        """From here on the upstream is a good one; the message gets there."""
        self.host.set_script('')
        self.postern.ctl('profile', 'resume', 'upstream')
        self.postern.ctl('queue', 'retry', '--all')
        self.postern.wait_until_queue_is(0)
        if is_delivered_once:
            assert len(self.host.messages) == 1, [m.recipients for m in self.host.messages]

    def profile_waits(self, state, *words):
        wait_until(lambda: self.profile()['state'] == state, f'the profile is {state}')
        error = self.profile()['last_error']
        for word in words:
            assert word in error, error
        wait_until(lambda: any('event=profile-stopped' in line or 'event=rate-limited' in line
                               for line in self.postern.matching('profile=upstream', words[0])),
                   f'the log says that it is {state}')
        waiting = self.postern.queued()
        assert [m['state'] for m in waiting] == ['ready'], waiting
        assert waiting[0]['recipients'][0]['attempts'] == 0
        assert not self.postern.log_lines('event=deferred')
        assert not self.postern.log_lines('event=bounced')

    def is_deferred(self, *parts):
        self.postern.wait_for_log('event=deferred', f'to=<{RECIPIENT}>', 'until=', *parts)
        self.postern.wait_until_queue_is(1, '--state', 'deferred')
        assert self.profile()['state'] == 'ok'
        assert not self.postern.log_lines('event=bounced')

    def is_bounced(self, *parts):
        """One notice comes back to the sender, and nothing else."""
        self.postern.wait_for_log('event=bounced', f'to=<{RECIPIENT}>', *parts)
        self.host.set_script('')
        self.host.wait_until(lambda: [m for m in self.host.messages if m.sender == ''],
                             what='a notice')
        self.postern.wait_until_queue_is(0)
        notices = [m for m in self.host.messages if m.sender == '']
        assert [m.recipients for m in notices] == [[SENDER]]
        assert self.profile()['state'] == 'ok'
        return notices[0]


@pytest.fixture
def rude(postern, make_upstream):
    return Rude(postern, make_upstream)


# ---- before MAIL it is the profile's problem ----

@pytest.mark.parametrize('script, words', [
    ('banner: reply 421 4.3.2 Too busy', ['greeting: 421 4.3.2 Too busy', 'turned']),
    ('banner: reply 554 5.7.1 Blocked by policy', ['greeting: 554 5.7.1 Blocked by policy']),
    ('banner: drop', ['greeting']),
    ('banner: reset', ['reset by peer']),
    ('banner: silent', ['greeting', 'no greeting']),
    ('banner: half 220 hello there', ['greeting']),
    ('banner: half-drop 220 hello there', ['greeting']),
    ('banner: raw SSH-2.0-OpenSSH_9\\r\\n', ['greeting: this is an SSH server', '--port 587']),
    ('banner: raw +OK POP3 ready\\r\\n', ['greeting: this is a POP3 server', 'another service']),
    ('banner: raw * OK IMAP4rev1\\r\\n', ['greeting: this is an IMAP server']),
    ('ehlo: silent', ['ehlo']),
    ('ehlo: drop', ['ehlo']),
    ('ehlo: reply 421 4.3.2 Later', ['ehlo: 421 4.3.2 Later']),
    ('ehlo: reply 451 4.3.0 No\nhelo: reply 451 4.3.0 No', ['ehlo: 451 4.3.0 No']),
    ('ehlo: reply 550 5.7.1 Bad name\nhelo: reply 550 5.7.1 Bad name',
     ['ehlo: 550 5.7.1 Bad name', 'look at ehlo']),
    ('ehlo: half 250 fakehost.example and more', ['ehlo']),
    ('ehlo: raw 250-one\\r\\n250-two\\n', ['ehlo']),
    ('ehlo: raw 250-one\\r\\n550 two\\r\\n', ['ehlo'])])
def test_before_mail(rude, script, words):
    rude.says(script).send().profile_waits('limited', *words)
    rude.behaves_again()


def test_upstream_without_ehlo_is_greeted_with_helo(rude):
    rude.says('ehlo: reply 502 5.5.1 What?').send()
    rude.host.wait_for(1)
    assert any(line.startswith(b'HELO ') for line in rude.host.connections[0].commands)
    rude.postern.wait_until_queue_is(0)


# ---- TLS and AUTH ----

@pytest.mark.parametrize('tls, script, words', [
    ('starttls', 'tls: drop', ['tls']),
    ('starttls', 'tls: garbage', ['tls']),
    ('starttls', 'tls: silent', ['tls']),
    ('implicit', 'tls: drop', ['tls']),
    ('implicit', 'tls: garbage', ['tls']),
    ('implicit', 'tls: silent', ['tls']),
    ('starttls', 'starttls: reply 454 4.7.0 TLS not available', ['454 4.7.0 TLS not available']),
    ('starttls', 'starttls: reply 554 5.7.1 No', ['554 5.7.1 No']),
    ('starttls', 'starttls: drop', ['starttls']),
    ('starttls', 'starttls: silent', ['starttls']),
    ('starttls', 'starttls: inject 250 extra\\r\\n', ['behind'])])
def test_tls_failure(rude, tls, script, words):
    rude.says(script, '--tls', tls, '--tls-verify', 'no', tls=tls).send()
    rude.profile_waits('limited', *words)
    assert rude.host.messages == []
    rude.behaves_again()


def test_opportunistic_tls_goes_on_in_clear_without_a_password(rude):
    rude.says('starttls: reply 454 4.7.0 TLS not available', '--tls', 'opportunistic',
              tls='starttls').send()
    rude.host.wait_for(1)
    assert rude.host.messages[0].connection.tls_version is None
    rude.postern.wait_until_queue_is(0)


LOGIN = ('--tls', 'none', '--username', 'user', '--password-stdin')


@pytest.mark.parametrize('script, state, words', [
    ('auth: reply 535 5.7.8 Wrong', 'stopped', ['auth: 535 5.7.8 Wrong', 'password']),
    ('auth: reply 454 4.7.0 Too many logins', 'limited', ['auth: 454 4.7.0 Too many logins']),
    ('auth: reply 421 4.7.0 Go away', 'limited', ['auth: 421 4.7.0 Go away']),
    ('auth: drop', 'limited', ['auth']),
    ('auth: silent', 'limited', ['auth']),
    ('auth: half 235 2.7.0 Welcome', 'limited', ['auth']),
    ('auth: raw 334 !!!\\r\\n', 'stopped', ['auth'])])
def test_auth_failure(rude, script, state, words):
    rude.says(script, *LOGIN, stdin='secret\n', auth=('PLAIN',)).send()
    rude.profile_waits(state, *words)
    assert 'secret' not in rude.postern.log()
    rude.behaves_again()


def test_login_that_takes_long_stands_with_tls_in_the_delays(rude):
    rude.says('auth: sleep 0.5', *LOGIN, stdin='secret\n', auth=('PLAIN',)).send()
    line = rude.postern.wait_for_log('event=delivered')[0]
    _, connect, tls_and_auth, _ = re.search(r'delays=([\d./]+)', line)[1].split('/')
    assert float(connect) < 0.5 <= float(tls_and_auth)


# ---- in the transaction it is the message's ----

@pytest.mark.parametrize('verb', ['mail', 'rcpt', 'data', 'dot'])
@pytest.mark.parametrize('pipelining', [True, False])
def test_4xx(rude, verb, pipelining):
    rude.says(f'{verb}: reply 451 4.3.0 Not now', extensions=['PIPELINING'] if pipelining else [])
    rude.send().is_deferred('code=451', 'enhanced=4.3.0', 'reply="Not now"')
    rude.behaves_again()


@pytest.mark.parametrize('verb', ['mail', 'rcpt', 'data', 'dot'])
@pytest.mark.parametrize('pipelining', [True, False])
def test_5xx(rude, verb, pipelining):
    rude.says(f'{verb} times=1: reply 554 5.7.1 Never ever',
              extensions=['PIPELINING'] if pipelining else [])
    notice = rude.send().is_bounced('code=554', 'enhanced=5.7.1', 'reply="Never ever"')
    assert b'Never ever' in notice.body and RECIPIENT.encode() in notice.body
    assert len(rude.host.messages) == 1


@pytest.mark.parametrize('verb', ['mail', 'rcpt', 'data', 'dot'])
def test_421_in_the_transaction(rude, verb):
    rude.says(f'{verb}: reply 421 4.3.2 Shutting down').send()
    rude.is_deferred('code=421')
    rude.behaves_again()


@pytest.mark.parametrize('verb', ['mail', 'rcpt', 'data', 'body'])
@pytest.mark.parametrize('action', ['drop', 'reset'])
def test_connection_lost_before_the_final_dot(rude, verb, action):
    message = BIG_MESSAGE if verb == 'body' else MESSAGE
    rude.says(f'{verb}: {action}').send(message=message).is_deferred()
    rude.behaves_again()


def test_refusal_in_the_middle_of_the_data(rude):
    """The upstream says no before the final dot, and hangs up: its words are not lost."""
    rude.says('body times=1: reply 554 5.7.1 Contains a virus\ndot times=1: drop')
    rude.send(message=BIG_MESSAGE)
    rude.postern.wait_for_log('Contains a virus')


@pytest.mark.parametrize('action', ['drop', 'reset', 'half-drop 250 2.0.0 Ok'])
def test_connection_lost_after_the_final_dot_is_uncertain(rude, action):
    rude.says(f'dot: {action}').send()
    rude.postern.wait_for_log('event=uncertain', f'to=<{RECIPIENT}>', 'until=')
    assert rude.postern.queued()[0]['state'] == 'uncertain'
    assert rude.postern.queued()[0]['recipients'][0]['state'] == 'uncertain'
    assert not rude.postern.log_lines('event=bounced')
    rude.behaves_again()


def test_taken_and_lost_is_tried_again(rude):
    """The upstream has it and didn't say so: a second copy is better than none."""
    rude.says('dot: accept-drop').send()
    rude.postern.wait_for_log('event=uncertain', f'to=<{RECIPIENT}>')
    rude.behaves_again(is_delivered_once=False)
    assert [m.recipients for m in rude.host.messages] == [[RECIPIENT]] * 2
    assert rude.postern.log_lines('event=delivered', f'to=<{RECIPIENT}>')


@pytest.mark.parametrize('verb', ['mail', 'rcpt', 'data', 'dot'])
def test_silence_until_the_timeout(rude, verb):
    rude.says(f'{verb}: silent', '--dot-timeout', '2s').send()
    # The times of RFC 5321 4.5.3.2 hold from MAIL to the body: minutes. An operator may end it.
    if verb == 'dot':
        rude.postern.wait_for_log('event=uncertain', 'until=')
    else:
        rude.postern.wait_until_queue_is(1, '--state', 'sending')
    assert not rude.postern.log_lines('event=bounced')


def test_reply_in_pieces(rude):
    rude.says('dot: raw 250 2.0').send()
    wait_until(lambda: rude.host.connections and rude.host.connections[0].messages
               and rude.host.connections[0].messages[0].is_complete, 'the final dot')
    for piece in '.0 Taken as ', '4711', '\r', '\n':
        assert len(rude.postern.queued('--state', 'sending')) == 1
        rude.host.connections[0].send(piece)
    rude.postern.wait_for_log('event=delivered', 'code=250', 'reply="Taken as 4711"')
    rude.postern.wait_until_queue_is(0)


# ---- recipients ----

@pytest.mark.parametrize('pipelining', [True, False])
def test_one_recipient_of_three_refused(rude, pipelining):
    rude.says('rcpt match=<b@: reply 550 5.1.1 No such user',
              extensions=['PIPELINING'] if pipelining else [])
    rude.send('a@example.net', RECIPIENT, 'c@example.net')
    notice = rude.is_bounced('code=550', 'enhanced=5.1.1', 'reply="No such user"')
    delivered = [m for m in rude.host.messages if m.sender == SENDER]
    assert [m.recipients for m in delivered] == [['a@example.net', 'c@example.net']]
    assert b'b@example.net' in notice.body
    assert b'Final-Recipient: rfc822; a@example.net' not in notice.body
    assert len(rude.postern.log_lines('event=delivered', 'to=<a@example.net>')) == 1
    assert len(rude.postern.log_lines('event=delivered', 'to=<c@example.net>')) == 1


def test_one_recipient_of_three_deferred(rude):
    rude.says('rcpt match=<b@: reply 450 4.2.0 Greylisted')
    rude.send('a@example.net', RECIPIENT, 'c@example.net')
    rude.is_deferred('code=450')
    rude.host.set_script('')
    rude.postern.ctl('queue', 'retry', '--all')
    rude.postern.wait_until_queue_is(0)
    assert [m.recipients for m in rude.host.messages] == [
        ['a@example.net', 'c@example.net'], [RECIPIENT]]


def test_too_many_recipients_for_one_transaction(rude):
    """452 and 552 to a recipient are about the number: the others go first (RFC 5321 4.5.3.1.10), and
    who was left goes at once, in a transaction of his own."""
    rude.says('rcpt match=<b@ times=1: reply 552 5.5.3 Too many recipients')
    rude.send('a@example.net', RECIPIENT)
    rude.postern.wait_until_queue_is(0)
    assert not rude.postern.log_lines('event=deferred')
    assert [m.recipients for m in rude.host.messages] == [['a@example.net'], [RECIPIENT]]


def test_all_recipients_refused(rude):
    rude.says('rcpt match=@example.net: reply 550 5.1.1 No such user')
    rude.send('a@example.net', RECIPIENT)
    notice = rude.is_bounced('code=550')
    assert notice.body.count(b'Final-Recipient:') == 2
    assert len(rude.host.messages) == 1


def test_354_although_every_recipient_was_refused(rude):
    """A pipelining server may say 354 all the same: then an empty message ends it (RFC 2920 3.1)."""
    rude.says('ehlo: sleep 0\nmail: sleep 0\nrcpt times=1: reply 550 5.1.1 No such user\n'
              'data times=1: reply 354 Go on\nany match=. times=1: reply 554 5.5.1 Empty')
    rude.send().is_bounced('code=550')


# ---- a connection that is kept ----

def test_kept_connection_that_was_closed_meanwhile_costs_nothing(rude):
    rude.says('mail connection=1 message=2: drop').send()
    rude.host.wait_for(1)
    rude.send('c@example.net')
    rude.host.wait_for(2)
    rude.postern.wait_until_queue_is(0)
    assert len(rude.host.connections) == 2
    assert not rude.postern.log_lines('event=deferred')


def test_421_on_a_kept_connection_costs_nothing(rude):
    rude.says('mail connection=1 message=2: reply 421 4.4.2 Idle too long').send()
    rude.host.wait_for(1)
    rude.send('c@example.net')
    rude.host.wait_for(2)
    rude.postern.wait_until_queue_is(0)
    assert not rude.postern.log_lines('event=deferred')


def test_refused_message_leaves_the_connection_to_the_next(rude):
    rude.says('mail match=bad@: reply 550 5.7.1 No')
    rude.send(sender='bad@example.com')
    rude.postern.wait_for_log('event=bounced')
    rude.send()
    rude.host.wait_for(2)
    rude.postern.wait_until_queue_is(0)
    assert len(rude.host.connections) == 1
    assert b'RSET' in rude.host.connections[0].commands
