"""What the log says: each event with the keys that people and scripts look for."""
import os
import re
import signal
import smtplib

import pytest

pytestmark = pytest.mark.user

HOUSE = 'queue = { lifetime = "2s"; retry = "1s"; };'
MESSAGE = b'From: <a@example.com>\r\nSubject: s\r\n\r\nbody\r\n'


def keys(line):
    values = re.findall(r'([a-z-]+)=("(?:[^"\\]|\\.)*"|\S+)', line)
    return dict(values)


def event(postern, name, *parts):
    return keys(postern.wait_for_log(f'event={name}', *parts)[-1])


def send(postern, user, *recipients, sender='a@example.com', **options):
    with postern.client(user, **options) as client:
        client.sendmail(sender, recipients, MESSAGE)


def test_life_of_a_message(make_postern, make_upstream):
    postern = make_postern(config=HOUSE)
    host = make_upstream('rcpt match=<no@: reply 550 5.1.1 unknown\n'
                         'rcpt match=<later@: reply 450 4.2.0 busy\n')
    postern.add_upstream(host)
    send(postern, postern.add_user(), 'yes@x.example', 'no@x.example', 'later@x.example')
    accepted = event(postern, 'accepted')
    assert {'id', 'user', 'list', 'from', 'to', 'client', 'listener', 'helo', 'tls', 'size',
            'priority', 'delay', 'message-id'} <= set(accepted)
    assert accepted['from'] == '<a@example.com>' and accepted['tls'].startswith('TLSv1.')
    assert accepted['list'] == 'web' and accepted['listener'] == str(postern.port)
    common = {'id', 'user', 'list', 'to', 'profile', 'upstream', 'code', 'enhanced', 'reply',
              'size', 'delay', 'delays'}
    for name, to, code in (('delivered', 'yes', '250'), ('bounced', 'no', '550'),
                           ('deferred', 'later', '450'), ('expired', 'later', '450')):
        found = event(postern, name, f'to=<{to}@x.example>')
        assert common <= set(found), found
        assert found['id'] == accepted['id'] and found['code'] == code
        assert found['upstream'] == f'127.0.0.1[127.0.0.1]:{host.port}'
        assert re.fullmatch(r'[\d.]+(/[\d.]+){3}', found['delays'])
    assert re.fullmatch(r'\d{4}-\d\d-\d\dT[\d:]+Z', event(postern, 'deferred')['until'])
    assert postern.log_lines('event=accepted')[0].startswith('id=')


def test_uncertain_and_held(make_postern, make_upstream):
    postern = make_postern()
    postern.add_upstream(make_upstream('dot: accept-drop'))
    send(postern, postern.add_user(), 'b@x.example')
    uncertain = event(postern, 'uncertain')
    assert {'id', 'user', 'list', 'to', 'profile', 'upstream', 'reply'} <= set(uncertain)
    postern.ctl('queue', 'hold', uncertain['id'])
    held = event(postern, 'held')
    assert held['id'] == uncertain['id'] and 'reason' in held


def test_clients(postern):
    postern.add_capture()
    user = postern.add_user('shop', '--senders', 'a@example.com')
    send(postern, user, 'b@x.example')
    with postern.client(user) as client:
        assert client.mail('evil@example.net')[0] == 550
        assert client.docmd('WHAT')[0] == 500
    with pytest.raises(smtplib.SMTPAuthenticationError):
        postern.client({'login': 'shop', 'password': 'wrong'})
    place = {'client', 'listener', 'helo'}
    blocked = event(postern, 'blocked')
    assert place | {'user', 'list', 'from', 'code', 'reason'} <= set(blocked)
    assert {'kind', 'user', 'list', 'address', 'reason'} <= set(event(postern, 'alert'))
    assert place | {'code', 'enhanced', 'reply'} <= set(event(postern, 'rejected', 'code=500'))
    assert place | {'user', 'mechanism'} <= set(event(postern, 'auth-failed'))
    assert {'client', 'listener'} <= set(event(postern, 'connected'))
    assert place | {'user', 'mechanism', 'tls'} <= set(event(postern, 'authenticated'))
    assert {'client', 'tls'} <= set(event(postern, 'tls', 'tls=TLS'))
    assert {'client', 'reason'} <= set(event(postern, 'disconnected'))


def test_profiles_roles_and_config(postern, make_upstream):
    postern.add_upstream(make_upstream('mail: reply 250 ok', auth=('PLAIN',)), 'out',
                         '--username', 'u', '--password-stdin', '--tls', 'none',
                         '--auth', 'plain', stdin='wrong\n')
    send(postern, postern.add_user(), 'b@x.example')
    stopped = event(postern, 'profile-stopped')
    assert {'profile', 'reason', 'code', 'upstream'} <= set(stopped), stopped
    postern.ctl('profile', 'resume', 'out')
    assert {'profile'} <= set(event(postern, 'profile-resumed'))
    postern.expect_trouble('relay')
    os.kill(postern.roles()['relay'], signal.SIGKILL)
    assert {'role', 'pid', 'count', 'delay'} <= set(event(postern, 'role-restarted'))
    postern.ctl('reload')
    assert {'file', 'state'} <= set(event(postern, 'config', 'postern.conf'))
