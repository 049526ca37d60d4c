"""What real servers say when it is too much, too big, too early, or when they go away in the middle."""
import contextlib
import os
import pathlib
import signal
import socket
import socketserver
import threading
import time
import uuid

import pytest

import dovecot
import exim
from postfix import RATE_UNIT_S
from posternd import wait_until
from test_clients import (MESSAGE, RECIPIENT, msmtp, needs, needs_nodemailer, needs_phpmailer, nodemailer,
                          nodemailer_path, phpmailer, run, swaks)

SENDER = 'shop@example.com'
pytestmark = pytest.mark.root
# The pauses of the rules that are meant here, short enough for a test.
RULES = f'''
rules = (
{{ id = "sending-too-fast"; class = "rate"; backoff = "{RATE_UNIT_S + 1}s"; text = "too much mail from"; }},
{{ id = "too-many-connections"; class = "rate-conn"; backoff = "{RATE_UNIT_S + 1}s";
  text = "(too many|maximum number of) connections"; }},
{{ id = "greylisted"; code = "4xx"; class = "temporary"; backoff = "2s"; text = "greylisted"; }}
);
'''


@pytest.fixture
def relay(make_postern):
    """A posternd with a user, short waits, and rules of its own."""
    def prepare(postern):
        path = postern.directory / 'replies.conf'
        path.write_text(RULES)
        path.chmod(0o644)
    postern = make_postern(prepare=prepare, config='queue = { retry = "1s 2s"; };')
    postern.user = postern.add_user('shop')
    return postern


def upstream(postern, port, *options, stdin=''):
    postern.ctl('profile', 'add', 'office', '--host', 'localhost', '--port', port, '--default', *options, stdin=stdin)


def profile(postern):
    return postern.ctl('profile', 'show', 'office')


def names(count):
    return [f'{uuid.uuid4().hex}@example.net' for _ in range(count)]


def send(postern, recipients, body='hello\r\n', sender=SENDER):
    with postern.client(postern.user) as client:
        client.sendmail(sender, recipients, f'From: <{SENDER}>\r\nSubject: order 42\r\n\r\n{body}'.encode())


def arrive(postern, server, recipients, within_s=60):
    """Each has its message, once; nobody got a notice."""
    wait_until(lambda: not postern.queued(), 'the queue is empty', within_s)
    assert [len(server.mail_for(recipient)) for recipient in recipients] == [1] * len(recipients)
    assert not postern.log_lines('event=bounced')



# ---- how much, how often ----

def test_too_many_messages(relay, postfix):
    """450 at MAIL FROM: the account is left alone for a while, and no message fails."""
    upstream(relay, postfix.ports['few-mails'], '--connections', '1')
    recipients = names(8)
    for recipient in recipients:
        send(relay, [recipient])
    shown = wait_until(lambda: (now := profile(relay))['state'] == 'limited' and now, 'it is limited')
    assert '450 4.7.1 Error: too much mail from 127.0.0.1' in shown['last_error']
    assert shown['class'] == 'rate'
    line = relay.wait_for_log('event=rate-limited', 'profile=office')[0]
    assert 'code=450' in line
    arrive(relay, postfix, recipients)
    # each pause is longer than what Postfix counts over, so each round but the first look is let in
    refused = postfix.log().count('Message delivery request rate limit exceeded')
    assert 1 <= refused <= 5, refused


@pytest.mark.parametrize('service, logged', [
    ('few-connections', 'Connection concurrency limit exceeded'),
    ('few-new-connections', 'Connection rate limit exceeded')])
def test_too_many_connections(relay, postfix, service, logged):
    """421 instead of a greeting, for all but the first connection."""
    upstream(relay, postfix.ports[service], '--connections', '5')
    relay.ctl('profile', 'pause', 'office')
    recipients = names(10)
    for recipient in recipients:
        send(relay, [recipient])
    relay.ctl('profile', 'resume', 'office')
    arrive(relay, postfix, recipients)
    assert logged in postfix.log()
    assert relay.log_lines('421 4.7.0', 'too many connections')


def test_too_many_connections_of_one_account(relay):
    """Dovecot says so after the login, with 421."""
    if reason := dovecot.why_not():
        pytest.skip(reason)
    with dovecot.Dovecot(connections=1) as server:
        upstream(relay, server.ports['starttls'], '--connections', '5', '--tls', 'starttls', '--ca', server.ca.path,
                 '--username', server.user, '--password-stdin', stdin=server.password + '\n')
        relay.ctl('profile', 'pause', 'office')
        recipients = names(10)
        for recipient in recipients:
            send(relay, [recipient])
        relay.ctl('profile', 'resume', 'office')
        arrive(relay, server, recipients)
        assert relay.log_lines('421 4.7.0 Maximum number of connections')


def test_too_many_recipients(relay, postfix):
    """452 4.5.3 to the fourth: the rest goes at once in messages of their own."""
    upstream(relay, postfix.ports['few-recipients'])
    recipients = names(8)
    send(relay, recipients)
    arrive(relay, postfix, recipients)


def test_connection_turned_away_before_the_handshake(relay):
    """Exim says 421 in clear on its port for implicit TLS when it has enough connections."""
    if reason := exim.why_not():
        pytest.skip(reason)
    with exim.Exim(connections=1) as server:
        with socket.create_connection(('127.0.0.1', server.ports['clear'])) as other:
            assert other.recv(3) == b'220'
            upstream(relay, server.ports['implicit'], '--tls', 'implicit', '--ca', server.ca.path, '--auth', 'plain',
                     '--username', server.user, '--password-stdin', stdin=server.password + '\n')
            recipients = names(1)
            send(relay, recipients)
            shown = wait_until(lambda: (now := profile(relay))['state'] == 'limited' and now, 'it is limited')
            assert 'If it has worked before, the upstream only turns connections away' in shown['last_error']
        relay.ctl('profile', 'resume', 'office')
        arrive(relay, server, recipients)


# ---- recipients ----

class Greylist(socketserver.ThreadingTCPServer):
    """A policy server for Postfix: each recipient waits once, for so long."""
    allow_reuse_address = daemon_threads = True

    def __init__(self, port, wait_s):
        self.seen, self.wait_s = {}, wait_s

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                request = {}
                for line in self.rfile:
                    key, _, value = line.decode().strip().partition('=')
                    if key:
                        request[key] = value
                        continue
                    self.wfile.write(f'action={self.server.judge(request["recipient"])}\n\n'.encode())
                    request = {}
        super().__init__(('127.0.0.1', port), Handler)

    def judge(self, recipient):
        left = self.seen.setdefault(recipient, time.monotonic()) + self.wait_s - time.monotonic()
        return 'dunno' if left <= 0 < self.wait_s else f'defer_if_permit Greylisted, see http://example.org/{recipient}'


@contextlib.contextmanager
def greylisting(port, wait_s):
    with Greylist(port, wait_s) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_greylisting(relay, postfix):
    """450 to each recipient the first time. The account goes on meanwhile."""
    upstream(relay, postfix.ports['greylist'])
    with greylisting(postfix.policy_ports['GREYLIST'], 1) as policy:
        recipients = names(3)
        send(relay, recipients)
        for recipient in recipients:
            line = relay.wait_for_log('event=deferred', f'to=<{recipient}>')[0]
            assert 'code=450' in line and 'Greylisted' in line
        assert profile(relay)['state'] == 'ok' and set(policy.seen) == set(recipients)
        arrive(relay, postfix, recipients)


def test_full_mailbox(relay, postfix):
    """Dovecot's quota tells Postfix 552 5.2.2: that recipient waits or fails, the others get theirs."""
    if reason := dovecot.why_not():
        pytest.skip(reason)
    with dovecot.Dovecot(ports={'quota': postfix.policy_ports['QUOTA']}):
        upstream(relay, postfix.ports['quota'])
        good, = names(1)
        send(relay, [good, dovecot.FULL])
        postfix.mail_for(good)
        line = wait_until(lambda: relay.log_lines(f'to=<{dovecot.FULL}>', 'code=552'), 'it is refused')[0]
        assert 'Mailbox is full' in line and 'enhanced=5.2.2' in line
        assert profile(relay)['state'] == 'ok'


def test_unknown_recipient(relay, postfix):
    upstream(relay, postfix.ports['listed'])
    sender, unknown = 'known@example.net', names(1)[0]
    before = len(postfix.all_mail_for(sender))
    send(relay, [unknown], sender=sender)
    line = relay.wait_for_log('event=bounced', f'to=<{unknown}>', 'code=550')[0]
    assert 'User unknown in virtual mailbox table' in line
    # and the notice goes the same way to whom is known there
    assert unknown.encode() in postfix.mail_for(sender, before + 1)[-1]


# ---- going away ----

@pytest.fixture
def server():
    """An Exim of this test's own."""
    if reason := exim.why_not():
        pytest.skip(reason)
    with exim.Exim() as made:
        yield made


def exim_upstream(postern, server, *options):
    upstream(postern, server.ports['starttls'], '--tls', 'starttls', '--ca', server.ca.path, '--auth', 'cram-md5',
             '--username', server.user, '--password-stdin', *options, stdin=server.password + '\n')


def test_server_that_is_stopped_and_started(relay, server):
    exim_upstream(relay, server, '--connections', '2')
    first = names(2)
    send(relay, first)
    arrive(relay, server, first)
    os.killpg(server.process.pid, signal.SIGTERM)       # also what serves the connections that are kept open
    server.end()
    later = names(4)
    for recipient in later:
        send(relay, [recipient])
    shown = wait_until(lambda: (now := profile(relay))['state'] == 'limited' and now, 'it is limited')
    assert 'refused' in shown['last_error']
    server.start()
    relay.ctl('profile', 'resume', 'office')        # it would look by itself after its pause
    arrive(relay, server, later)
    assert profile(relay)['state'] == 'ok'


def children(pid):
    return [int(child) for child in pathlib.Path(f'/proc/{pid}/task/{pid}/children').read_text().split()]


def test_connection_that_breaks_in_the_middle_of_a_message(relay, server):
    """Its process is killed while the body comes: the message is sent once more, whole."""
    exim_upstream(relay, server, '--connections', '1')
    recipient, = names(1)
    server.process.send_signal(signal.SIGSTOP)      # so that nobody takes the connection yet
    send(relay, [recipient], body=('x' * 998 + '\r\n') * 30000)
    server.process.send_signal(signal.SIGCONT)
    wait_until(lambda: list((server.directory / 'spool' / 'input').glob('*-D')), 'Exim is at the body')
    for child in children(server.process.pid):
        os.kill(child, signal.SIGKILL)
    relay.wait_for_log('event=deferred', f'to=<{recipient}>')
    arrive(relay, server, [recipient])
    assert server.all_mail_for(recipient)[0].count(b'x' * 998 + b'\n') == 30000


# ---- real clients on the other side ----

@pytest.fixture
def office(relay, postfix):
    """A relay before Postfix, with what the clients of test_clients.py need."""
    relay.ca_path = relay.directory / 'ca.pem'
    relay.ca_path.write_text(relay.ctl('tls', 'ca')['certificate'])
    upstream(relay, postfix.ports['starttls'], '--tls', 'starttls', '--ca', postfix.ca.path, '--username',
             postfix.user, '--password-stdin', stdin=postfix.password + '\n')
    return relay


@pytest.mark.parametrize('client', [
    pytest.param(lambda relay: run(*swaks(relay, '--tls')), id='swaks', marks=needs('swaks')),
    pytest.param(lambda relay: run(*msmtp(relay), stdin=MESSAGE.replace(b'\r\n', b'\n')), id='msmtp',
                 marks=needs('msmtp')),
    pytest.param(lambda relay: run(*phpmailer(relay)), id='phpmailer', marks=needs_phpmailer),
    pytest.param(lambda relay: run(*nodemailer(relay), env={'NODE_PATH': nodemailer_path()}), id='nodemailer',
                 marks=needs_nodemailer)])
def test_client_through_postern_to_postfix(office, postfix, client):
    before, logins = len(postfix.all_mail_for(RECIPIENT)), len(postfix.logins())
    client(office)
    message = postfix.mail_for(RECIPIENT, before + 1)[-1]
    assert b'Subject: order 42' in message and b'relay.example' in message
    office.wait_until_queue_is(0)
    assert postfix.logins()[logins:] == [('SCRAM-SHA-256', postfix.user)]
