"""The notice that a sender gets when a recipient failed: one, in the form of RFC 3464."""
import email
import email.policy
import email.utils

import pytest

from posternd import notices

HEADERS = (b'Message-ID: <order-42@example.com>\r\nDate: Sun, 01 Mar 2026 12:31:04 +0000\r\n'
           b'From: Shop <shop@example.com>\r\nTo: a@example.net, b@example.net\r\n'
           b'Subject: order 42\r\nX-Folded: one\r\n two\r\n\tthree\r\n')
REFUSAL = 'rcpt match=<b@: reply 550 5.1.1 <b@example.net>: no such mailbox here'

pytestmark = pytest.mark.user


@pytest.fixture
def relaying(postern, make_upstream):
    postern.host = make_upstream(REFUSAL, name='mx.example.net')
    postern.add_upstream(postern.host)
    postern.user = postern.add_user()
    return postern


def send(postern, *recipients, sender='shop@example.com', message=HEADERS + b'\r\nsecret body\r\n',
         options=()):
    with postern.client(postern.user) as client:
        client.ehlo()
        client.sendmail(sender, recipients, message, mail_options=options)


def parse(notice):
    assert b'\n' not in notice.body.replace(b'\r\n', b'')
    return email.message_from_bytes(notice.body, policy=email.policy.SMTP)


def test_form(relaying):
    send(relaying, 'a@example.net', 'b@example.net')
    got, = notices(relaying)
    assert got.mail.startswith(b'MAIL FROM:<>') and got.recipients == ['shop@example.com']
    notice = parse(got)
    assert notice.defects == []
    assert notice.get_content_type() == 'multipart/report'
    assert notice.get_param('report-type') == 'delivery-status'
    assert notice['Auto-Submitted'] in ('auto-replied', 'auto-generated')
    assert notice['To'] == 'shop@example.com'
    assert notice['From'].addresses[0].addr_spec == 'MAILER-DAEMON@relay.example'
    assert notice['Message-ID'] and notice['Message-ID'] != '<order-42@example.com>'
    assert notice['In-Reply-To'] == '<order-42@example.com>'
    assert email.utils.parsedate_to_datetime(notice['Date'])
    assert notice['Subject']
    words, status, header = notice.iter_parts()
    assert words.get_content_type() == 'text/plain'
    text = words.get_content()
    assert 'b@example.net' in text and 'no such mailbox here' in text and 'order 42' in text
    assert 'a@example.net' not in text
    assert header.get_content_type() == 'text/rfc822-headers'
    assert HEADERS.replace(b'\r\n', b'\n') in got.body.replace(b'\r\n', b'\n')
    assert b'secret body' not in got.body


def test_status_of_each_recipient(relaying):
    send(relaying, 'a@example.net', 'b@example.net', 'b@example.org')
    _, status, _ = parse(notices(relaying)[0]).iter_parts()
    assert status.get_content_type() == 'message/delivery-status'
    message, *recipients = status.get_payload()
    assert message['Reporting-MTA'] == 'dns; relay.example'
    assert email.utils.parsedate_to_datetime(message['Arrival-Date'])
    assert [r['Final-Recipient'] for r in recipients] == [
        'rfc822; b@example.net', 'rfc822; b@example.org']
    for recipient in recipients:
        assert recipient['Action'] == 'failed'
        assert recipient['Status'] == '5.1.1'
        assert recipient['Diagnostic-Code'] == (
            'smtp; 550 5.1.1 <b@example.net>: no such mailbox here')
        assert recipient['Remote-MTA'] == 'dns; 127.0.0.1'
    relaying.wait_for_log('event=bounced', 'to=<b@example.org>')


def test_null_sender_gets_none(relaying):
    send(relaying, 'b@example.net', sender='')
    relaying.wait_for_log('event=bounced', 'to=<b@example.net>')
    relaying.wait_until_queue_is(0)
    send(relaying, 'a@example.net')
    relaying.host.wait_for(1)
    relaying.wait_until_queue_is(0)
    assert [message.sender for message in relaying.host.messages] == ['shop@example.com']
    kinds = {alert['kind'] for alert in relaying.ctl('alert', 'ls')}
    assert 'undeliverable' in kinds


def test_notice_that_fails_makes_no_other(relaying):
    relaying.host.set_script('rcpt: reply 550 5.1.1 nobody here')
    send(relaying, 'b@example.net')
    relaying.wait_for_log('event=bounced', 'to=<b@example.net>')
    relaying.wait_for_log('event=bounced', 'to=<shop@example.com>')
    relaying.wait_until_queue_is(0)
    assert len(relaying.log_lines('event=bounced')) == 2


def test_bounce_sender_where_the_null_one_is_refused(relaying):
    """It is the sender of notices, and what comes to it or from it counts as one."""
    relaying.ctl('profile', 'set', 'upstream', '--bounce-sender', 'bounce@example.com')
    relaying.host.set_script('mail match=<>: reply 553 5.1.7 No null sender here\n'
                             'rcpt match=<b: reply 550 5.1.1 nobody here')
    send(relaying, 'b@example.net')
    relaying.host.wait_for(1)
    got, = relaying.host.messages
    assert got.sender == 'bounce@example.com' and got.recipients == ['shop@example.com']
    assert parse(got)['From'].addresses[0].addr_spec == 'bounce@example.com'
    send(relaying, 'bounce@example.com', sender='')
    send(relaying, 'b@example.net', sender='Bounce@example.com')
    send(relaying, 'bounce@example.com')
    relaying.wait_for_log('event=bounced', count=4)
    relaying.wait_until_queue_is(0)
    assert len(relaying.host.messages) == 1
    failed = {alert['address'] for alert in relaying.ctl('alert', 'ls')
              if alert['kind'] == 'undeliverable'}
    assert failed == {'bounce@example.com', 'b@example.net'}


def test_notice_is_kept_while_the_upstream_is_away(relaying):
    relaying.host.set_script(REFUSAL + '\nmail match=<>: reply 451 4.3.0 Later')
    send(relaying, 'b@example.net')
    relaying.wait_until_queue_is(1, '--state', 'deferred')
    relaying.restart()
    assert len(relaying.queued()) == 1
    relaying.host.set_script(REFUSAL)
    relaying.ctl('queue', 'retry', '--all')
    notices(relaying)


def test_without_notices(make_postern, make_upstream):
    postern = make_postern(config='queue = { bounce = false; };')
    postern.host = make_upstream(REFUSAL)
    postern.add_upstream(postern.host)
    postern.user = postern.add_user()
    send(postern, 'b@example.net')
    postern.wait_for_log('event=bounced')
    postern.wait_until_queue_is(0)
    assert postern.host.messages == []
    assert postern.ctl('alert', 'ls')[0]['kind'] == 'undeliverable'


def test_expired(make_postern, make_upstream):
    postern = make_postern(config='queue = { lifetime = "1s"; retry = "1s"; };')
    postern.host = make_upstream('rcpt match=<b@: reply 450 4.2.0 Mailbox busy')
    postern.add_upstream(postern.host)
    postern.user = postern.add_user()
    send(postern, 'a@example.net', 'b@example.net')
    _, status, _ = parse(notices(postern)[0]).iter_parts()
    recipient = status.get_payload()[1]
    assert recipient['Final-Recipient'] == 'rfc822; b@example.net'
    assert recipient['Status'] == '4.4.7'
    assert 'Mailbox busy' in recipient['Diagnostic-Code']
    postern.wait_for_log('event=deferred', 'to=<b@example.net>')
    postern.wait_for_log('event=expired', 'to=<b@example.net>')


def test_delay(make_postern, make_upstream):
    """Once, of those that still wait, with their last answer and until when they are tried."""
    postern = make_postern(config='queue = { delay_warning = "1s"; lifetime = "2d"; };')
    postern.host = make_upstream('rcpt match=<b@: reply 450 4.2.0 Mailbox busy')
    postern.add_upstream(postern.host)
    postern.user = postern.add_user()
    with postern.client(postern.user) as client:
        client.ehlo()
        client.mail('shop@example.com', ['RET=FULL', 'ENVID=QQ+2B1'])
        client.rcpt('a@example.net')
        client.rcpt('b@example.net', ['ORCPT=rfc822;sales+2Beu@example.com', 'NOTIFY=DELAY,FAILURE'])
        client.rcpt('b@example.org', ['NOTIFY=FAILURE'])
        client.rcpt('b@example.com')
        client.data(HEADERS + b'\r\nsecret body\r\n')
    postern.wait_for_log('event=delayed', 'from=<shop@example.com>', 'recipients=2')
    postern.wait_until_queue_is(1)
    got, = (message for message in postern.host.messages if message.sender == '')
    notice = parse(got)
    assert notice.defects == [] and notice['Auto-Submitted'] == 'auto-replied'
    words, status, header = notice.iter_parts()
    assert header.get_content_type() == 'text/rfc822-headers' and b'secret body' not in got.body
    assert 'Mailbox busy' in words.get_content()
    message, *recipients = status.get_payload()
    assert message['Original-Envelope-Id'] == 'QQ+1'
    assert [r['Final-Recipient'] for r in recipients] == [
        'rfc822; b@example.net', 'rfc822; b@example.com']
    assert recipients[0]['Original-Recipient'] == 'rfc822; sales+eu@example.com'
    arrived = email.utils.parsedate_to_datetime(message['Arrival-Date'])
    for recipient in recipients:
        assert (recipient['Action'], recipient['Status']) == ('delayed', '4.2.0')
        assert recipient['Diagnostic-Code'] == 'smtp; 450 4.2.0 Mailbox busy'
        until = email.utils.parsedate_to_datetime(recipient['Will-Retry-Until'])
        assert (until - arrived).days == 2
    postern.restart()
    postern.ctl('queue', 'retry', '--all')
    postern.wait_for_log('event=deferred', count=6)
    postern.host.set_script('')
    postern.ctl('queue', 'retry', '--all')
    assert notices(postern) == [got]


def test_delay_while_the_profile_is_stopped(make_postern, make_upstream):
    """Nothing is tried, and the notice has a way of its own."""
    postern = make_postern(config='queue = { delay_warning = "1s"; notice_profile = "spare"; };')
    postern.expect_trouble('profile-stopped|no profile spare')
    spare = postern.add_capture('spare')
    postern.host = make_upstream('auth: reply 535 5.7.8 Wrong password', auth=('PLAIN',))
    postern.add_upstream(postern.host, 'upstream', '--tls', 'none', '--auth', 'plain', '--username', 'u',
                         '--password-stdin', stdin='wrong\n')
    postern.user = postern.add_user()
    send(postern, 'a@example.net')
    text, = postern.captured(spare)
    assert b'Action: delayed' in text and b"can't be used" in text
    assert b'Wrong password' not in text


@pytest.mark.parametrize('on_expiry', ['hold', 'bounce'])
def test_lifetime_ends_while_the_profile_is_stopped(make_postern, make_upstream, on_expiry):
    postern = make_postern(config=f'queue = {{ lifetime = "1s"; on_expiry = "{on_expiry}"; '
                                  'delay_warning = "0"; notice_profile = "spare"; };')
    postern.expect_trouble('profile-stopped|no profile spare')
    spare = postern.add_capture('spare')
    postern.host = make_upstream('auth: reply 535 5.7.8 Wrong password', auth=('PLAIN',))
    postern.add_upstream(postern.host, 'upstream', '--tls', 'none', '--auth', 'plain',
                         '--username', 'user', '--password-stdin', stdin='secret\n')
    postern.user = postern.add_user()
    send(postern, 'a@example.net', 'b@example.net')
    postern.wait_for_log('event=profile-stopped')
    if on_expiry == 'bounce':
        notice = email.message_from_bytes(postern.captured(spare)[0])
        message, *recipients = notice.get_payload(1).get_payload()
        assert [(r['Action'], r['Status']) for r in recipients] == [('failed', '4.4.7')] * 2
        postern.wait_for_log('event=expired', count=2)
        postern.wait_until_queue_is(0)
        return
    postern.expect_trouble('expired-waiting')
    postern.wait_for_log('event=alert', 'kind=expired-waiting', 'address=upstream')
    assert len(postern.queued()) == 1 and not postern.log_lines('event=expired')
    postern.host.set_script('')
    postern.ctl('profile', 'resume', 'upstream')
    postern.host.wait_for(1)
    postern.wait_until_queue_is(0)


def test_no_more_than_so_many(make_postern, make_upstream):
    postern = make_postern(config='queue = { notices = "2/h"; };')
    postern.host = make_upstream(REFUSAL)
    postern.add_upstream(postern.host)
    postern.user = postern.add_user()
    for _ in range(5):
        send(postern, 'b@example.net')
    postern.wait_for_log('event=bounced', 'to=<b@example.net>', count=5)
    postern.wait_until_queue_is(0)
    assert len(notices(postern, 2)) == 2
    limited, = (a for a in postern.ctl('alert', 'ls') if a['kind'] == 'notices-limited')
    assert (limited['user'], limited['count']) == ('shop', 3)


def test_unknown_notice_profile_is_warned_of(make_postern, make_upstream):
    postern = make_postern(config='queue = { notice_profile = "none"; };')
    postern.expect_trouble('there is no profile none')
    postern.host = make_upstream(REFUSAL)
    postern.add_upstream(postern.host)
    postern.user = postern.add_user()
    postern.ctl('profile', 'set', 'upstream', '--comment', 'another')
    postern.wait_for_log('queue.notice_profile: there is no profile none')
    send(postern, 'b@example.net')
    notices(postern)
    postern.ctl('profile', 'add', 'none', '--capture', 'none')
    send(postern, 'b@example.net')
    assert b'5.1.1' in postern.captured(postern.capture_dir / 'none')[0]
    assert len(postern.log_lines('there is no profile none')) == 1
    postern.write_config('queue = { notice_profile = "void"; };')
    postern.expect_trouble('there is no profile void')
    postern.ctl('reload')
    postern.wait_for_log('queue.notice_profile: there is no profile void')
    send(postern, 'b@example.net')
    notices(postern, 2)


def test_header_in_8_bit(relaying):
    """What isn't ASCII in the header comes back as it was, and the upstream is told of it."""
    header = 'From: <shop@example.com>\r\nSubject: Gr\u00fc\u00dfe\r\n'.encode()
    send(relaying, 'b@example.net', message=header + b'\r\nhi\r\n', options=['BODY=8BITMIME'])
    got, = notices(relaying)
    assert header in got.body
    assert b'BODY=8BITMIME' in got.mail


def test_strange_words_of_an_upstream_stay_in_their_line(relaying):
    relaying.host.set_script(r'rcpt match=<b@: raw 550-5.1.1 one\r\n550-5.1.1 t\x01w\x1bo\r\n'
                             r'550 5.1.1 Status: 2.0.0\r\n')
    send(relaying, 'b@example.net')
    got, = notices(relaying)
    notice = parse(got)
    _, status, _ = notice.iter_parts()
    message, recipient = status.get_payload()
    assert recipient['Status'] == '5.1.1' and message['Status'] is None
    assert not set(got.body) & (set(range(0x20)) - {9, 10, 13})
