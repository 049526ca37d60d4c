"""What upstreams say of an account, a recipient, a message: who waits, for how long, and that no
message is lost or bounced for what is not its fault."""
import datetime
import subprocess
import time

import pytest
from posternd import CtlError, wait_until

RETRY = 'queue = { retry = "1s 1s 1s"; };'


def rule(name, text, class_, backoff=None, more=''):
    wait = f'backoff = "{backoff}"; ' if backoff else ''
    return f'{{ id = "{name}"; text = "{text}"; class = "{class_}"; {wait}{more} }}'


def put_rules(postern, *rules):
    path = postern.directory / 'replies.conf'
    path.write_text('rules = (\n' + ',\n'.join(rules) + '\n);\n')
    path.chmod(0o644)


@pytest.fixture
def relay(make_postern, make_upstream):
    """A posternd with an upstream that follows `script`: (postern, host, send)."""
    def make(script, *options, rules=(), stdin='', config=RETRY, **settings):
        postern = make_postern(prepare=lambda p: put_rules(p, *rules) if rules else None,
                               config=config)
        host = make_upstream(script, **settings)
        postern.add_upstream(host, 'upstream', *options, stdin=stdin)
        user = postern.add_user()

        def send(*to, sender='a@example.com'):
            with postern.client(user) as client:
                client.sendmail(sender, list(to) or ['b@example.net'],
                                b'Subject: x\r\n\r\nbody\r\n')
        return postern, host, send
    return make


def profile(postern):
    return postern.ctl('profile', 'show', 'upstream')


def wait_for_state(postern, state):
    wait_until(lambda: profile(postern)['state'] == state, f'the profile is {state}')
    return profile(postern)


def seconds_until(text):
    at = datetime.datetime.fromisoformat(text.replace('Z', '+00:00'))
    return (at - datetime.datetime.now(datetime.timezone.utc)).total_seconds()


def recipient(postern, number=0):
    identity = postern.queued()[0]['id']
    return postern.ctl('queue', 'show', identity)['recipients'][number]


LOGIN = ('--tls', 'none', '--username', 'user', '--password-stdin')

# script, class, state, the shortest wait in seconds
ACCOUNT = [
    ('dot: reply 550 5.4.5 Daily user sending quota exceeded. x - gsmtp',
     'quota-daily', 'limited', 30 * 60),
    ('rcpt: reply 550 Domain example.com has exceeded the max emails per hour (3/2 (150%)) '
     'allowed. Message discarded.', 'quota-hour', 'limited', 3600),
    ('mail: reply 421 4.7.28 Gmail has detected an unusual rate of mail', 'rate', 'limited',
     30 * 60),
    ('banner: reply 421 Too many connections', 'rate-conn', 'limited', 60),
    ('dot: reply 554 5.7.1 This IP has been temporarily blocked for attempting to send too many '
     'messages. IB110', 'rate-reputation', 'limited', 3600),
    ('auth: reply 454 4.7.0 Too many login attempts, please try again later.', 'rate-auth',
     'limited', 15 * 60),
    ('auth: reply 454 Temporary authentication failure', 'auth-temp', 'limited', 60),
    ('auth: reply 550 Too many messages. Try again in 92 seconds.', 'rate', 'limited', 85),
    ('auth: reply 535 5.7.8 Credentials invalid', 'auth-bad', 'stopped', 15 * 60),
    ('mail: reply 550 5.7.30 Basic authentication is not supported for Client Submission.',
     'auth-policy', 'stopped', 3600),
    ('dot: reply 421 Domain x.example is not allowed to send: Please activate your account.',
     'account-disabled', 'stopped', 3600),
    ('dot: reply 554 5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceededException',
     'account-full', 'stopped', 30 * 60),
    ('mail: reply 530 5.7.0 Must issue a STARTTLS command first', 'tls-required', 'stopped',
     15 * 60),
    ('ehlo: reply 501 5.5.4 HELO/EHLO argument is invalid\nhelo: reply 501 5.5.4 HELO/EHLO '
     'argument is invalid', 'protocol', 'limited', 15 * 60),
]


@pytest.mark.parametrize('script,class_,state,least', ACCOUNT, ids=[row[1] for row in ACCOUNT])
def test_account_is_left_alone_and_nobody_gets_a_bounce(relay, script, class_, state, least):
    postern, host, send = relay(script, *LOGIN, stdin='secret\n', auth=('PLAIN',))
    postern.expect_trouble('profile-stopped|rate-limited')
    send()
    shown = wait_for_state(postern, state)
    assert shown['class'] == class_ and shown['rule'], shown
    wait = seconds_until(shown['rate_limited_until'])
    assert least - 30 < wait < least * 1.25, wait
    assert -60 < seconds_until(shown['since']) <= 0
    event = 'rate-limited' if class_.startswith(('rate', 'quota')) else 'profile-stopped'
    line, = postern.wait_for_log(f'event={event}', 'profile=upstream')
    assert f'class={class_}' in line and 'until=2' in line and 'waiting=1' in line
    # Neither more mail nor an operator's retry breaks the silence.
    connections = len(host.connections)
    send('c@example.net')
    postern.ctl('queue', 'retry', '--all')
    postern.ctl('queue', 'hold', '--all')
    postern.ctl('queue', 'release', '--all')
    wait_until(lambda: profile(postern)['waiting'] == 2, 'both wait')
    assert profile(postern)['rate_limited_until'] == shown['rate_limited_until']
    status = postern.ctl('status')['profiles'][0]
    assert (status['state'], status['class']) == (state, class_)
    assert len(host.connections) == connections and host.messages == []
    assert 'event=bounced' not in postern.log()
    host.set_script('')
    postern.ctl('profile', 'resume', 'upstream')
    assert {tuple(m.recipients) for m in host.wait_for(2)} == {
        ('b@example.net',), ('c@example.net',)}
    postern.wait_until_queue_is(0)
    after = profile(postern)
    assert (after['state'], after['class'], after['last_error']) == ('ok', None, None)


def test_until_outlives_a_restart(relay):
    postern, host, send = relay('dot: reply 451 4.7.1 Sending quota exceeded, try again in 3 hours')
    postern.expect_trouble('rate-limited')
    send()
    shown = wait_for_state(postern, 'limited')
    assert 3 * 3600 - 30 < seconds_until(shown['rate_limited_until']) <= 3 * 3600 + 1
    connections = len(host.connections)
    postern.restart()
    after = profile(postern)
    for field in ('state', 'class', 'rule', 'since', 'rate_limited_until', 'last_error'):
        assert after[field] == shown[field]
    assert len(host.connections) == connections and len(postern.queued()) == 1


def test_time_in_the_text_is_kept_to_the_second(relay):
    postern, host, send = relay('mail times=1: reply 550 Too many messages. Try again in 3 seconds.')
    postern.expect_trouble('rate-limited')
    send()
    begin = time.monotonic()
    host.wait_for(1)
    assert host.messages[0].connection.times[0] - begin > 2
    assert len(host.connections) == 2
    postern.wait_until_queue_is(0)
    postern.wait_for_log('event=profile-resumed', 'profile=upstream')
    assert 'event=bounced' not in postern.log()


def test_the_same_again_waits_for_longer(relay):
    rules = [rule('mine', 'one moment', 'rate', '1s 1h')]
    postern, host, send = relay('mail times=3: reply 450 one moment', rules=rules)
    postern.expect_trouble('rate-limited')
    send()
    host.wait_for(1)
    times = [connection.times[0] for connection in host.connections]
    waits = [after - before for before, after in zip(times, times[1:])]
    assert len(waits) == 3
    assert 0.9 < waits[0] and 1.9 < waits[1] and 3.8 < waits[2], waits


def test_one_goes_ahead_after_a_pause(relay):
    rules = [rule('mine', 'one moment', 'rate', '1s 2s')]
    postern, host, send = relay('mail connection=1: reply 450 one moment\ndot connection=2: hold',
                                '--connections', '5', rules=rules)
    postern.expect_trouble('rate-limited')
    send()
    wait_for_state(postern, 'limited')
    for number in range(8):
        send(f'r{number}@example.net')
    host.wait_until(lambda: host.is_holding)
    # All nine wait for the one that looks.
    assert len(host.connections) == 2 and profile(postern)['waiting'] == 9
    host.release()
    host.wait_for(9)
    postern.wait_until_queue_is(0)


def test_login_is_tried_once_however_much_waits(relay):
    postern, host, send = relay('', *LOGIN, '--connections', '10', stdin='wrong\n',
                                auth=('PLAIN',))
    postern.expect_trouble('profile-stopped')
    postern.ctl('profile', 'pause', 'upstream')
    for number in range(10):
        send(f'r{number}@example.net')
    postern.ctl('profile', 'resume', 'upstream')
    wait_for_state(postern, 'stopped')
    logins = [line for connection in host.connections for line in connection.commands
              if line.startswith(b'AUTH')]
    assert len(logins) == 1 and len(postern.queued()) == 10
    # A changed password starts it again.
    postern.ctl('profile', 'set', 'upstream', '--password-stdin', stdin='secret\n')
    host.wait_for(10)
    postern.wait_until_queue_is(0)


# ---- recipients ----

@pytest.mark.parametrize('reply,class_,least', [
    ('450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents '
     'additional messages from being delivered.', 'rate-rcpt', 3600),
    ('550 5.2.1 The user you are trying to contact is receiving mail at a rate that prevents '
     'additional messages from being delivered.', 'rate-rcpt', 24 * 3600),
    ('452 4.2.2 The email account that you tried to reach is over quota.', 'mailbox-full',
     4 * 3600),
    ('450 4.7.1 Please come back in 00:05:00', 'rate-rcpt', 300),
    ('450 4.2.0 Greylisted', 'temporary', 300),
])
def test_slow_recipient_waits_alone(relay, reply, class_, least):
    postern, host, send = relay(f'rcpt match=slow@: reply {reply}')
    send('b@example.net', 'slow@example.net')
    assert host.wait_for(1)[0].recipients == ['b@example.net']
    postern.wait_until_queue_is(1, '--state', 'deferred')
    shown = recipient(postern, 1)
    assert shown['class'] == class_ and shown['rule']
    assert least - 30 < seconds_until(shown['next_attempt_at']) <= least + 1
    send('c@example.net')
    host.wait_for(2)
    assert profile(postern)['state'] == 'ok'
    assert 'event=bounced' not in postern.log() and 'rate-limited' not in postern.log()
    wait_until(lambda: [attempt['class'] for story in postern.ctl('track', '--to', 'slow@example.net')
                        for attempt in story['attempts'] if attempt['fate'] == 'deferred'] == [class_],
               'the history says why')


def test_long_wait_of_a_recipient_survives_a_restart(relay):
    postern, host, send = relay('rcpt: reply 452 4.2.2 over quota')
    send()
    postern.wait_until_queue_is(1, '--state', 'deferred')
    due = recipient(postern)['next_attempt_at']
    connections = len(host.connections)
    postern.restart()
    assert recipient(postern)['next_attempt_at'] == due
    assert len(host.connections) == connections


def test_another_servers_words_are_a_recipients(relay):
    postern, host, send = relay('rcpt match=far@: reply 451 4.4.0 remote host said: 421 Too many '
                                'connections from your network')
    send('far@example.net')
    postern.wait_until_queue_is(1, '--state', 'deferred')
    send('near@example.net')
    host.wait_for(1)
    assert profile(postern)['state'] == 'ok'


# ---- senders ----

def alerts(postern, kind):
    return [alert for alert in postern.ctl('alert', 'ls') if alert['kind'] == kind]


def test_denied_sender_is_held_and_an_operator_told(relay):
    postern, host, send = relay('mail match=<x@: reply 550 From header sender domain not verified')
    send(sender='x@example.org')
    postern.wait_until_queue_is(1, '--state', 'held')
    line, = postern.wait_for_log('event=held', 'class=sender-denied', 'profile=upstream')
    wait_until(lambda: alerts(postern, 'sender-denied'), 'an alert')
    alert, = alerts(postern, 'sender-denied')
    assert alert['address'] == 'x@example.org'
    assert 'profile upstream' in alert['detail'] and 'profile set upstream --from' in alert['detail']
    assert recipient(postern)['rule'] == 'sender-not-verified'
    assert profile(postern)['state'] == 'ok' and 'event=bounced' not in postern.log()
    send(sender='y@example.org')
    host.wait_for(1)
    postern.wait_until_queue_is(1)
    host.set_script('')
    postern.ctl('queue', 'release', '--all')
    assert host.wait_for(2)[1].sender == 'x@example.org'
    postern.wait_until_queue_is(0)


def test_denied_sender_is_tried_once_more_where_that_helps(relay):
    rules = [rule('m365-send-as', 'SendAsDenied', 'sender-denied', '1s')]
    postern, host, send = relay('dot: reply 554 5.2.252 SendAsDenied; user not allowed to send as '
                                '<x@example.org>', rules=rules)
    send()
    postern.wait_for_log('event=deferred', 'class=sender-denied')
    assert alerts(postern, 'sender-denied') == []
    postern.wait_until_queue_is(1, '--state', 'held')
    assert len(postern.wait_for_log('event=deferred')) == 1
    wait_until(lambda: alerts(postern, 'sender-denied'), 'an alert')
    # Released for nothing it is held again at once.
    postern.ctl('queue', 'release', '--all')
    postern.wait_for_log('event=held', 'class=sender-denied', count=2)
    assert 'event=bounced' not in postern.log()


# ---- at once ----

FIVE = [f'r{number}@example.net' for number in range(5)]


def test_too_many_recipients_for_one_transaction(relay):
    postern, host, send = relay(
        'rcpt message=1 match=<r2@: reply 452 4.5.3 Your message has too many recipients.\n'
        'rcpt message=1 match=<r3@: reply 452 4.5.3 Your message has too many recipients.\n'
        'rcpt message=1 match=<r4@: reply 452 4.5.3 Your message has too many recipients.')
    send(*FIVE)
    messages = host.wait_for(3)
    assert [message.recipients for message in messages] == [FIVE[:2], FIVE[2:4], FIVE[4:]]
    postern.wait_until_queue_is(0)
    assert profile(postern)['recipients_learned'] == 2
    assert 'event=deferred' not in postern.log()
    postern.restart()
    assert profile(postern)['recipients_learned'] == 2
    postern.ctl('profile', 'resume', 'upstream')
    assert profile(postern)['recipients_learned'] is None


def test_too_many_recipients_said_after_the_body(relay):
    postern, host, send = relay('dot times=2: reply 550 5.5.3 Too many recipients for this sender')
    send(*FIVE)
    messages = [message for message in host.wait_for(5) if message.is_accepted]
    assert [message.recipients for message in messages] == [[to] for to in FIVE]
    postern.wait_until_queue_is(0)
    assert profile(postern)['recipients_learned'] == 1
    assert 'event=bounced' not in postern.log()


def test_not_even_one_recipient(relay):
    """It has heard too much from this account."""
    postern, host, send = relay('rcpt: reply 550 5.5.3 Too many recipients for this sender')
    postern.expect_trouble('rate-limited')
    send()
    shown = wait_for_state(postern, 'limited')
    assert shown['class'] == 'rate' and len(postern.queued()) == 1


def test_quota_that_ends_within_a_message(relay):
    rules = [rule('mine', 'no more today', 'quota-daily', '2s')]
    postern, host, send = relay('rcpt times=1 match=<r2@: reply 554 5.7.1 no more today', rules=rules)
    postern.expect_trouble('rate-limited')
    send(*FIVE[:4])
    messages = host.wait_for(2)
    assert messages[0].recipients == [FIVE[0], FIVE[1], FIVE[3]]
    assert messages[1].recipients == [FIVE[2]]
    assert messages[1].connection is not messages[0].connection
    postern.wait_for_log('event=rate-limited', 'class=quota-daily')
    postern.wait_until_queue_is(0)
    assert 'event=bounced' not in postern.log()


# ---- connections ----

def test_fewer_connections_where_there_are_too_many(relay):
    script = '\n'.join(f'banner connection={n}: reply 421 4.7.0 Too many connections'
                       for n in range(3, 9)) + '\ndot message=1: sleep 1'
    postern, host, send = relay(script, '--connections', '6')
    postern.expect_trouble('rate-limited')
    postern.ctl('profile', 'pause', 'upstream')
    for number in range(12):
        send(f'r{number}@example.net')
    postern.ctl('profile', 'resume', 'upstream')
    postern.wait_for_log('event=rate-limited', 'class=rate-conn')
    host.wait_for(12)
    postern.wait_until_queue_is(0)
    shown = profile(postern)
    assert shown['state'] == 'ok' and shown['connections_learned'] in (1, 2, 3)
    assert 'event=bounced' not in postern.log()


def test_third_message_that_hears_nothing_of_why(relay):
    postern, host, send = relay('mail: reply 451 4.3.0 Local error in processing',
                                config='queue = { retry = "1h"; };')
    postern.expect_trouble('rate-limited')
    for number in range(2):
        send(f'r{number}@example.net')
        postern.wait_until_queue_is(number + 1, '--state', 'deferred')
    # One of them again is no third.
    postern.ctl('queue', 'retry', postern.queued()[0]['id'])
    postern.wait_for_log('event=deferred', count=3)
    assert profile(postern)['state'] == 'ok'
    send('r2@example.net')
    shown = wait_for_state(postern, 'limited')
    assert (shown['class'], shown['rule']) == ('rate', 'unknown-in-a-row')
    postern.wait_until_queue_is(3, '--state', 'deferred')


# ---- the rules ----

def test_rules_are_checked_and_taken_over(relay):
    postern, host, send = relay('rcpt: reply 550 5.1.1 Come tomorrow')
    check = [postern.programs['posternd'], '-n', '-c', postern.config_path]
    put_rules(postern, rule('mine', 'come tomorrow', 'rate', '2h'))
    assert subprocess.run(check, capture_output=True).returncode == 0
    postern.ctl('reload')
    postern.expect_trouble('rate-limited')
    send()
    assert wait_for_state(postern, 'limited')['rule'] == 'mine'
    put_rules(postern, rule('mine', 'come tomorrow', 'tomorrow'))
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 78
    assert f'{postern.directory}/replies.conf:2: class: must be one of rate ' in done.stderr
    postern.expect_trouble('event=config')
    with pytest.raises(CtlError, match='replies.conf:2: class: must be one of'):
        postern.ctl('reload')
    postern.ctl('profile', 'resume', 'upstream')
    assert wait_for_state(postern, 'limited')['rule'] == 'mine'


def test_bad_rules_keep_posternd_from_starting(make_postern):
    postern = make_postern()
    postern.stop()
    put_rules(postern, rule('mine', '(', 'rate'))
    done = subprocess.run([postern.programs['posternd'], '-f', '-c', postern.config_path],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 78 and 'replies.conf:2: text: ' in done.stderr


def test_transcript_says_why(relay):
    postern, host, send = relay('rcpt match=<c@: reply 550 5.1.1 User unknown\n'
                                'dot: reply 452 4.3.1 Later', '--transcript', 'failure')
    send('b@example.net', 'c@example.net')

    def text():
        return ''.join(attempt.get('transcript') or ''
                       for story in postern.ctl('track', '--to', 'b@example.net', '--transcript')
                       for attempt in story['attempts'])
    wait_until(text, 'a transcript')
    assert '* <c@example.net>: class bad-recipient, rule no-such-recipient\n' in text()
    assert '* class temporary, rule by-code\n' in text()
