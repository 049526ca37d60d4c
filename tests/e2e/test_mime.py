"""Messages that change on their way: senders, signatures, 7 bits. What is not to change doesn't, as
Python's email package reads it; and a mime process that dies of a message, or in the middle of others,
loses none."""
import base64
import email
import email.policy
import os
import re
import signal
from email.message import EmailMessage

import pytest

import test_clients as clients
from fakehost import FakeHost
from posternd import notices, wait_until

pytestmark = pytest.mark.user

TEXT = 'Grüße aus Köln\n-- \nShop Ltd\n'
TEXT_LINES = '\r\nGrüße aus Köln\r\n-- \r\nShop Ltd\r\n'
HTML = '<p>Grüße &amp; <b>mehr</b></p>'
HTML_ADDED = b'<div><br>\r\n<p>Gr&#252;&#223;e &amp; <b>mehr</b></p>\r\n</div>\r\n'
HEAD = ('From: Shop <shop@example.com>\r\nTo: b@example.net\r\nSubject: s\r\n'
        'Date: Sun, 01 Mar 2026 12:31:04 +0000\r\nMessage-ID: <1@example.com>\r\n')
EIGHT = ('PIPELINING', 'SIZE', '8BITMIME', 'SMTPUTF8')


def mime(fields, body, more=''):
    return (HEAD + more + 'MIME-Version: 1.0\r\n' + fields + '\r\n').encode() + body


def text(charset, encoding, content, kind='plain', more=''):
    """A message of one text."""
    encoded = content if isinstance(content, bytes) else content.encode(charset.split(';')[0])
    if encoding == 'base64':
        encoded = base64.encodebytes(encoded).replace(b'\n', b'\r\n')
    return mime(f'Content-Type: text/{kind}; charset={charset}\r\n'
                f'Content-Transfer-Encoding: {encoding}\r\n', encoded, more)


def leaves(message):
    """(type, content) of each part that has no others in it, and what is wrong with the structure."""
    parsed = email.message_from_bytes(message, policy=email.policy.SMTP)
    parts = list(parsed.walk())
    assert [defect for part in parts for defect in part.defects] == [], message
    return [(part.get_content_type(), part.get_payload(decode=True).replace(b'\r\n', b'\n'),
             part.get_content_charset())
            for part in parts if not part.is_multipart()]


def send(postern, *messages, sender='shop@example.com', options=('BODY=8BITMIME',)):
    with postern.client(postern.user) as client:
        client.ehlo()
        for message in messages:
            client.sendmail(sender, ['b@example.net'], message, mail_options=options)


def below_trace(message):
    """Without what smtpd writes above."""
    return re.sub(rb'\A(?:Return-Path:|Delivered-To:|Received:).*\r\n(?:[ \t].*\r\n)*', b'',
                  re.sub(rb'\A(?:Return-Path:.*\r\n|Delivered-To:.*\r\n)*', b'', message))


@pytest.fixture
def relaying(make_postern, make_upstream):
    def start(*options, extensions=EIGHT, script='', config='', **settings):
        postern = make_postern(config=config, **settings)
        postern.host = make_upstream(script, extensions=extensions)
        postern.add_upstream(postern.host, 'upstream', *options)
        postern.user = postern.add_user()
        return postern

    return start


def through(postern, message, **how):
    """The message as the upstream gets it."""
    before = len(postern.host.messages)
    send(postern, message, **how)
    return below_trace(postern.host.wait_for(before + 1)[-1].body)


# ---- signatures ----

def alternative():
    message = EmailMessage(policy=email.policy.SMTP)
    message['From'], message['To'], message['Subject'] = 'shop@example.com', 'b@example.net', 'Größe'
    message.set_content('plain ü\n', cte='quoted-printable')
    message.add_alternative('<html><body><p>schön</p></body></html>', subtype='html')
    return message


def everything():
    """Text and HTML with a picture, a file, a text file, and another message."""
    message = alternative()
    message.get_payload()[1].add_related(b'\x89PNG\r\n\x1a\n', 'image', 'png', cid='<a@b>')
    message.add_attachment(bytes(range(256)) * 50, maintype='application', subtype='pdf',
                           filename='Prüfung.pdf')
    message.add_attachment('a text file\n', filename='a.txt')
    message.add_attachment(alternative())
    return message


def added_to(part, charset):
    return part + TEXT_LINES.replace('\r\n', '\n').encode(charset)


PLAIN = [
    ('us-ascii', '7bit', 'Hello\r\nyou\r\n', 'utf-8'), ('utf-8', '8bit', 'Größe\r\n', 'utf-8'),
    ('utf-8', 'base64', 'Größe\r\n', 'utf-8'), ('iso-8859-1', '8bit', 'Tschüß\r\n', 'iso-8859-1'),
    ('windows-1252', 'base64', 'Tschüß\r\n', 'windows-1252'),
    ('iso-8859-7', '8bit', 'αβγ\r\n', 'utf-8'), ('koi8-r', '8bit', 'Привет\r\n', 'utf-8'),
    ('iso-2022-jp', '7bit', '日本語\r\n', 'utf-8'), ('shift_jis', '8bit', '日本語\r\n', 'utf-8'),
    ('gb18030', '8bit', '中文\r\n', 'gb18030'), ('big5', 'base64', '中文\r\n', 'utf-8'),
    ('utf-16', 'base64', '日本語\r\n', 'utf-8'), ('utf-8', 'quoted-printable', b'a=C3=BC =\r\n b\r\n', 'utf-8'),
]


@pytest.fixture(scope='module')
def signing(tmp_path_factory):
    """One for all messages that are signed."""
    from posternd import Posternd
    directory = tmp_path_factory.mktemp('signing')
    for name, content in (('text', TEXT), ('html', HTML)):
        (directory / name).write_text(content)
    with FakeHost(extensions=EIGHT) as host, Posternd(directory) as postern:
        postern.host = host
        postern.add_upstream(host, 'upstream', '--signature-text', f'@{directory}/text',
                             '--signature-html', f'@{directory}/html')
        postern.user = postern.add_user()
        yield postern


@pytest.mark.parametrize('charset, encoding, content, after', PLAIN)
def test_plain_text(signing, charset, encoding, content, after):
    before = text(charset, encoding, content)
    [(_, old, _)] = leaves(before)
    [(kind, new, said)] = leaves(through(signing, before))
    assert kind == 'text/plain' and said == after
    assert new.decode(after) == (old.decode(charset) + TEXT_LINES).replace('\r\n', '\n')


@pytest.mark.parametrize('charset, encoding, content', [
    ('utf-8', '8bit', '<html><body>hü</BODY></html>\r\n'),
    ('utf-8', 'base64', '<html><body>hü</body></html>\r\n'),
    ('iso-2022-jp', '7bit', '<body>日本語</body>\r\n'), ('us-ascii', '7bit', '<p>no body\r\n'),
    ('utf-16', 'base64', '<body>日本語</body>\r\n')])
def test_html(signing, charset, encoding, content):
    [(_, new, said)] = leaves(through(signing, text(charset, encoding, content, kind='html')))
    new = new.decode(said)
    added = HTML_ADDED.decode().replace('\r\n', '\n')
    assert added in new
    assert new.replace(added, '', 1).replace('\n', '') == content.replace('\r\n', '')
    if '</body' in content.lower():
        assert new.lower().index('</body') > new.index(added)


def test_every_part_but_the_text_is_as_it_was(signing):
    before = everything().as_bytes()
    old, new = leaves(before), leaves(through(signing, before))
    assert len(old) == len(new) == 7
    assert new[0][1] == added_to(old[0][1], 'utf-8')
    assert new[1][1].replace(HTML_ADDED.replace(b'\r\n', b'\n'), b'').replace(b'\n', b'') == \
        old[1][1].replace(b'\n', b'')
    assert [part[:2] for part in new[2:]] == [part[:2] for part in old[2:]]


def test_flowed_stays_flowed(make_postern, tmp_path):
    postern = make_postern()
    caught = postern.add_capture()
    postern.ctl('profile', 'set', 'capture', '--signature-text', 'one \n>two\n-- \n three')
    postern.user = postern.add_user()
    send(postern, mime('Content-Type: text/plain; format=flowed\r\n', b'a para \r\ngraph\r\n'))
    [message] = postern.captured(caught)
    assert message.endswith(b'\r\n\r\na para \r\ngraph\r\n\r\none\r\n >two\r\n-- \r\n  three\r\n')


SEALED = {
    'signed': 'multipart/signed; protocol="application/pgp-signature"; micalg=pgp-sha256',
    'encrypted': 'multipart/encrypted; protocol="application/pgp-encrypted"',
    'report': 'multipart/report; report-type=delivery-status'}


@pytest.mark.parametrize('kind', [*SEALED, 'smime', 'armor', 'attached'])
def test_what_is_sealed_is_left_alone(signing, kind):
    if kind in SEALED:
        message = mime(f'Content-Type: {SEALED[kind]}; boundary=b\r\n',
                       b'--b\r\nContent-Type:text/plain\r\n\r\nhi \r\n--b\r\n\r\nx\r\n--b--\r\n')
    elif kind == 'smime':
        message = mime('Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n'
                       'Content-Transfer-Encoding: base64\r\n', b'AAAA\r\n')
    elif kind == 'armor':
        message = mime('', b'-----BEGIN PGP SIGNED MESSAGE-----\r\n\r\nhi\r\n')
    else:
        message = mime('Content-Type: text/plain\r\nContent-Disposition: attachment\r\n', b'x\r\n')
    assert through(signing, message) == message
    assert signing.wait_for_log('event=left-alone', 'profile=upstream')


@pytest.mark.parametrize('fields, body', [
    ('Content-Type: multipart/mixed\r\n', b'no boundary\r\n'),
    ('Content-Type: multipart/mixed; boundary=b\r\n', b'--b\r\n\r\nnever closed\r\n'),
    ('Content-Type: text/plain; charset=x-nobody-knows\r\n', b'hi\r\n'),
    ('Content-Type: text/plain; charset=us-ascii\r\n', b'\xff\xfe not it\r\n'),
    ('Content-Type: text/plain\r\nContent-Transfer-Encoding: x-odd\r\n', b'hi\r\n')])
def test_what_is_broken_is_left_alone(signing, fields, body):
    message = mime(fields, body)
    assert through(signing, message) == message


def test_a_line_of_the_signature_is_no_boundary(relaying):
    postern = relaying('--signature-text', '--b\nfoot')
    message = mime('Content-Type: multipart/mixed; boundary=b\r\n',
                   b'--b\r\n\r\nhi\r\n--b\r\nContent-Type: image/png\r\n\r\nPNG\r\n--b--\r\n')
    assert [part[1] for part in leaves(through(postern, message))] == \
        [b'hi\n\n--b\nfoot', b'PNG']


def test_the_global_one_goes_below(relaying):
    postern = relaying('--signature-text', 'own', config='signature = { text = "all & <us>"; };')
    got = through(postern, alternative().as_bytes())
    (_, plain, _), (_, page, _) = leaves(got)
    assert plain == 'plain ü\n\nown\n\nall & <us>\n'.encode()
    assert page.index(b'own') < page.index(b'all &amp; &lt;us&gt;') < page.index(b'</body>')
    postern.ctl('profile', 'set', 'upstream', '--signature-text', '')
    postern.write_config('')
    postern.ctl('reload')
    message = alternative().as_bytes()
    wait_until(lambda: through(postern, message).endswith(message.partition(b'\r\n\r\n')[2]),
               'the signatures are gone')


def test_off_is_untouched_to_the_byte(relaying):
    postern = relaying()
    for message in (everything().as_bytes(), text('koi8-r', '8bit', 'Привет\r\n'), HEAD.encode() +
                    b'\r\n\xff\xfe\r\n.\r\n'):
        got = through(postern, message)
        assert got.endswith(message) or got == message.replace(b'\r\n.\r\n', b'\r\n..\r\n')


# ---- senders ----

def fields_of(message, *names):
    parsed = email.message_from_bytes(message, policy=email.policy.SMTP)
    return [parsed[name] for name in names]


def test_what_is_missing_is_supplied(relaying):
    postern = relaying('--from', 'own@p.example', '--from-name', 'Büro, hier',
                       '--reply-to', 'answers@p.example')
    got = through(postern, b'Subject: s\r\n\r\nhi\r\n')
    sender, reply = fields_of(got, 'From', 'Reply-To')
    assert sender.addresses[0].addr_spec == 'own@p.example'
    assert sender.addresses[0].display_name == 'Büro, hier'
    assert reply == 'answers@p.example'
    got = through(postern, b'From: a@x.example\r\nReply-To: q@x.example\r\n\r\nhi\r\n')
    sender, reply, kept = fields_of(got, 'From', 'Reply-To', 'X-Original-From')
    assert (str(sender), reply, kept) == ('"Büro, hier" <a@x.example>', 'q@x.example', None)
    message = HEAD.encode() + b'Reply-To: q@x.example\r\n\r\nhi\r\n'
    assert through(postern, message) == message


def test_own_ones_replace(relaying):
    postern = relaying('--from', 'own@p.example', '--from-policy', 'replace',
                       '--envelope-sender', 'bounces@p.example')
    message = b'From: Joe <joe@x.example>,\r\n mo@x.example\r\nSender: mo@x.example\r\n\r\nhi\r\n'
    got = through(postern, message)
    assert postern.host.messages[-1].sender == 'bounces@p.example'
    assert fields_of(got, 'From', 'Reply-To', 'X-Original-From', 'Sender', 'X-Original-Sender') == [
        'own@p.example', 'Joe <joe@x.example>, mo@x.example',
        'Joe <joe@x.example>, mo@x.example', None, 'mo@x.example']
    assert got.endswith(b'\r\n\r\nhi\r\n')
    # A null sender stays one.
    through(postern, HEAD.encode() + b'\r\nhi\r\n', sender='')
    assert postern.host.messages[-1].sender == ''
    postern.ctl('profile', 'set', 'upstream', '--from-name', 'The Shop', '--reply-to', 'r@p.example')
    got = through(postern, message)
    assert fields_of(got, 'From', 'Reply-To') == ['The Shop <own@p.example>', 'r@p.example']


def test_a_profiles_test_sends_what_mail_becomes(relaying, tmp_path):
    settings = ('--from', 'own@p.example', '--from-name', 'The Shop', '--reply-to', 'r@p.example',
                '--envelope-sender', 'bounces@p.example', '--signature-text', 'Büro Süd')
    postern = relaying(*settings)
    postern.ctl('profile', 'test', 'upstream', '--to', 'b@example.net')
    message = postern.host.messages[-1]
    assert (message.sender, message.recipients) == ('bounces@p.example', ['b@example.net'])
    postern.ctl('profile', 'add', 'caught', '--capture', 'caught', *settings)
    postern.ctl('profile', 'test', 'caught', '--to', 'b@example.net')
    [captured] = (postern.capture_dir / 'caught' / 'new').iterdir()
    assert captured.read_bytes().startswith(b'Return-Path: <bounces@p.example>\r\n')
    for body in (message.body, captured.read_bytes()):
        assert fields_of(body, 'From', 'Reply-To') == ['The Shop <own@p.example>', 'r@p.example']
        text = email.message_from_bytes(body, policy=email.policy.SMTP).get_content()
        assert 'sent to test the profile' in text and text.rstrip().endswith('Büro Süd')


def test_a_name_brings_no_field(relaying):
    """What an encoded word hides is not written out again."""
    postern = relaying('--from', 'own@p.example', '--from-policy', 'replace')
    got = through(postern, b'From: =?utf-8?q?x=0D=0ABcc=3A_evil=40x?= <a@x.example>\r\n\r\nhi\r\n')
    assert fields_of(got, 'Bcc') == [None]
    assert len(re.findall(rb'(?m)^From:', got)) == 1


def test_notices_go_as_they_are(relaying):
    postern = relaying('--from', 'own@p.example', '--from-policy', 'replace', '--envelope-sender',
                       'bounces@p.example', '--signature-text', 'sig',
                       script='rcpt match=<b@: reply 550 5.1.1 no')
    send(postern, HEAD.encode() + b'\r\nhi\r\n')
    [notice] = notices(postern)
    assert notice.recipients == ['shop@example.com']
    assert b'MAILER-DAEMON@relay.example' in notice.body and b'own@p.example' not in notice.body
    assert b'\r\nsig' not in notice.body


@pytest.mark.parametrize('options, word', [
    (['--from', 'nobody'], '--from:'), (['--reply-to', 'a@b c'], '--reply-to:'),
    (['--from-policy', 'replace'], 'from-policy'), (['--from-policy', 'x'], '--from-policy'),
    (['--signature-html', '<html><body>x</body></html>'], '--signature-html: must be what stands'),
    (['--signature-text', 'a\x07'], '--signature-text'), (['--from-name', 'a\nb'], '--from-name'),
    (['--envelope-sender', '<>'], '--envelope-sender'),
    (['--signature-text', '@/nowhere'], '--signature-text: can')])
def test_settings_that_cannot_be(postern, options, word):
    done = postern.run_ctl('profile', 'add', 'p', '--host', 'h.example', *options)
    assert done.returncode == 1 and word in done.stderr, done.stderr


def test_settings_are_shown_and_unset(postern):
    options = {'from_name': 'Büro', 'from': 'a@b.example', 'from_policy': 'replace',
               'reply_to': 'r@b.example', 'envelope_sender': 'e@b.example',
               'signature_text': 'x\ny', 'signature_html': '<b>x</b>'}
    words = [word for key, value in options.items()
             for word in (f'--{key.replace("_", "-")}', value)]
    postern.ctl('profile', 'add', 'p', '--capture', 'p', *words)
    shown = postern.ctl('profile', 'show', 'p')
    assert shown.items() >= options.items()
    postern.ctl('profile', 'set', 'p', *[word for key in options if key != 'from_policy'
                                         for word in (f'--{key.replace("_", "-")}', '')],
                '--from-policy', 'supply')
    shown = postern.ctl('profile', 'show', 'p')
    assert [shown[key] for key in options] == [None, None, 'supply', None, None, None, None]


# ---- 7 bits ----

SEVEN = ('PIPELINING', 'SIZE')


def test_to_an_upstream_without_8bitmime(relaying):
    postern = relaying(extensions=SEVEN)
    before = everything().as_bytes().replace(b'quoted-printable', b'8bit', 1).replace(
        b'plain =C3=BC', 'plain ü'.encode(), 1)
    got = through(postern, before)
    assert got.isascii() and '8BITMIME' not in postern.host.messages[-1].mail.decode()
    assert leaves(got) == leaves(before)
    message = text('utf-8', 'base64', 'Größe\r\n')
    assert through(postern, message) == message
    assert f'SIZE={len(postern.host.messages[-1].body)}' in postern.host.messages[-1].mail.decode()


def test_to_an_upstream_with_8bitmime_nothing_changes(relaying):
    postern = relaying()
    message = text('iso-8859-1', '8bit', 'Größe\r\n')
    assert through(postern, message) == message
    assert b'BODY=8BITMIME' in postern.host.messages[-1].mail


def test_signed_8bit_is_refused(relaying):
    postern = relaying(extensions=SEVEN)
    send(postern, mime(f'Content-Type: {SEALED["signed"]}; boundary=b\r\n',
                       '--b\r\nContent-Transfer-Encoding: 8bit\r\n\r\nü\r\n--b--\r\n'.encode()))
    [notice] = notices(postern)
    assert b'5.6.3' in notice.body and b'signed or encrypted' in notice.body
    postern.wait_for_log('event=bounced', 'code=554', 'enhanced=5.6.3')
    # The connection serves the next.
    assert through(postern, HEAD.encode() + b'\r\nhi\r\n').endswith(b'\r\n\r\nhi\r\n')


def test_a_notice_to_such_an_upstream(relaying):
    """It quotes what is not ASCII, and is 7 bits all the same."""
    postern = relaying(extensions=SEVEN, script='rcpt match=<b@: reply 550 5.1.1 nö')
    send(postern, HEAD.replace('Subject: s', 'Subject: Größe').encode() + 'ü\r\n'.encode())
    [notice] = notices(postern)
    header, _, body = notice.body.partition(b'\r\n\r\n')
    assert body.isascii()
    parsed = email.message_from_bytes(notice.body, policy=email.policy.SMTP)
    assert 'Größe' in [*parsed.walk()][1].get_payload(decode=True).decode()


def test_signature_and_7_bits_together(relaying):
    postern = relaying('--signature-text', TEXT, extensions=SEVEN)
    got = through(postern, text('utf-8', '8bit', 'Größe\r\n'))
    assert got.isascii()
    assert leaves(got)[0][1].decode() == ('Größe\r\n' + TEXT_LINES).replace('\r\n', '\n')


# ---- large ones, many, and a mime process that dies ----

def test_a_large_message(relaying):
    postern = relaying('--signature-text', 'sig', config='limits = { message_size = "60M"; };')
    message = EmailMessage(policy=email.policy.SMTP)
    message['From'], message['Message-ID'] = 'shop@example.com', '<1@example.com>'
    message['Date'] = 'Sun, 01 Mar 2026 12:31:04 +0000'
    message.set_content('hi\n')
    message.add_attachment(os.urandom(36 << 20), maintype='application', subtype='x')
    before = message.as_bytes()
    assert len(before) > 49 << 20
    got = through(postern, before)
    assert got == before.replace(b'\r\nhi\r\n', b'\r\nhi\r\n\r\nsig\r\n', 1)


def is_sanitized():
    from posternd import program
    return b'__asan_init' in program('posternd').read_bytes()


def test_no_message_stands_whole_in_relay(relaying):
    if is_sanitized():
        pytest.skip('a sanitizer keeps what was freed')
    postern = relaying('--signature-text', 'sig', config='limits = { message_size = "60M"; };')
    before = HEAD.encode() + b'\r\n' + (b'x' * 70 + b'\r\n') * 700000
    assert through(postern, before).endswith(b'\r\n\r\nsig\r\n')
    status = open(f'/proc/{postern.roles()["relay"]}/status').read()
    assert int(re.search(r'VmHWM:\s*(\d+)', status)[1]) < 32 << 10


BOMBS = {
    'levels': HEAD.encode() + b'MIME-Version: 1.0\r\n' + b''.join(
        b'Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n' % (i, i)
        for i in range(50000)),
    'groups': HEAD.encode() + b'Reply-To: ' + b'\r\n '.join([b'a:' * 300] * 200) + b'x@y.example\r\n\r\nhi\r\n',
    'parameters': HEAD.encode() + b'Content-Type: text/plain' + b''.join(
        b';\r\n a%d=b' % i for i in range(12000)) + b'\r\n\r\nhi\r\n',
}


@pytest.mark.parametrize('bomb', BOMBS)
def test_a_bomb_goes_as_it_is(relaying, bomb):
    postern = relaying('--signature-text', 'sig')
    message = BOMBS[bomb]
    assert through(postern, message) == message
    postern.wait_for_log('event=left-alone', 'too many parts')
    assert not postern.log_lines('role-restarted')


def test_mime_away_for_a_moment(relaying):
    postern = relaying('--signature-text', 'sig', config='queue = { retry = "200ms"; };')
    postern.expect_trouble('ended by signal 9|role-restarted')
    pid = postern.roles()['mime']
    os.kill(pid, signal.SIGKILL)
    assert through(postern, HEAD.encode() + b'\r\nhi\r\n').endswith(b'hi\r\n\r\nsig\r\n')


def test_a_message_that_mime_dies_of_is_held(relaying):
    """Here it is stopped and killed each time that it has the message."""
    postern = relaying('--signature-text', 'sig', config='queue = { retry = "1h"; };')
    postern.expect_trouble('ended by signal 9|role-restarted')
    for death in range(1, 4):
        pid = wait_until(lambda: postern.is_ready() and postern.roles()['mime'], 'mime is there')
        os.kill(pid, signal.SIGSTOP)
        if death == 1:
            send(postern, HEAD.encode() + b'\r\nhi\r\n')
        else:
            postern.ctl('queue', 'retry', '--all')
        # It has been given to mime once relay has the connection.
        wait_until(lambda: len(postern.host.connections) >= 1, 'relay is connected')
        wait_until(lambda: postern.queued('--state', 'sending'), 'relay has it')
        os.kill(pid, signal.SIGKILL)
        postern.wait_for_log('event=deferred', 'code=451', count=death)
    [held] = wait_until(lambda: postern.queued('--state', 'held'), 'it is held')
    assert [alert['kind'] for alert in postern.ctl('alert', 'ls')] == ['message-held']
    assert 'mime process' in postern.ctl('queue', 'show', held['id'])['recipients'][0]['reply']
    wait_until(postern.is_ready, 'mime is back')
    postern.ctl('queue', 'release', held['id'])
    assert postern.host.wait_for(1)[0].body.endswith(b'hi\r\n\r\nsig\r\n')


def test_killed_under_load_loses_nothing(make_rig):
    rig = make_rig()
    rig.postern.expect_trouble(r'ended by signal 9|event=role-restarted')
    rig.postern.ctl('profile', 'set', 'upstream', '--reply-to', 'r@p.example')
    rig.wait_for_progress(20)
    for _ in range(int(os.environ.get('POSTERN_KILLS', '8'))):
        rig.wait_until_well('mime0')
        rig.wait_for_progress(rig.random.randint(1, 30))
        rig.kill('mime0')
    rig.wait_for_progress(1)
    rig.postern.ctl('queue', 'release', '--all')
    rig.check()


# ---- real clients, into a Maildir ----

@pytest.fixture
def caught(postern):
    postern.maildir = postern.add_capture()
    postern.ctl('profile', 'set', 'capture', '--signature-text', TEXT, '--signature-html', HTML,
                '--from', 'own@p.example', '--from-policy', 'replace', '--envelope-sender',
                'bounces@p.example')
    postern.user = postern.add_user('shop', '--domains', 'example.com')
    postern.ca_path = postern.directory / 'ca.pem'
    postern.ca_path.write_text(postern.ctl('tls', 'ca')['certificate'])
    return postern


def changed(postern):
    """What was caught; held against what every client's message was changed in."""
    [bytes_] = postern.captured(postern.maildir)
    message = email.message_from_bytes(bytes_, policy=email.policy.default)
    assert [defect for part in message.walk() for defect in part.defects] == []
    assert message['Return-Path'] == '<bounces@p.example>'
    assert [address.addr_spec for address in message['From'].addresses] == ['own@p.example']
    assert clients.SENDER in message['Reply-To'] and clients.SENDER in message['X-Original-From']
    assert postern.log_lines('event=accepted', f'from=<{clients.SENDER}>')
    return message


def content(part):
    return part.get_content().replace('\r\n', '\n')


@clients.needs('swaks')
def test_swaks(caught):
    clients.run(*clients.swaks(caught, '--tls', '--attach', '@/etc/hostname'))
    text_part, attached = changed(caught).iter_parts()
    assert content(text_part).endswith(TEXT_LINES.replace('\r\n', '\n').rstrip('\n'))
    assert attached.get_payload(decode=True) == open('/etc/hostname', 'rb').read()


@clients.needs_phpmailer
def test_phpmailer(caught):
    clients.run(*clients.phpmailer(caught))
    text_part, picture = changed(caught).iter_parts()
    assert content(text_part) == 'Grüße\n.\n..\n' + TEXT_LINES.replace('\r\n', '\n')
    assert picture.get_content() == bytes(range(256)) * 40


@clients.needs_nodemailer
def test_nodemailer(caught):
    clients.run(*clients.nodemailer(caught), env={'NODE_PATH': clients.nodemailer_path()})
    text_part, picture = changed(caught).iter_parts()
    assert content(text_part).startswith('Grüße\n.\n..\n')
    assert content(text_part).rstrip('\n').endswith(TEXT_LINES.replace('\r\n', '\n').rstrip('\n'))
    assert picture.get_content() == bytes(range(256)) * 40
