"""An upstream that takes chunks (RFC 3030): a small message leaves with its envelope, and bytes arrive as they were."""
import re
import uuid

import pytest

from fakehost import CHUNKING
from posternd import wait_until

RETRY = 'queue = { retry = "1s 1s 1s"; };'
HEADER = (b'Message-ID: <1@example.com>\r\nDate: Sun, 01 Mar 2026 12:31:04 +0000\r\n'
          b'From: Shop <a@example.com>\r\nTo: b@example.net\r\n')
MESSAGE = HEADER + b'\r\n.\r\n..\r\n.dot\r\nQUIT\r\n\x80\xff\r\nlast line\r\n'
TO = ['b@example.net', 'c@example.net', 'd@example.net']


@pytest.fixture
def relay(make_postern, make_upstream):
    """A posternd with an upstream that follows `script`: (postern, host, send)."""
    def make(script='', *options, extensions=CHUNKING, **settings):
        postern, host = make_postern(config=RETRY), make_upstream(script, extensions=extensions, **settings)
        postern.add_upstream(host, 'upstream', *options)
        user = postern.add_user()

        def send(recipients=TO[:1], message=MESSAGE, count=1):
            """Several leave together. What was learned of the upstream is forgotten then."""
            if count > 1:
                postern.ctl('profile', 'pause', 'upstream')
            with postern.client(user) as client:
                for _ in range(count):
                    client.sendmail('a@example.com', recipients, message, ['BODY=8BITMIME'])
            if count > 1:
                postern.ctl('profile', 'resume', 'upstream')
        return postern, host, send
    return make


def groups(host):
    """MAIL commands that came with everything else of their message."""
    return [segment for connection in host.connections for segment in connection.segments
            if re.match(rb'MAIL FROM.*\r\n(RCPT TO.*\r\n)+BDAT [0-9]+ LAST\r\n', segment)]


def commands(host, verb):
    return [line for connection in host.connections for line in connection.commands if line.startswith(verb)]


def has_arrived(message, sent=MESSAGE):
    """Unchanged, with our line above it."""
    added = message.body[:-len(sent)]
    assert message.body.endswith(sent), message.body[-200:]
    assert added.startswith(b'Received: ') and added.endswith(b'\r\n')
    return True


@pytest.mark.parametrize('tls', ['none', 'starttls', 'implicit'])
def test_one_group_for_each_message(make_postern, make_upstream, tls):
    postern, host = make_postern(), make_upstream(tls=tls, extensions=CHUNKING)
    options = () if tls == 'none' else ('--ca', host.ca)
    postern.add_upstream(host, 'upstream', '--connections', 1, '--tls', tls, *options)
    user = postern.add_user()
    postern.ctl('profile', 'pause', 'upstream')
    with postern.client(user) as client:
        for number in range(5):
            client.sendmail('a@example.com', TO, MESSAGE, ['BODY=8BITMIME'])
    postern.ctl('profile', 'resume', 'upstream')
    messages = host.wait_for(5)
    postern.wait_until_queue_is(0)
    assert all(has_arrived(message) and message.recipients == TO for message in messages)
    # The first shows that BDAT is known, the second that connections are kept.
    assert len(host.connections) == 1 and len(groups(host)) == 3
    assert all(b'BODY=8BITMIME' in message.mail for message in messages)
    assert commands(host, b'DATA') == commands(host, b'RSET') == []


@pytest.mark.parametrize('extensions', [('CHUNKING',), tuple(word for word in CHUNKING if word != 'CHUNKING')])
def test_not_without_both(relay, extensions):
    _, host, send = relay(extensions=(*extensions, '8BITMIME'))
    send()
    message = host.wait_for(1)[0]
    assert has_arrived(message) and message.chunks == []
    assert len(commands(host, b'DATA')) == 1


def test_large_in_chunks(relay):
    postern, host, send = relay()
    body = b''.join(b'.line %d of many, some of which begin with a dot\r\n' % n if n % 3 == 0
                    else b'line %d\r\n' % n for n in range(200_000))
    assert len(body) > 4_000_000
    send(message=HEADER + b'\r\n' + body)
    message = host.wait_for(1)[0]
    postern.wait_until_queue_is(0)
    assert has_arrived(message, HEADER + b'\r\n' + body)
    assert len(message.chunks) > 10 and sum(message.chunks) == len(message.body)
    assert groups(host) == [] and commands(host, b'DATA') == []


def test_without_a_line_end(relay):
    """As a client that sends chunks may leave it: its last line has an end behind us."""
    postern, host, _ = relay()
    user = postern.add_user('other')
    with postern.client(user) as client:
        client.ehlo()
        client.mail('a@example.com')
        client.rcpt(TO[0])
        text = HEADER + b'\r\n.no end'
        client.sock.sendall(b'BDAT %d LAST\r\n' % len(text) + text)
        assert client.getreply()[0] == 250
    assert has_arrived(host.wait_for(1)[0], HEADER + b'\r\n.no end\r\n')


def test_some_recipients_refused(relay):
    postern, host, send = relay('rcpt match=<c@: reply 550 5.1.1 Unknown\nrcpt match=<d@ times=1: reply 450 4.2.1 Later')
    send(TO)
    first, *_ = host.wait_for(3)        # and the one that is tried again, and the notice
    assert first.recipients == TO[:1] and has_arrived(first)
    postern.wait_for_log('event=bounced', f'to=<{TO[1]}>', 'code=550')
    postern.wait_until_queue_is(0)
    assert sorted(message.recipients[0] for message in host.messages) == ['a@example.com', TO[0], TO[2]]


def test_one_refused_for_now_beside_one_too_many(relay):
    """The message goes on at once, for whom there was no room: there is no time to say of the other."""
    postern, host, send = relay('rcpt match=<c@ times=1: reply 452 4.5.3 Too many recipients\n'
                                'rcpt match=<d@ times=1: reply 450 4.2.1 Later')
    send(TO)
    host.wait_for(2)
    postern.wait_until_queue_is(0)
    line, = postern.log_lines('event=deferred', f'to=<{TO[2]}>')
    assert 'code=450' in line and 'until=' not in line
    assert sorted(name for message in host.messages for name in message.recipients) == TO


def test_all_recipients_refused(relay):
    """The reply to a body that was on its way already is nobody's."""
    postern, host, send = relay('rcpt match=example.net: reply 550 5.1.1 Unknown')
    send(TO[:2])
    notice = host.wait_for(1)[0]
    for recipient in TO[:2]:
        line = postern.wait_for_log('event=bounced', f'to=<{recipient}>')[0]
        assert 'code=550' in line
    assert notice.sender == '' and notice.recipients == ['a@example.com']
    postern.wait_until_queue_is(0)


@pytest.mark.parametrize('script, code', [
    ('mail times=1: reply 451 4.3.0 Later', '451'),
    ('rcpt times=1: reply 450 4.2.1 Later', '450'),
    ('dot times=1: reply 452 4.3.1 Later', '452'),
    ('bdat times=1: reply 451 4.3.0 Later', '451'),
    ('dot times=1: reply 421 4.3.2 Closing', '421'),
    ('rcpt times=1: reply 421 4.3.2 Closing', '421'),
])
def test_deferred_and_then_delivered(relay, script, code):
    postern, host, send = relay(script)
    send()
    postern.wait_for_log('event=deferred', 'profile=upstream', f'code={code}')
    assert has_arrived(host.wait_for(1)[0])
    postern.wait_until_queue_is(0)
    assert len(host.messages) == 1 and 'event=uncertain' not in postern.log()


def test_a_large_one_is_refused_at_its_first_chunk(relay):
    postern, host, send = relay('bdat times=1: reply 552 5.3.4 Too big')
    send(message=HEADER + b'\r\n' + (b'x' * 70 + b'\r\n') * 60_000)
    postern.wait_for_log('event=bounced', 'code=552')
    notice = host.wait_for(1)[0]
    assert notice.sender == ''
    postern.wait_until_queue_is(0)


@pytest.mark.parametrize('script', ['dot message=3: accept-drop', 'dot message=3: drop', 'mail message=3: reset'])
def test_lost_before_the_reply_is_uncertain(relay, script):
    """Nothing of a group was answered: it may have been taken. For a while mail goes by DATA."""
    postern, host, send = relay(script, '--connections', 1)
    send(count=3)
    postern.wait_for_log('event=uncertain', 'profile=upstream')
    wait_until(lambda: [m for m in host.messages if m.connection.number > 1], 'it comes again')
    postern.wait_until_queue_is(0)
    assert all(has_arrived(message) for message in host.messages)
    assert len(groups(host)) == 1 and host.messages[-1].chunks == []
    assert len(host.messages) == 2 + (2 if 'accept' in script else 1)


def test_lost_in_the_middle(relay):
    """The last chunk had not left: it was not taken."""
    postern, host, send = relay('bdat times=1: drop')
    body = HEADER + b'\r\n' + b'a line of a body that takes its time\r\n' * 400_000
    send(message=body)
    postern.wait_for_log('event=deferred', 'profile=upstream')
    message = host.wait_for(1)[0]
    assert has_arrived(message, body) and message.chunks == []
    assert 'event=uncertain' not in postern.log()


def test_hold_keeps_the_window_small(relay):
    """Who decides himself about what is uncertain is not asked more often than with DATA."""
    postern, host, send = relay('mail times=1: drop\nrcpt times=1: drop\ndot times=1: accept-drop', '--uncertain', 'hold')
    send()
    postern.wait_for_log('event=uncertain', 'profile=upstream')
    assert len(postern.log_lines('event=deferred')) == 2 and groups(host) == []
    assert postern.queued()[0]['state'] == 'uncertain'
    assert len(host.messages) == 1 and has_arrived(host.messages[0])


@pytest.mark.parametrize('extensions', [CHUNKING, (*CHUNKING[:-1], 'chunking')], ids=['swallows', 'reads on'])
def test_announced_and_not_known(relay, extensions):
    """The second one even takes the octets for commands. The message goes by DATA, and so do those behind it."""
    postern, host, send = relay('bdat: reply 502 5.5.1 What?', extensions=extensions)
    postern.expect_trouble('refuses BDAT')
    send()
    assert has_arrived(host.wait_for(1)[0])
    postern.wait_until_queue_is(0)
    assert 'refuses BDAT' in postern.log() and 'event=deferred' not in postern.log()
    send(message=MESSAGE + b'x\r\n' * 200_000)
    send()
    assert all(message.chunks == [] for message in host.wait_for(3))
    postern.wait_until_queue_is(0)
    assert len(commands(host, b'BDAT')) == 1
    test = postern.ctl('profile', 'test', 'upstream', '--to', TO[0])
    assert test['ok'] is True


def test_announced_and_not_known_with_a_large_one(relay):
    postern, host, send = relay('bdat: reply 500 5.5.2 What?')
    postern.expect_trouble('refuses BDAT')
    send(message=MESSAGE + b'x\r\n' * 200_000)
    message = host.wait_for(1)[0]
    assert message.chunks == [] and has_arrived(message, MESSAGE + b'x\r\n' * 200_000)
    postern.wait_until_queue_is(0)
    assert 'event=bounced' not in postern.log() and 'event=deferred' not in postern.log()


def test_profile_test_and_transcripts(relay):
    postern, host, send = relay('', '--transcript', 'always')
    test = postern.ctl('profile', 'test', 'upstream', '--to', TO[0], '--transcript')
    size = host.wait_for(1)[0].chunks[-1]
    assert test['ok'] is True and f'C: BDAT {size} LAST' in test['transcript']
    send()
    message = host.wait_for(2)[1]
    wait_until(lambda: (stories := postern.ctl('track', '--to', TO[0], '--transcript')) and stories[-1]['attempts'],
               'an attempt')
    text = postern.ctl('track', '--to', TO[0], '--transcript')[-1]['attempts'][0]['transcript']
    assert f'C: BDAT {message.chunks[-1]} LAST\n' in text and 'C: <message>\n' in text


def test_changed_on_its_way(make_postern, make_upstream):
    """What mime makes of a message goes like any other, also where it becomes seven bits."""
    postern, host = make_postern(), make_upstream(extensions=('PIPELINING', 'CHUNKING'))
    postern.add_upstream(host, 'upstream')
    with postern.client(postern.add_user()) as client:
        client.sendmail('a@example.com', TO[:1], HEADER + 'Content-Type: text/plain; charset=utf-8\r\n\r\n.größe\r\n'.encode(),
                        ['BODY=8BITMIME'])
    message = host.wait_for(1)[0]
    assert sum(message.chunks) == len(message.body) and b'BODY' not in message.mail
    assert b'gr=C3=B6=C3=9Fe' in message.body


def test_within_a_bandwidth(relay):
    postern, host, send = relay('', '--bandwidth', '100K')
    send(message=MESSAGE + b'.x\r\n' * 40_000)
    message = host.wait_for(1)[0]
    assert has_arrived(message, MESSAGE + b'.x\r\n' * 40_000)
    assert len(message.chunks) > 20 and groups(host) == []


# ---- Postfix ----

def at_postfix(make_postern, postfix):
    """A posternd in front of it, and `send`, which gives what was said for the first recipient."""
    postern = make_postern()
    postern.ctl('profile', 'add', 'upstream', '--host', '127.0.0.1', '--port', postfix.ports['open'], '--default', '--tls', 'none',
                '--transcript', 'always', '--connections', 1)
    user = postern.add_user()

    def send(recipients, message=MESSAGE, before=()):
        postern.ctl('profile', 'pause', 'upstream')
        with postern.client(user) as client:
            for names in (*before, recipients):
                client.sendmail('a@example.com', names, message, ['BODY=8BITMIME'])
        postern.ctl('profile', 'resume', 'upstream')
        wait_until(lambda: any(story['attempts'] for story in postern.ctl('track', '--to', recipients[0])), 'an attempt')
        return postern.ctl('track', '--to', recipients[0], '--transcript')[-1]['attempts'][0]['transcript']
    return postern, send


@pytest.mark.root
@pytest.mark.parametrize('more', [b'', b'.large\r\n' * 200_000], ids=['small', 'large'])
def test_postfix_refuses_some(make_postern, postfix, more):
    postern, send = at_postfix(make_postern, postfix)
    good, refused, later = (f'{word}{uuid.uuid4().hex}@example.net' for word in ('good', 'refused', 'later'))
    assert ' LAST\n' in send([good, refused, later], MESSAGE + more)
    assert postfix.mail_for(good)[0].endswith((MESSAGE + more).replace(b'\r\n', b'\n').partition(b'\n\n')[2])
    postern.wait_for_log('event=bounced', f'to=<{refused}>', 'code=550')
    postern.wait_for_log('event=deferred', f'to=<{later}>', 'code=450')
    assert len(postfix.all_mail_for(good)) == 1


@pytest.mark.root
def test_postfix_refuses_all(make_postern, postfix):
    """It refuses the body as well, and the connection is good for more."""
    postern, send = at_postfix(make_postern, postfix)
    refused, good, *before = (f'{word}{uuid.uuid4().hex}@example.net' for word in ('refused', 'good', 'one', 'two'))
    said = send([refused], before=[[name] for name in before])
    assert 'code=550' in postern.wait_for_log('event=bounced', f'to=<{refused}>')[0]
    assert said.index(' LAST\n') < said.index('S: 550') < said.index('S: 554')
    send([good])
    assert postfix.mail_for(good)
