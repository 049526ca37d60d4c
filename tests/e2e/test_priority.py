"""A message's priority: its own hints, the user's floor and limit, the order, the stamp."""
import email

import pytest

pytestmark = pytest.mark.user


def send(postern, user, header=b'', sender='a@example.com'):
    with postern.client(user) as client:
        client.sendmail(sender, ['b@example.net'], header + b'Subject: s\r\n\r\nbody\r\n')
    return postern.wait_for_log('event=accepted')[-1]


@pytest.mark.parametrize('header, priority', [
    (b'', 5), (b'Importance: high\r\n', 2), (b'Importance: low\r\n', 4),
    (b'Importance: high\r\nX-Priority: 1\r\n', 1), (b'Importance: low\r\nX-Priority: 5\r\n', 5),
    (b'Importance: normal\r\n', 3), (b'X-Priority: 1 (Highest)\r\n', 1),
    (b'X-Priority: 4\r\n', 4), (b'X-MSMail-Priority: High\r\n', 2),
    (b'X-MSMail-Priority: Low\r\n', 4), (b'Priority: urgent\r\n', 2),
    (b'Priority: non-urgent\r\n', 4), (b'Priority: urgent\r\nX-MSMail-Priority: Low\r\n', 4),
    (b'X-Priority: 5\r\nPriority: urgent\r\n', 5),
])
def test_own(postern, header, priority):
    """The user's floor is the lowest, so that each of them is seen."""
    postern.add_capture()
    line = send(postern, postern.add_user('shop', '--priority', '5'), header)
    assert f'priority={priority} ' in line


@pytest.mark.parametrize('floor, highest, header, priority', [
    (3, 1, b'X-Priority: 5\r\n', 3), (3, 2, b'X-Priority: 1\r\n', 2),
    (2, 2, b'', 2), (4, 4, b'Importance: high\r\n', 4), (1, 1, b'Priority: non-urgent\r\n', 1),
])
def test_floor_and_limit(postern, floor, highest, header, priority):
    postern.add_capture()
    user = postern.add_user('shop', '--priority', floor, '--priority-max', highest)
    assert f'priority={priority} ' in send(postern, user, header)


def test_stamp(postern):
    caught = postern.add_capture()
    user = postern.add_user('shop', '--priority', '2', '--priority-max', '2')
    header = b'X-Priority: 5\r\nImportance: low\r\n'
    send(postern, user, header)
    assert header in postern.captured(caught)[0]
    postern.ctl('user', 'set', 'shop', '--stamp-priority', 'yes')
    send(postern, user, header)
    stamped = next(text for text in postern.captured(caught, 2) if header not in text)
    message = email.message_from_bytes(stamped)
    assert message.get_all('X-Priority')[0].startswith('2')
    assert [value.lower() for value in message.get_all('Importance')] == ['high']


def test_trusted_network_has_its_users_rules(make_postern):
    """Without AUTH the client is the user of its network, with that user's senders and priority."""
    postern = make_postern(config='trusted = ( { network = "127.0.0.1"; user = "local"; } );')
    postern.add_capture()
    postern.add_user('local', '--priority', '2', '--senders', 'a@example.com')
    with postern.client(tls='none') as client:
        client.ehlo()
        assert client.mail('evil@example.net')[0] == 550
        client.rset()
        client.sendmail('a@example.com', ['b@example.net'], b'Subject: s\r\n\r\nb\r\n')
        assert 'priority=2' in postern.wait_for_log('event=accepted', 'user=local')[0]
        postern.ctl('user', 'set', 'local', '--priority', '1', '--senders', 'new@example.com')
        assert client.mail('a@example.com')[0] == 550
        client.rset()
        client.sendmail('new@example.com', ['b@example.net'], b'Subject: s\r\n\r\nb\r\n')
        assert 'priority=1' in postern.wait_for_log('event=accepted', count=2)[-1]
        postern.ctl('user', 'set', 'local', '--active', 'no')
        assert client.mail('new@example.com')[0] == 530
