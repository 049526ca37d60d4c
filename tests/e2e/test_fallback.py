"""What becomes of a profile's mail while it can send nothing, if it has a fallback."""
import types

import pytest

from posternd import CtlError, free_ports, wait_until


def send(postern, user, sender='a@example.com'):
    message = f'From: {sender}\r\nSubject: x\r\n\r\nhello\r\n'.encode()
    with postern.client(user) as client:
        client.sendmail(sender, ['b@example.net'], message)


@pytest.fixture
def pair(postern, make_upstream):
    """office, whose server isn't there yet, and its fallback."""
    pair = types.SimpleNamespace(port=free_ports(1)[0], other=make_upstream())
    postern.ctl('profile', 'add', 'other', '--host', pair.other.address, '--port', pair.other.port)
    postern.ctl('profile', 'add', 'office', '--host', '127.0.0.1', '--port', pair.port, '--default',
                '--fallback', 'other', '--fallback-after', '2s')
    pair.user = postern.add_user()
    return pair


def test_mail_goes_through_the_fallback_and_comes_back(postern, pair, make_upstream):
    send(postern, pair.user)
    pair.other.wait_for(1)
    postern.wait_for_log('event=diverted', 'profile=office', 'state=begun', 'other')
    postern.wait_until_queue_is(0)
    story = postern.ctl('track', '--user', 'shop')[0]
    assert 'profile=other' in postern.wait_for_log('event=delivered')[0]
    assert 'other' in str(story)
    answer = postern.ctl('explain', '--user', 'shop', '--from', 'a@example.com')
    assert (answer['profile'], answer['fallback'], answer['through']) == (
        'office', 'other', 'other')
    assert 'just now its mail goes through other' in postern.run_ctl(
        'explain', '--user', 'shop', '--from', 'a@example.com').stdout
    office = make_upstream(port=pair.port)
    # What comes when it is time looks; until then it goes through the fallback.
    def is_back():
        send(postern, pair.user)
        postern.wait_until_queue_is(0)
        return office.messages
    wait_until(is_back, 'office is used again', 60)
    postern.wait_for_log('event=diverted', 'profile=office', 'state=ended')
    count = len(pair.other.messages)
    send(postern, pair.user)
    office.wait_for(2)
    assert len(pair.other.messages) == count


def test_what_waits_says_so(postern, pair):
    postern.ctl('profile', 'pause', 'other')
    send(postern, pair.user)
    postern.wait_for_log('event=profile-stopped', 'profile=office')
    assert postern.queued()[0]['profile'] == 'office'
    postern.ctl('profile', 'set', 'other', '--rate', '1/d')
    postern.ctl('profile', 'resume', 'other')
    send(postern, pair.user)
    pair.other.wait_for(1)
    # The fallback's own rates hold.
    waiting = wait_until(lambda: len(postern.queued('--profile', 'other')) == 1
                         and postern.queued('--profile', 'other'), 'one waits there')[0]
    assert waiting['reason'] == 'its profile office can send nothing just now: the fallback takes it'


def test_refused_login_goes_elsewhere_but_for_whom_that_is_not(postern, make_upstream):
    office, other = make_upstream(auth=('PLAIN',)), make_upstream()
    shop, crm = postern.add_user('shop'), postern.add_user('crm', list_name='crm')
    postern.ctl('profile', 'add', 'other', '--host', other.address, '--port', other.port,
                '--available', 'web')
    postern.add_upstream(office, 'office', '--tls', 'none', '--username', 'user',
                         '--password-stdin', '--fallback', 'other', stdin='wrong\n')
    send(postern, crm, 'crm@example.com')
    postern.wait_for_log('event=profile-stopped', 'profile=office')
    send(postern, shop, 'shop@example.com')
    assert other.wait_for(1)[0].sender == 'shop@example.com'
    postern.wait_until_queue_is(1)
    assert [message['user'] for message in postern.queued()] == ['crm']
    postern.ctl('profile', 'set', 'office', '--password-stdin', stdin='secret\n')
    assert office.wait_for(1)[0].sender == 'crm@example.com'
    assert len(other.messages) == 1


def test_loop_is_refused(postern, pair):
    with pytest.raises(CtlError, match='a loop is not allowed'):
        postern.ctl('profile', 'set', 'other', '--fallback', 'office')
    with pytest.raises(CtlError, match='overflow: needs a fallback'):
        postern.ctl('profile', 'set', 'other', '--overflow', 'yes')
    with pytest.raises(CtlError, match='in use'):
        postern.ctl('profile', 'rm', 'other')


def test_own_rate_overflows(postern, make_upstream):
    office, other = make_upstream(), make_upstream()
    postern.ctl('profile', 'add', 'other', '--host', other.address, '--port', other.port)
    postern.add_upstream(office, 'office', '--rate', '2/d', '--fallback', 'other', '--overflow',
                         'yes')
    user = postern.add_user()
    for _ in range(5):
        send(postern, user)
    office.wait_for(2)
    other.wait_for(3)
    assert len(office.messages) == 2
