"""A user sends only as the senders it is authorized for; alerts say who tried."""
import pytest

from posternd import CtlError

RECIPIENT = 'customer@example.net'


@pytest.fixture
def ready(postern):
    postern.maildir = postern.add_capture()
    postern.user = postern.add_user('shop', '--domains', 'example.com; *.example.org',
                                    '--senders', 'one@example.net')
    return postern


def attempt(postern, envelope, header):
    """What the client hears: the code at MAIL, or the one at the end of the data."""
    with postern.client(postern.user) as client:
        code, answer = client.mail(envelope)
        if code != 250:
            return 'mail', code, answer
        client.rcpt(RECIPIENT)
        return 'data', *client.data(header + b'Subject: x\r\n\r\nhello\r\n')


@pytest.mark.parametrize('envelope, header, where, code', [
    ('a@example.com', b'From: <a@example.com>\r\n', 'data', 250),
    ('A@EXAMPLE.com', b'From: <b@Example.COM>\r\n', 'data', 250),
    ('a@b.example.org', b'From: <a@c.d.example.org>\r\n', 'data', 250),
    ('one@example.net', b'From: One <one@example.net>\r\n', 'data', 250),
    ('', b'From: <a@example.com>\r\n', 'data', 250),
    ('a@example.com', b'', 'data', 250),
    ('a@example.com', b'From: <a@example.com>, <one@example.net>\r\nSender: a@example.com\r\n',
     'data', 250),
    ('a@evil.example', b'From: <a@example.com>\r\n', 'mail', 550),
    ('a@example.org', b'From: <a@example.com>\r\n', 'mail', 550),
    ('a@sub.example.com', b'From: <a@example.com>\r\n', 'mail', 550),
    ('two@example.net', b'From: <a@example.com>\r\n', 'mail', 550),
    ('a@example.com', b'From: <a@evil.example>\r\n', 'data', 550),
    ('a@example.com', b'From: <a@example.com>, <b@evil.example>\r\n', 'data', 550),
    ('a@example.com', b'From: <a@example.com>\r\nSender: <b@evil.example>\r\n', 'data', 550),
    ('a@example.com', b'From: <a@example.com>\r\nFrom: <a@example.com>\r\n', 'data', 550),
    ('a@example.com', b'From: not an address\r\n', 'data', 550),
    ('', b'', 'data', 550),
])
def test_block(ready, envelope, header, where, code):
    got = attempt(ready, envelope, header)
    assert got[:2] == (where, code), got
    if code == 250:
        ready.captured(ready.maildir)
        assert ready.ctl('alert', 'ls') == []
        return
    assert got[2].startswith(b'5.7.1') and b'not authorized' in got[2]
    assert b'shop' in got[2]
    assert ready.queued() == []
    ready.wait_for_log('event=blocked', 'user=shop')
    alerts = ready.ctl('alert', 'ls')
    assert [(alert['user'], alert['list'], alert['count']) for alert in alerts] == [
        ('shop', 'web', 1)]


def test_alert_lets_it_pass(ready):
    ready.ctl('list', 'set', 'web', '--unauthorized', 'alert')
    assert attempt(ready, 'a@evil.example', b'From: <a@evil.example>\r\n')[1] == 250
    ready.captured(ready.maildir)
    assert 'evil.example' in ready.ctl('alert', 'ls')[0]['address']
    ready.wait_for_log('event=alert', 'user=shop')


def test_alerts_are_counted_and_acknowledged(ready):
    for _ in range(3):
        attempt(ready, 'a@evil.example', b'')
    attempt(ready, 'b@evil.example', b'')
    alerts = {alert['address']: alert for alert in ready.ctl('alert', 'ls')}
    assert {address: alert['count'] for address, alert in alerts.items()} == {
        'a@evil.example': 3, 'b@evil.example': 1}
    ready.ctl('alert', 'ack', alerts['a@evil.example']['id'])
    left = ready.ctl('alert', 'ls', '--unacknowledged')
    assert [alert['address'] for alert in left] == ['b@evil.example']
    ready.ctl('alert', 'ack', '--all')
    assert ready.ctl('alert', 'ls', '--unacknowledged') == []
    assert len(ready.ctl('alert', 'ls')) == 2


@pytest.mark.parametrize('check, envelope, header, code', [
    ('header', 'bounce+x@vendor.example', b'From: <a@example.com>\r\n', 250),
    ('header', 'a@example.com', b'From: <a@evil.example>\r\n', 550),
    ('header', 'a@example.com', b'', 550),
    ('envelope', 'a@example.com', b'From: <a@evil.example>\r\n', 250),
    ('envelope', 'a@evil.example', b'From: <a@example.com>\r\n', 550),
])
def test_check_narrows_it_to_one_side(ready, check, envelope, header, code):
    ready.ctl('user', 'set', 'shop', '--check', check)
    assert attempt(ready, envelope, header)[1] == code


def test_without_rules_any_sender_goes(ready):
    ready.ctl('user', 'set', 'shop', '--domains', '', '--senders', '')
    assert attempt(ready, 'x@anywhere.example', b'From: <y@elsewhere.example>\r\n')[1] == 250


def test_a_change_reaches_an_open_session(ready):
    with ready.client(ready.user) as client:
        assert client.mail('a@example.com')[0] == 250
        client.rset()
        ready.ctl('user', 'set', 'shop', '--domains', 'other.example')
        assert client.mail('a@example.com')[0] == 550
        client.rset()
        assert client.mail('a@other.example')[0] == 250


def test_separators_alone_do_not_open_a_user_to_any_sender(ready):
    for option in ('--domains', '--senders'):
        with pytest.raises(CtlError, match='has separators but no item'):
            ready.ctl('user', 'set', 'shop', option, ' ; , ')
    assert attempt(ready, 'a@evil.example', b'')[:2] == ('mail', 550)
    done = ready.run_ctl('user', 'set', 'shop', '--domains', '', '--senders', '')
    assert done.returncode == 0
    assert done.stderr == 'posternctl: warning: shop may now send as anybody\n'
    assert attempt(ready, 'a@evil.example', b'')[1] == 250
