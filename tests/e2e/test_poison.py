"""Words that whoever sends mail chooses, and that an upstream repeats, stop nobody else's mail."""
import pytest
from posternd import wait_until

RETRY = 'queue = { retry = "1s 1s 1s"; };'
REPLIES = {
    'bob@two-factor.com': '550 5.1.1 <bob@two-factor.com>: Recipient address rejected: User '
                          'unknown in virtual mailbox table',
    'app-password@example.net': '550 No such user - app-password',
    '"authentication required"@example.net': '554 5.7.1 <"authentication required"@example.net>: '
                                             'Relay access denied',
    'throttle@example.net': '550 Unknown user throttle@example.net, try again in 23 hours',
}


@pytest.fixture
def crowd(make_postern, make_upstream):
    """Two users of one upstream: (postern, host, send), where send takes the user's number."""
    def make(script):
        postern, host = make_postern(config=RETRY), make_upstream(script)
        postern.add_upstream(host, 'upstream')
        users = [postern.add_user('mallory'), postern.add_user('other')]

        def send(number, *to, subject='x'):
            with postern.client(users[number]) as client:
                client.sendmail('a@example.com', list(to),
                                f'Subject: {subject}\r\n\r\nbody\r\n'.encode())
        return postern, host, send
    return make


def fates(postern, address):
    return [story['fate'] for story in postern.ctl('track', '--to', address)]


def test_addresses_bounce_their_own_mail_alone(crowd):
    script = '\n'.join(f'rcpt match={address.split()[0]}: reply {reply}'
                       for address, reply in REPLIES.items())
    postern, host, send = crowd(script)
    for number, address in enumerate(REPLIES):
        send(0, address)
        wait_until(lambda to=address: fates(postern, to) == ['bounced'], f'{address} bounces')
        send(1, f'c{number}@example.net')
        wait_until(lambda to=f'c{number}@example.net': fates(postern, to) == ['delivered'],
                   'the other mail goes')
    assert postern.ctl('profile', 'show', 'upstream')['state'] == 'ok'
    assert 'event=profile-stopped' not in postern.log()
    assert 'event=rate-limited' not in postern.log()


def test_what_one_message_alone_hears_stops_nobody_for_long(crowd):
    # Words that nothing marks as repeated: they are taken for the upstream's own.
    postern, host, send = crowd('rcpt match=<odd@: reply 550 5.7.1 we like no daily limit today')
    postern.expect_trouble('rate-limited')
    send(0, 'odd@example.net')
    wait_until(lambda: postern.ctl('profile', 'show', 'upstream')['state'] == 'limited',
               'the account waits')
    send(1, 'b@example.net')

    def resume():
        postern.ctl('profile', 'resume', 'upstream')
        return 'rule=message-alone' in postern.log()
    wait_until(resume, 'the message waits alone')
    wait_until(lambda: fates(postern, 'b@example.net') == ['delivered'], 'the other mail goes')
    assert 'event=bounced' not in postern.log()
    wait_until(lambda: 'message-alone' in [alert['kind'] for alert in postern.ctl('alert', 'ls')],
               'an operator is told')
