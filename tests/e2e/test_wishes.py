"""What a client asks for with a message: the relay passes it on, or acts on it where the upstream
can't."""
import collections
import email
import email.policy
import time
import uuid

import pytest

from posternd import notices, wait_until

MESSAGE = b'From: <shop@example.com>\r\nSubject: order 42\r\n\r\nhello\r\n'

pytestmark = pytest.mark.user

ALL = ('8BITMIME', 'SMTPUTF8', 'DSN', 'MT-PRIORITY MIXER')


@pytest.fixture
def relaying(postern, make_upstream):
    def start(*extensions, script=''):
        postern.host = make_upstream(script, extensions=('PIPELINING', 'SIZE', *extensions))
        postern.add_upstream(postern.host)
        postern.user = postern.add_user()
        return postern

    return start


def send(postern, *recipients, message=MESSAGE, sender='shop@example.com', mail=(), rcpt=()):
    with postern.client(postern.user) as client:
        client.ehlo()
        client.sendmail(sender, recipients, message, mail_options=mail, rcpt_options=rcpt)


def status_of(notice):
    """The fields of the message and of each recipient in a notice."""
    parsed = email.message_from_bytes(notice, policy=email.policy.SMTPUTF8)
    assert parsed.get_content_type() == 'multipart/report' and parsed.defects == []
    status = list(parsed.iter_parts())[1]
    text = notice[notice.index(status.get_content_type().encode()):]
    text = text[text.index(b'\r\n\r\n') + 4:text.index(b'\r\n--')].decode()
    return [dict(line.split(': ', 1) for line in block.split('\r\n') if line)
            for block in text.split('\r\n\r\n') if block]


# ---- what is passed on ----

def test_everything_is_announced_and_passed_on(relaying):
    postern = relaying(*ALL)
    with postern.client(postern.user) as client:
        client.ehlo()
        for extension in ('dsn', 'smtputf8', 'futurerelease', 'mt-priority'):
            assert client.has_extn(extension), extension
    send(postern, 'jürgen@bücher.example', sender='δοκιμή@παράδειγμα.example',
         message='From: <δοκιμή@παράδειγμα.example>\r\nSubject: Grüße\r\n\r\nhi\r\n'.encode(),
         mail=['SMTPUTF8', 'BODY=8BITMIME', 'RET=HDRS', 'ENVID=QQ+2B1', 'MT-PRIORITY=-4',
               'AUTH=<>'],
         rcpt=['NOTIFY=SUCCESS,DELAY', r'ORCPT=utf-8;j\x{FC}rgen@example.net'])
    message, = postern.host.wait_for(1)
    mail = message.mail.decode().split(' ')
    assert mail[:2] == ['MAIL', 'FROM:<δοκιμή@παράδειγμα.example>']
    assert mail[2].startswith('SIZE=')
    assert mail[3:] == ['BODY=8BITMIME', 'SMTPUTF8', 'RET=HDRS', 'ENVID=QQ+2B1', 'MT-PRIORITY=-4']
    assert message.rcpts == ['RCPT TO:<jürgen@bücher.example> NOTIFY=SUCCESS,DELAY '
                             r'ORCPT=utf-8;j\x{FC}rgen@example.net'.encode()]
    assert ' with UTF8SMTPSA ' in message.body.decode()
    postern.wait_until_queue_is(0)
    assert len(postern.host.messages) == 1


def test_upstream_that_announces_nothing_hears_of_nothing(relaying):
    postern = relaying()
    send(postern, 'b@example.net', mail=['RET=FULL', 'ENVID=1', 'MT-PRIORITY=3', 'SMTPUTF8'],
         rcpt=['NOTIFY=NEVER', 'ORCPT=rfc822;b@example.net'])
    message, = postern.host.wait_for(1)
    assert b' '.join(message.mail.split(b' ')[:2]) == b'MAIL FROM:<shop@example.com>'
    assert message.mail.count(b'=') == 1    # SIZE
    assert message.rcpts == [b'RCPT TO:<b@example.net>']


# ---- notices ----

def test_success_is_told_where_the_upstream_has_no_dsn(relaying):
    postern = relaying()
    send(postern, 'b@example.net', mail=['ENVID=QQ+2B1', 'RET=FULL'],
         rcpt=['NOTIFY=SUCCESS', 'ORCPT=rfc822;dana+2B@example.net'])
    notice, = notices(postern)
    assert notice.recipients == ['shop@example.com']
    message, recipient = status_of(notice.body)
    assert message['Original-Envelope-Id'] == 'QQ+1'
    assert recipient['Original-Recipient'] == 'rfc822; dana+@example.net'
    assert recipient['Final-Recipient'] == 'rfc822; b@example.net'
    assert recipient['Action'] == 'relayed' and recipient['Status'].startswith('2.')


def test_capture_profile_tells_of_delivery(postern):
    caught = postern.add_capture()
    postern.user = postern.add_user()
    send(postern, 'b@example.net', rcpt=['NOTIFY=SUCCESS'])
    notice, = (m for m in postern.captured(caught, 2) if m.startswith(b'Return-Path: <>'))
    assert b'\r\nAction: delivered\r\n' in notice


def test_failure_is_told_as_the_client_wants(relaying):
    postern = relaying(*ALL, script='rcpt match=example.net: reply 550 5.1.1 nobody')
    send(postern, 'a@example.net', rcpt=['NOTIFY=NEVER'])
    send(postern, 'b@example.net', rcpt=['NOTIFY=SUCCESS,DELAY'])
    send(postern, 'c@example.net', rcpt=['NOTIFY=FAILURE'], mail=['RET=FULL'])
    notice, = notices(postern)
    assert status_of(notice.body)[1]['Final-Recipient'] == 'rfc822; c@example.net'
    assert b'Content-Type: message/rfc822\r\n' in notice.body and b'\r\nhello\r\n' in notice.body
    assert postern.ctl('alert', 'ls') == []


# ---- SMTPUTF8 where the upstream can't ----

def test_without_smtputf8_a_domain_is_translated_and_a_local_part_fails(relaying):
    postern = relaying('8BITMIME')
    send(postern, 'dana@bücher.example', 'jürgen@example.net', mail=['SMTPUTF8'])
    notice, = notices(postern)
    assert [m.recipients for m in postern.host.messages if m.sender] == [
        ['dana@xn--bcher-kva.example']]
    assert b'Content-Type: message/global-delivery-status\r\n' in notice.body
    _, recipient = status_of(notice.body)
    assert recipient['Final-Recipient'] == 'utf-8; jürgen@example.net'
    assert recipient['Status'] == '5.6.7'
    assert b'SMTPUTF8' not in notice.mail


def test_without_smtputf8_a_header_in_utf8_fails(relaying):
    postern = relaying('8BITMIME')
    send(postern, 'b@example.net', mail=['SMTPUTF8', 'BODY=8BITMIME'],
         message='From: <shop@example.com>\r\nSubject: Grüße\r\n\r\nhi\r\n'.encode())
    notice, = notices(postern)
    assert status_of(notice.body)[1]['Status'] == '5.6.9'
    # Without the word it is as ever: sent as it came.
    send(postern, 'b@example.net', mail=['BODY=8BITMIME'],
         message='From: <shop@example.com>\r\nSubject: Grüße\r\n\r\nhi\r\n'.encode())
    wait_until(lambda: [m for m in postern.host.messages if m.sender], 'it goes')


# ---- REQUIRETLS (RFC 8689) ----

def requiring(postern, make_upstream, *extensions, verify):
    postern.host = make_upstream(tls='starttls', extensions=('8BITMIME', 'DSN', *extensions))
    options = ['--ca', postern.host.ca] if verify == 'yes' else ['--tls-verify', verify]
    postern.ctl('profile', 'add', 'upstream', '--host', 'localhost', '--port', postern.host.port,
                '--default', '--tls', 'starttls', *options)
    postern.user = postern.add_user()
    send(postern, 'b@example.net', mail=['REQUIRETLS', 'RET=FULL'])


def test_requiretls_is_announced_under_tls_only(postern):
    postern.add_capture()
    user = postern.add_user()
    with postern.client(user, tls='none') as client:
        client.ehlo()
        assert not client.has_extn('requiretls')
        assert client.docmd('MAIL FROM:<shop@example.com> REQUIRETLS')[0] == 530
    for tls in ('starttls', 'implicit'):
        with postern.client(user, tls=tls) as client:
            client.ehlo()
            assert client.has_extn('requiretls')


def test_requiretls_goes_to_a_verified_upstream(postern, make_upstream):
    requiring(postern, make_upstream, 'REQUIRETLS', verify='yes')
    message, = postern.host.wait_for(1)
    assert message.mail == b'MAIL FROM:<shop@example.com> RET=HDRS REQUIRETLS'
    postern.wait_until_queue_is(0)
    # A message without the word goes without.
    send(postern, 'b@example.net')
    assert postern.host.wait_for(2)[1].mail == b'MAIL FROM:<shop@example.com>'


@pytest.mark.parametrize('extensions, verify, status', [
    ((), 'yes', '5.7.30'), (('REQUIRETLS',), 'no', '5.7.10')])
def test_requiretls_fails_elsewhere_and_the_notice_has_no_body(
        postern, make_upstream, extensions, verify, status):
    requiring(postern, make_upstream, *extensions, verify=verify)
    notice, = notices(postern)
    assert len(postern.host.messages) == 1
    assert status_of(notice.body)[1]['Status'] == status
    assert notice.mail == b'MAIL FROM:<>' and notice.recipients == ['shop@example.com']
    assert b'Subject: order 42\r\n' in notice.body and b'hello' not in notice.body
    postern.wait_for_log('event=bounced', 'to=<b@example.net>', f'enhanced={status}')


def test_requiretls_is_no_matter_for_a_capture_profile(postern):
    caught = postern.add_capture()
    postern.user = postern.add_user()
    send(postern, 'b@example.net', mail=['REQUIRETLS'])
    assert b'hello' in postern.captured(caught)[0]


# ---- FUTURERELEASE (RFC 4865) ----

def test_message_waits_for_its_time_over_a_restart(relaying):
    postern = relaying()
    send(postern, 'c@example.net', mail=['HOLDFOR=3600'])
    assert len(postern.queued('--state', 'scheduled')) == 1
    assert postern.ctl('status')['queue']['scheduled'] == 1
    begin = time.time()
    send(postern, 'b@example.net', mail=['HOLDFOR=3'])
    postern.wait_for_log('event=scheduled', 'user=shop', 'until=', count=2)
    postern.restart()
    assert postern.host.wait_for(1)[0].recipients == ['b@example.net']
    assert time.time() - begin >= 3
    wait_until(lambda: len(postern.queued()) == 1, 'one is left')
    waiting, = postern.queued('--state', 'scheduled')
    assert waiting['hold_until'] == waiting['recipients'][0]['next_attempt_at']
    postern.ctl('queue', 'retry', waiting['id'])
    assert postern.host.wait_for(2)[1].recipients == ['c@example.net']
    assert all(b'HOLD' not in m.mail for m in postern.host.messages)


def test_message_that_was_held_before_its_time_goes_at_it(relaying):
    postern = relaying()
    begin = time.time()
    send(postern, 'b@example.net', mail=['HOLDFOR=5'])
    postern.ctl('queue', 'hold', postern.queued()[0]['id'])
    # The new process has nothing that would wake it.
    postern.restart()
    postern.ctl('queue', 'release', postern.queued()[0]['id'])
    assert postern.queued()[0]['state'] == 'scheduled'
    assert postern.host.wait_for(1)[0].recipients == ['b@example.net']
    assert time.time() - begin >= 5


# ---- a real upstream ----

@pytest.fixture
def through_postfix(postern, postfix):
    postern.ctl('profile', 'add', 'office', '--host', 'localhost', '--port',
                postfix.ports['open'], '--tls', 'none', '--default')
    postern.user = postern.add_user()
    return postern


@pytest.mark.root
def test_postfix_tells_of_success_itself(through_postfix, postfix):
    sender, recipient = (f'{uuid.uuid4().hex}@example.net' for _ in range(2))
    send(through_postfix, recipient, sender=sender, mail=['ENVID=QQ+2B314', 'RET=HDRS'],
         rcpt=['NOTIFY=SUCCESS', f'ORCPT=rfc822;dana+2B{recipient}'])
    notice, = postfix.mail_for(sender)
    assert b'\nReporting-MTA: dns; upstream.example\n' in notice
    assert b'\nOriginal-Envelope-Id: QQ+314\n' in notice
    assert f'\nOriginal-Recipient: rfc822;dana+{recipient}\n'.encode() in notice
    assert b'\nAction: delivered\n' in notice
    through_postfix.wait_until_queue_is(0)
    assert len(through_postfix.log_lines('event=delivered')) == 1


@pytest.mark.root
def test_postfix_gets_utf8(through_postfix, postfix):
    recipient = f'jürgen-{uuid.uuid4().hex}@bücher.example'
    send(through_postfix, recipient, sender='δοκιμή@παράδειγμα.example',
         mail=['SMTPUTF8', 'BODY=8BITMIME'],
         message='From: <δοκιμή@παράδειγμα.example>\r\nSubject: Grüße\r\n\r\nhi\r\n'.encode())
    message, = postfix.mail_for(recipient)
    assert message.startswith('Return-Path: <δοκιμή@παράδειγμα.example>\n'.encode())
    assert 'Subject: Grüße\n'.encode() in message


# ---- LIMITS of the upstream (RFC 9422) ----

def test_upstream_gets_no_more_recipients_than_it_takes(relaying):
    postern = relaying('LIMITS RCPTMAX=3 MAILMAX=2',
                       script='rcpt match=<r4@: reply 450 4.2.0 Mailbox busy')
    recipients = [f'r{i}@example.net' for i in range(10)]
    send(postern, *recipients)
    postern.wait_until_queue_is(1, '--state', 'deferred')
    messages = postern.host.wait_for(4)
    assert len(messages) == 4
    assert all(len(m.recipients) + len(m.refused) <= 3 for m in messages)
    assert sorted(r for m in messages for r in m.recipients) == sorted(
        set(recipients) - {'r4@example.net'})
    assert all(m.body.endswith(b'hello\r\n') for m in messages)
    on_each = collections.Counter(m.connection.number for m in messages)
    assert max(on_each.values()) == 2
    # Who was put off has a turn again when his time comes, and nobody else with him.
    postern.host.set_script('')
    postern.ctl('queue', 'retry', '--all')
    assert postern.host.wait_for(5)[4].recipients == ['r4@example.net']
    postern.wait_until_queue_is(0)


def test_upstream_gets_no_more_domains_on_a_connection_than_it_takes(relaying):
    postern = relaying('LIMITS RCPTDOMAINMAX=1')
    send(postern, 'a@one.example', 'b@two.example', 'c@ONE.example')
    messages = postern.host.wait_for(2)
    postern.wait_until_queue_is(0)
    assert [m.recipients for m in messages] == [['a@one.example', 'c@ONE.example'],
                                                ['b@two.example']]
    assert messages[0].connection.number != messages[1].connection.number
    assert len(postern.log_lines('event=delivered')) == 3
