"""What a user may send in an hour and a day: counted across processes, kills and restarts."""
import os
import re
import signal
import smtplib
import threading
from datetime import datetime, timezone

import pytest

from posternd import PATIENCE_S, wait_until

REACHED = re.compile(r'4\.7\.1 Limit of user (\w+) reached, again after '
                     r'(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)')
TRUSTED = 'trusted = ( { network = "127.0.0.1"; user = "shop"; } );'


def recipients(count, prefix='r'):
    return [f'{prefix}{i}@example.net' for i in range(count)]


def send(postern, user, count=1, client=None):
    """The code of the refusal and its text, or 250."""
    try:
        if client is not None:
            client.sendmail('a@example.com', recipients(count), b'Subject: s\r\n\r\nbody\r\n')
        else:
            with postern.client(user) as own:
                own.sendmail('a@example.com', recipients(count), b'Subject: s\r\n\r\nbody\r\n')
    except smtplib.SMTPSenderRefused as refusal:
        return refusal.smtp_code, 'MAIL ' + refusal.smtp_error.decode()
    except smtplib.SMTPRecipientsRefused as refusals:
        code, text = list(refusals.recipients.values())[0]
        return code, 'RCPT ' + text.decode()
    except smtplib.SMTPDataError as refusal:
        return refusal.smtp_code, 'DATA ' + refusal.smtp_error.decode()
    return 250, ''


def alerts(postern):
    return {alert['kind']: alert for alert in postern.ctl('alert', 'ls')}


def race(postern, user, sessions, tries):
    """So many sessions at once, each with so many messages; how many were accepted."""
    outcomes, start = [], threading.Barrier(sessions, timeout=PATIENCE_S)

    def run():
        with postern.client(user) as client:
            start.wait()
            for _ in range(tries):
                outcomes.append(send(postern, user, client=client))
                client.rset()
    threads = [threading.Thread(target=run) for _ in range(sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == sessions * tries
    assert {code for code, _ in outcomes} <= {250, 450}
    return [code for code, _ in outcomes].count(250)


def test_last_place_is_given_once_and_is_not_forgotten(make_postern):
    """Sessions on two processes race; then queue is killed, then all is stopped and started."""
    postern = make_postern(smtpd_processes=2)
    postern.add_capture()
    user = postern.add_user('shop', '--messages', '25/h')
    postern.expect_trouble('role queue .*ended by signal 9|event=role-restarted')
    assert race(postern, user, sessions=8, tries=2) == 16
    before = postern.roles()['queue']
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: postern.roles()['queue'] not in (None, 0, before) and postern.is_ready(),
               'queue is back')
    wait_until(lambda: postern.ctl('user', 'show', 'shop')['messages_used_hour'] == 16, 'counts')
    assert race(postern, user, sessions=8, tries=2) == 9
    postern.restart()
    shown = postern.ctl('user', 'show', 'shop')
    assert (shown['messages_used_hour'], shown['messages_left_hour']) == (25, 0)
    assert shown['limited_until'] is not None
    code, text = send(postern, user)
    assert code == 450 and text.startswith('MAIL ')
    login, until = REACHED.search(text).groups()
    wait_s = (datetime.fromisoformat(until.replace('Z', '+00:00'))
              - datetime.now(timezone.utc)).total_seconds()
    assert login == 'shop' and 3500 < wait_s <= 3660
    assert until == shown['limited_until']
    postern.ctl('user', 'set', 'shop', '--messages', '26/h')
    assert wait_until(lambda: send(postern, user)[0] == 250, 'the new limit holds')
    assert len(postern.log_lines('event=accepted')) == 26


def test_operators_hear_of_it_at_80_percent_and_at_the_end(make_postern):
    postern = make_postern(config='limits = { user_messages = "10/d"; };')
    postern.add_capture()
    user = postern.add_user('shop')
    with postern.client(user) as client:
        for _ in range(7):
            assert send(postern, user, client=client) == (250, '')
        assert alerts(postern) == {}
        for _ in range(2):
            assert send(postern, user, client=client) == (250, '')
        near = wait_until(lambda: alerts(postern).get('user-limit-near'), 'the alert')
        assert near['user'] == 'shop' and near['count'] == 1
        assert near['detail'] == '8 of 10 messages in a day'
        assert send(postern, user, client=client) == (250, '')
        assert send(postern, user, client=client)[0] == 450
    reached = wait_until(lambda: alerts(postern).get('user-limit'), 'the alert')
    assert reached['detail'] == '10 of 10 messages in a day'
    shown = postern.ctl('user', 'show', 'shop')
    assert shown['messages_left_day'] == 0 and shown['messages_left_hour'] is None
    postern.ctl('user', 'set', 'shop', '--messages', 'none')
    assert wait_until(lambda: send(postern, user)[0] == 250, 'no limit holds')


def test_recipients_beyond_are_for_the_next_message(make_postern):
    """452 at RCPT, so that a message with many recipients gets through in portions."""
    postern = make_postern(smtpd_processes=2)
    postern.add_capture()
    user = postern.add_user('shop', '--recipients', '5/h')
    assert send(postern, user, 3)[0] == 250
    with postern.client(user) as client:
        client.ehlo()
        assert client.mail('a@example.com')[0] == 250
        codes = [client.rcpt(address)[0] for address in recipients(4)]
        assert codes == [250, 250, 452, 452]
        assert client.data(b'Subject: s\r\n\r\nbody\r\n')[0] == 250
    assert send(postern, user)[0] == 450


def test_more_than_the_limit_at_once(make_postern):
    """Nobody knew at RCPT: the whole message is refused, and the next try hears it in time."""
    postern = make_postern()
    postern.add_capture()
    user = postern.add_user('shop', '--recipients', '3/h')
    code, text = send(postern, user, 4)
    assert code == 450 and REACHED.search(text) and text.startswith('DATA ')
    assert postern.queued() == [] and not postern.log_lines('event=accepted')
    with postern.client(user) as client:
        assert client.sendmail('a@example.com', recipients(4), b'Subject: s\r\n\r\nx\r\n').keys() \
            == {'r3@example.net'}


def test_held_until_an_operator_or_the_limit_lets_it_go(make_postern):
    postern = make_postern(config=TRUSTED)
    caught = postern.add_capture()
    postern.add_user('shop', '--messages', '2/h', '--over-limit', 'hold')
    with postern.client(tls='none') as client:
        for _ in range(5):
            assert send(postern, None, client=client) == (250, '')
    assert len(postern.captured(caught, 2)) == 2
    held = postern.queued('--state', 'held')
    assert [row['reason'] for row in held] == ["over the user's limit"] * 3
    assert len(postern.log_lines('event=held', "user's limit")) == 3
    postern.ctl('queue', 'release', held[0]['id'])
    assert len(postern.captured(caught, 3)) == 3
    postern.restart()
    assert len(postern.queued('--state', 'held')) == 2
    assert postern.ctl('user', 'show', 'shop')['has_held'] is True
    postern.ctl('user', 'set', 'shop', '--messages', '3/h')
    assert len(postern.captured(caught, 4)) == 4
    wait_until(lambda: postern.ctl('user', 'show', 'shop')['messages_used_hour'] == 3, 'counted')
    assert len(postern.queued('--state', 'held')) == 1
    postern.ctl('user', 'set', 'shop', '--messages', 'none')
    postern.captured(caught, 5)
    wait_until(lambda: postern.queued() == [], 'nothing is held')


def test_notices_of_ours_do_not_count(make_postern, make_upstream):
    upstream = make_upstream('rcpt: reply 550 5.1.1 no such user')
    postern = make_postern()
    postern.add_upstream(upstream)
    user = postern.add_user('shop', '--messages', '5/h')
    assert send(postern, user)[0] == 250
    postern.wait_for_log('event=bounced')
    assert postern.ctl('user', 'show', 'shop')['messages_used_hour'] == 1


@pytest.mark.parametrize('option, value, message', [
    ('--messages', '5', 'messages: "5" must be none, or one or both of N/h and N/d'),
    ('--recipients', '0/h', 'recipients: "0/h" must be none'),
    ('--over-limit', 'drop', 'drop is not one of refuse, hold'),
])
def test_what_is_no_limit_is_refused(postern, option, value, message):
    postern.ctl('list', 'add', 'web')
    done = postern.run_ctl('user', 'add', 'shop', '--list', 'web', option, value)
    assert done.returncode == 1 and message in done.stderr, done.stderr
