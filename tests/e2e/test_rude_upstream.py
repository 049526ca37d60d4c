"""An upstream that misbehaves: what the log calls it, what waits, and that the mail arrives."""
import pytest

from fakehost import CHUNKING, EXTENSIONS
from posternd import wait_until

RETRY = 'queue = { retry = "1s 1s 1s"; };'
MESSAGE = b'From: <a@example.com>\r\nSubject: x\r\n\r\n.dot\r\nlast line\r\n'
TO = ['b@example.net', 'c@example.net', 'd@example.net']


@pytest.fixture
def relay(make_postern, make_upstream):
    """A posternd with an upstream that follows `script`: (postern, host, send)."""
    def make(script, *options, stdin='', **settings):
        postern, host = make_postern(config=RETRY), make_upstream(script, **settings)
        postern.add_upstream(host, 'upstream', *options, stdin=stdin)
        user = postern.add_user()

        def send(recipients=TO[:1], message=MESSAGE):
            with postern.client(user) as client:
                client.sendmail('a@example.com', recipients, message)
        return postern, host, send
    return make


@pytest.mark.parametrize('script', [
    'mail times=1: reply 451 4.3.0 Later',
    'rcpt times=1: reply 450 4.2.1 Later',
    'data times=1: reply 451 4.3.0 Later',
    'dot times=1: reply 452 4.3.1 Later',
    'dot times=1: reply 421 4.3.2 Closing',
    'mail times=1: drop',
    'rcpt times=1: reset',
    'rcpt times=1: half-drop 250 2.1.5 Ok',
])
def test_deferred_and_then_delivered(relay, script):
    postern, host, send = relay(script)
    send()
    postern.wait_for_log('event=deferred', 'profile=upstream')
    message = host.wait_for(1)[0]
    assert message.body.endswith(MESSAGE.split(b'\r\n\r\n')[1])
    postern.wait_until_queue_is(0)
    assert 'event=bounced' not in postern.log()


def test_lost_before_the_final_dot(relay):
    postern, host, send = relay('body times=1: drop')
    send(message=LARGE)
    postern.wait_for_log('event=deferred', 'profile=upstream')
    assert len(host.wait_for(1)[0].body) > 3_000_000
    assert 'event=uncertain' not in postern.log()


LARGE = MESSAGE + b'a line of a body that takes its time\r\n' * 100_000
# Of chunks the replies to all that were said are awaited, so there is no stall.
MID_BODY = pytest.mark.parametrize('way,extensions', [
    ('drop', EXTENSIONS), ('read', EXTENSIONS), ('stall', EXTENSIONS), ('drop', CHUNKING), ('read', CHUNKING),
], ids=['drop', 'read', 'stall', 'drop-bdat', 'read-bdat'])


@MID_BODY
@pytest.mark.parametrize('tls', ['none', 'implicit'])
def test_refused_for_good_in_the_middle_of_the_body(relay, way, extensions, tls):
    """What was said before the connection ended counts: it isn't tried again."""
    options = ('--tls-verify', 'no') if tls != 'none' else ()
    postern, host, send = relay(f'body times=1: reply-{way} 552 5.3.4 Too big', '--tls', tls, *options,
                                tls=tls, extensions=extensions)
    send(message=LARGE)
    assert 'Too big' in str(postern.wait_for_log('event=bounced', 'code=552'))
    notice = host.wait_for(1)[0]
    assert notice.sender == '' and notice.recipients == ['a@example.com']
    postern.wait_until_queue_is(0)
    assert 'event=deferred' not in postern.log() and len(host.messages) == 1
    assert len(host.connections) == 2       # the second is the notice's


@MID_BODY
def test_refused_for_now_in_the_middle_of_the_body(relay, way, extensions):
    postern, host, send = relay(f'body times=1: reply-{way} 451 4.3.0 No room', extensions=extensions)
    send(message=LARGE)
    assert 'No room' in str(postern.wait_for_log('event=deferred', 'code=451'))
    assert len(host.wait_for(1)[0].body) > 3_000_000
    postern.wait_until_queue_is(0)
    assert 'event=bounced' not in postern.log() and 'event=uncertain' not in postern.log()
    assert len(host.messages) == 1


def test_refused_in_the_middle_of_a_body_that_is_read_to_its_end(relay):
    """The dot would be answered too, even so that the message was taken: it is not sent."""
    postern, host, send = relay('body times=1: reply 552 5.3.4 Too big')
    send(message=LARGE)
    postern.wait_for_log('event=bounced', 'code=552')
    postern.wait_until_queue_is(0)
    assert [message.sender for message in host.messages] == ['']


@pytest.mark.parametrize('script,code', [
    ('mail match=<a@: reply 550 5.7.1 Never', '550'),
    ('rcpt match=<b@: reply 550 5.1.1 Unknown', '550'),
    ('data times=1: reply 554 5.3.0 Never', '554'),
    ('dot times=1: reply 554 5.6.0 Never', '554'),
])
def test_refused_for_good(relay, script, code):
    postern, host, send = relay(script)
    send()
    postern.wait_for_log('event=bounced', f'code={code}')
    notice = host.wait_for(1)[0]        # to the sender, by the same way
    assert notice.sender == '' and notice.recipients == ['a@example.com']


def test_one_recipient_of_three(relay):
    postern, host, send = relay('rcpt match=<c@: reply 550 5.1.1 Unknown')
    send(TO)
    assert host.wait_for(1)[0].recipients == [TO[0], TO[2]]
    line = postern.wait_for_log('event=bounced', 'profile=upstream')
    assert TO[1] in str(line)


@pytest.mark.parametrize('script', ['dot times=1: drop', 'dot times=1: accept-drop'])
def test_lost_after_the_final_dot_is_uncertain(relay, script):
    postern, host, send = relay(script)
    send()
    postern.wait_for_log('event=uncertain', 'profile=upstream')
    host.wait_for(2 if 'accept' in script else 1)
    postern.wait_until_queue_is(0)


@pytest.mark.parametrize('script,options,words', [
    ('banner: reply 421 4.3.2 Full', (), 'Full'),
    ('banner: reply 554 5.7.1 No', (), 'turned the connection away'),
    ('banner: silent', ('--timeout', '1s'), 'set tls to implicit'),
    ('banner: drop', (), 'no greeting'),
    ('ehlo: silent', ('--timeout', '1s'), 'ehlo'),
])
def test_no_way_in_is_the_profiles_problem(relay, script, options, words):
    postern, host, send = relay(script, *options)
    send()
    assert postern.ctl('profile', 'show', 'upstream')

    def problem():
        profile = postern.ctl('profile', 'show', 'upstream')
        return profile['last_error'] and words in profile['last_error']
    wait_until(problem, f'last_error has {words}')
    assert len(postern.queued()) == 1 and 'event=bounced' not in postern.log()
    host.set_script('')
    postern.ctl('profile', 'resume', 'upstream')
    host.wait_for(1)


@pytest.mark.parametrize('script,tls,words', [
    ('tls: garbage', 'starttls', 'encryption failed'),
    ('tls: drop', 'implicit', 'encryption failed'),
    ('starttls: inject 250 2.0.0 Ok\\r\\n', 'starttls', 'injected'),
    ('', 'starttls', 'certificate'),
    ('starttls: reply 454 4.7.0 No', 'starttls', '454'),
])
def test_tls_that_fails_stops_the_mail_and_not_for_good(relay, script, tls, words):
    postern, host, send = relay(script, '--tls', tls, tls=tls)
    send()

    def problem():
        profile = postern.ctl('profile', 'show', 'upstream')
        return profile['last_error'] and words in profile['last_error']
    wait_until(problem, f'last_error has {words}')
    assert len(postern.queued()) == 1 and host.messages == []
