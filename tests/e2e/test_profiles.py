"""Ways out: which one serves whom, what a test of one says, and what a broken one does."""
import contextlib
import os
import signal
import threading
import types

import pytest

from posternd import Api, CtlError, free_ports, wait_until

MESSAGE = b'From: <a@example.com>\r\nSubject: x\r\n\r\nhello\r\n'


def send(postern, user):
    with postern.client(user) as client:
        client.sendmail('a@example.com', ['b@example.net'], MESSAGE)


def test_default_then_the_lists_then_the_users(postern, make_upstream):
    hosts = {name: make_upstream() for name in ('default', 'list', 'user')}
    for name in ('list', 'user', 'default'):
        postern.add_upstream(hosts[name], name)
    shop, crm = postern.add_user('shop'), postern.add_user('crm')
    send(postern, shop)
    hosts['default'].wait_for(1)
    postern.ctl('list', 'set', 'web', '--profile', 'list')
    send(postern, shop)
    hosts['list'].wait_for(1)
    postern.ctl('user', 'set', 'crm', '--profile', 'user')
    send(postern, crm)
    send(postern, shop)
    hosts['user'].wait_for(1)
    hosts['list'].wait_for(2)
    assert [profile['name'] for profile in postern.ctl('profile', 'ls')
            if profile['default']] == ['default']


def test_without_a_profile_a_client_is_told_to_wait(postern):
    user = postern.add_user()
    with postern.client(user) as client:
        code, answer = client.mail('a@example.com')
    assert code == 451 and b'profile' in answer


def test_a_test_that_passes(postern, sink):
    postern.add_upstream(sink)
    result = postern.ctl('profile', 'test', 'upstream')
    assert result['ok'] is True
    assert all(step['ok'] for step in result['steps'])
    assert sink.messages == []
    postern.ctl('profile', 'test', 'upstream', '--to', 'me@example.net')
    assert sink.wait_for(1)[0].recipients == ['me@example.net']
    said = postern.run_ctl('profile', 'test', 'upstream').stdout
    assert said.splitlines()[-1] == f'it works: 127.0.0.1 port {sink.port}, no TLS, no login'


def test_a_test_of_a_capture(postern):
    maildir = postern.add_capture()
    said = postern.run_ctl('profile', 'test', 'capture').stdout
    assert said.splitlines()[-1] == 'it works: a folder of captured mail'
    assert not maildir.exists()
    result = postern.ctl('profile', 'test', 'capture', '--to', 'me@example.net')
    assert [(step['step'], step['ok']) for step in result['steps']] == [
        ('capture', True), ('mail', True)]
    for _ in range(2):  # files of their own, within one second too
        postern.ctl('profile', 'test', 'capture', '--to', 'me@example.net')
    messages = postern.captured(maildir, 3)
    assert b'Delivered-To: me@example.net\r\n' in messages[0]
    assert b'\r\nSubject: postern test of profile capture\r\n' in messages[0]


def test_a_test_of_a_capture_that_cannot_be_written(postern):
    (postern.capture_dir / 'caught').write_text('')
    postern.expect_trouble('caught')
    postern.add_capture()
    assert "can't make" in failing(postern, 'capture', '--to', 'me@example.net')


def failing(postern, name='upstream', *options):
    with pytest.raises(CtlError) as caught:
        postern.ctl('profile', 'test', name, *options)
    assert caught.value.status == 1
    return caught.value.message


def test_a_test_that_fails_says_which_setting_to_look_at(postern, make_upstream):
    nobody = types.SimpleNamespace(address='127.0.0.1', port=free_ports(1)[0])
    postern.add_upstream(nobody)
    assert 'port' in failing(postern)
    refusing = make_upstream(tls='starttls', auth=('PLAIN',))
    postern.add_upstream(refusing, 'refusing', '--tls', 'starttls', '--tls-verify', 'no',
                         '--username', 'user', '--password-stdin', stdin='wrong\n')
    assert 'TLS is fine' in (words := failing(postern, 'refusing')) and 'password' in words
    in_clear = make_upstream(auth=('PLAIN',))
    postern.add_upstream(in_clear, 'clear', '--tls', 'none', '--username', 'user@example.com',
                         '--password-stdin', stdin='wrong\n')
    words = failing(postern, 'clear')
    assert 'TLS' not in words and 'try the part before the @' in words
    postern.add_upstream(refusing, 'unverified', '--tls', 'starttls')
    assert 'tls' in failing(postern, 'unverified').lower()
    plain = make_upstream()
    postern.add_upstream(plain, 'plain', '--tls', 'starttls')
    assert 'tls' in failing(postern, 'plain').lower()


def test_upstream_with_tls_and_auth(postern, make_upstream):
    host = make_upstream(tls='starttls', auth=('PLAIN', 'LOGIN', 'CRAM-MD5'))
    postern.add_upstream(host, 'upstream', '--tls', 'starttls', '--ca', host.ca, '--username',
                         'user', '--password-stdin', stdin='secret\n')
    send(postern, postern.add_user())
    got = host.wait_for(1)[0]
    assert got.connection.tls_version and got.connection.login[1] == 'user'
    shown = postern.run_ctl('profile', 'show', 'upstream').stdout
    assert 'secret' not in shown and 'secret' not in postern.log()


def test_wrong_password_stops_the_profile_and_nobody_gets_a_bounce(postern, make_upstream):
    host = make_upstream(auth=('PLAIN',))
    postern.add_upstream(host, 'upstream', '--tls', 'none', '--username', 'user',
                         '--password-stdin', stdin='wrong\n')
    send(postern, postern.add_user())
    postern.wait_for_log('event=profile-stopped', 'profile=upstream')
    profile = postern.ctl('profile', 'show', 'upstream')
    assert profile['state'] == 'stopped', profile
    assert '535' in profile['last_error']
    assert len(postern.queued()) == 1 and host.messages == []
    assert 'profile' in postern.ctl('alert', 'ls')[0]['kind']
    postern.ctl('profile', 'set', 'upstream', '--password-stdin', stdin='secret\n')
    postern.ctl('profile', 'resume', 'upstream')
    host.wait_for(1)
    postern.wait_until_queue_is(0)


def test_login_refused_ahead_of_its_message_stops_the_profile_at_once(postern, make_upstream):
    """While the password still works on the connection in use; the message there arrives, and tells of it."""
    host = make_upstream('auth connection=2: reply 535 5.7.8 Authentication failed\ndot message=2: hold',
                         auth=('PLAIN',))
    postern.add_upstream(host, 'upstream', '--tls', 'none', '--auth', 'plain', '--username', 'user',
                         '--connections', '2', '--messages-per-connection', '2', '--password-stdin', stdin='secret\n')
    postern.ctl('profile', 'pause', 'upstream')
    user = postern.add_user()
    for _ in range(4):
        send(postern, user)
    postern.ctl('profile', 'resume', 'upstream')
    host.wait_until(lambda: host.is_holding)
    postern.wait_for_log('event=disconnected', '535 5.7.8')
    assert postern.ctl('profile', 'show', 'upstream')['state'] == 'ok'
    host.release()
    postern.wait_for_log('event=profile-stopped', 'profile=upstream', 'class=auth-bad')
    assert len(postern.wait_for_log('event=delivered', count=2)) == 2
    profile = postern.ctl('profile', 'show', 'upstream')
    assert profile['state'] == 'stopped' and '535 5.7.8 Authentication failed' in profile['last_error']
    wait_until(lambda: any(alert['kind'] == 'profile-stopped' for alert in postern.ctl('alert', 'ls')), 'an alert')
    assert len(postern.queued()) == 2 and len(host.connections) == 2


@pytest.mark.parametrize('repair', [['set', '--ehlo', 'other.example'], ['resume']])
def test_error_is_forgotten_when_mail_goes_again(postern, sink, repair):
    """Whoever mended the profile isn't shown what was wrong with it for ever."""
    sink.set_script('mail: reply 530 5.7.0 Authentication required')
    postern.add_upstream(sink)
    send(postern, postern.add_user())
    postern.wait_for_log('event=profile-stopped')
    assert '530' in postern.ctl('profile', 'show', 'upstream')['last_error']
    sink.set_script('')
    action, *option = repair
    postern.ctl('profile', action, 'upstream', *option)
    postern.wait_until_queue_is(0)
    shown = postern.ctl('profile', 'show', 'upstream')
    assert (shown['state'], shown['last_error']) == ('ok', None)


def test_what_an_upstream_said_outlasts_a_pause_and_a_comment(postern, sink):
    """Only another upstream or login, or resume, sends it back there."""
    sink.set_script('dot: reply 550 5.4.5 Daily user sending quota exceeded')
    postern.add_upstream(sink)
    send(postern, postern.add_user())
    postern.wait_for_log('event=rate-limited')
    before = postern.ctl('profile', 'show', 'upstream')
    fields = ('rate_limited_until', 'last_error', 'class', 'since')
    assert before['state'] == 'limited' and all(before[field] for field in fields)
    sink.set_script('')
    postern.ctl('profile', 'set', 'upstream', '--comment', 'waits for the provider')
    postern.ctl('profile', 'pause', 'upstream')
    after = postern.ctl('profile', 'show', 'upstream')
    assert after['state'] == 'paused'
    assert [after[field] for field in fields] == [before[field] for field in fields]
    assert 'quota-daily' in postern.run_ctl('profile', 'show', 'upstream').stdout
    assert len(sink.messages) == 0
    postern.ctl('profile', 'resume', 'upstream')
    sink.wait_for(1)


def test_what_is_on_its_way_is_told_under_the_name_of_a_removed_profile(postern, make_upstream):
    host = make_upstream('dot: hold')
    postern.add_upstream(host)
    send(postern, postern.add_user())
    host.wait_until(lambda: host.is_holding)
    postern.add_capture()
    postern.ctl('profile', 'rm', 'upstream', '--anyway')
    host.release()
    postern.wait_until_queue_is(0)
    assert 'profile=upstream' in postern.wait_for_log('event=delivered')[0]


def test_paused(postern, sink):
    postern.add_upstream(sink)
    user = postern.add_user()
    postern.ctl('profile', 'pause', 'upstream')
    assert postern.ctl('profile', 'show', 'upstream')['state'] == 'paused'
    send(postern, user)
    assert len(postern.queued()) == 1
    postern.ctl('profile', 'resume', 'upstream')
    sink.wait_for(1)
    postern.wait_until_queue_is(0)


def test_default_profile_that_users_need_is_not_removed(postern, make_upstream):
    host = make_upstream('mail: reply 451 4.3.0 Later')
    postern.add_upstream(host)
    user = postern.add_user()
    send(postern, user)
    postern.wait_until_queue_is(1, '--state', 'deferred')
    with pytest.raises(CtlError, match='only way out for the user shop: add another'):
        postern.ctl('profile', 'rm', 'upstream', '--anyway')
    assert len(postern.queued()) == 1
    maildir = postern.add_capture()
    postern.ctl('profile', 'rm', 'upstream')
    postern.ctl('queue', 'retry', '--all')
    postern.captured(maildir)
    postern.wait_until_queue_is(0)


@pytest.mark.parametrize('options', [
    ['--port', '70000'], ['--tls', 'maybe'], ['--auth', 'gssapi'], ['--tls-min', '9'],
    ['--timeout', '0s'], ['--connections', '0'], ['--rate', '5/x']])
def test_what_can_not_be_is_refused(postern, options):
    with pytest.raises(CtlError) as caught:
        postern.ctl('profile', 'add', 'x', '--host', 'mail.example', *options)
    assert caught.value.status == 1
    assert options[0] in caught.value.message or 'auth' in caught.value.message
    assert postern.ctl('profile', 'ls') == []


def test_mail_of_a_removed_user_is_not_stranded(postern, make_upstream):
    """It says why it waits, and goes out as soon as there is a way for anybody."""
    postern.add_upstream(make_upstream('mail: reply 451 4.3.0 Later'))
    user = postern.add_user()
    send(postern, user)
    postern.wait_until_queue_is(1, '--state', 'deferred')
    postern.ctl('user', 'rm', 'shop')
    assert postern.queued()[0]['profile'] == 'upstream'
    with pytest.raises(CtlError, match='1 message waits for upstream, and would go through another'):
        postern.ctl('profile', 'rm', 'upstream')
    postern.ctl('profile', 'rm', 'upstream', '--anyway')
    postern.wait_for_log('event=held', 'user=shop', 'list=web', 'waiting=1', 'reason="no profile"')
    assert postern.queued()[0]['reason'] == 'no profile'
    assert 'no profile' in postern.run_ctl('queue', 'ls').stdout
    wait_until(lambda: [alert['user'] for alert in postern.ctl('alert', 'ls')
                        if alert['kind'] == 'no-profile'] == ['shop'], 'an alert tells of it')
    maildir = postern.add_capture()
    postern.ctl('queue', 'retry', '--all')
    postern.captured(maildir)
    postern.wait_until_queue_is(0)


def remove_over_the_api(postern, path):
    with contextlib.closing(Api(postern.socket_path)) as api:
        return api.ask('DELETE', path)


def test_the_api_refuses_to_remove_what_mail_waits_for(postern, make_upstream):
    """In the words of posternctl, which only passes --anyway on."""
    postern.add_upstream(make_upstream('mail: reply 451 4.3.0 Later'))
    send(postern, postern.add_user())
    postern.wait_until_queue_is(1, '--state', 'deferred')
    postern.ctl('queue', 'hold', '--all')
    postern.ctl('user', 'rm', 'shop')
    status, answer = remove_over_the_api(postern, '/v1/profiles/upstream')
    assert status == 409 and answer['error']['code'] == 'mail_waits', answer
    assert answer['error']['field'] == 'anyway'
    with pytest.raises(CtlError) as caught:
        postern.ctl('profile', 'rm', 'upstream')
    assert caught.value.message == f'posternctl: {answer["error"]["message"]}'
    assert remove_over_the_api(postern, '/v1/profiles/upstream?anyway=yes')[0] == 400
    assert len(postern.queued('--state', 'held')) == 1
    status, answer = remove_over_the_api(postern, '/v1/profiles/upstream?anyway=1')
    assert (status, answer['name']) == (200, 'upstream')
    maildir = postern.add_capture()
    postern.ctl('queue', 'release', '--all')
    postern.captured(maildir)
    postern.wait_until_queue_is(0)


def test_profile_is_not_removed_while_nobody_knows_what_waits(postern, sink):
    postern.add_upstream(sink)
    postern.expect_trouble('role=queue|queue')
    os.kill(postern.roles()['queue'], signal.SIGSTOP)
    try:
        status, answer = remove_over_the_api(postern, '/v1/profiles/upstream')
    finally:
        os.kill(postern.roles()['queue'], signal.SIGCONT)
    assert status == 503 and "can't be said just now" in answer['error']['message']
    postern.ctl('profile', 'rm', 'upstream')


def test_mail_that_comes_while_its_profile_is_removed(postern, make_upstream):
    """It goes through the profile, or through that which takes its place: once."""
    before, behind = make_upstream(), make_upstream()
    postern.add_upstream(behind, 'behind')
    user = postern.add_user()
    for number in range(8):
        postern.add_upstream(before, f'before{number}')
        sent = []

        def keep_sending(sent=sent):
            with postern.client(user) as client:
                for _ in range(20):
                    client.sendmail('a@example.com', ['b@example.net'], MESSAGE)
                    sent.append(1)
        sender = threading.Thread(target=keep_sending)
        sender.start()
        wait_until(lambda: len(sent) > number, 'the first are through')
        postern.ctl('profile', 'default', 'behind')
        wait_until(lambda number=number: remove(postern, f'before{number}', number % 2 == 0),
                   'it can be removed')
        sender.join()
        assert len(sent) == 20
    postern.wait_until_queue_is(0)
    wait_until(lambda: len(before.messages) + len(behind.messages) == 160, 'all have arrived')


def remove(postern, name, is_anyway):
    try:
        return postern.ctl('profile', 'rm', name, *['--anyway'] * is_anyway)
    except CtlError as error:
        assert not is_anyway and 'for ' + name in error.message
        return None


@pytest.mark.parametrize('limit,connections', [('', 2), ('0', 1)])
def test_messages_per_connection_has_a_default_and_can_be_none(postern, make_upstream, limit,
                                                               connections):
    host = make_upstream()
    shown = postern.add_upstream(host, 'upstream', '--connections', '1',
                                 '--messages-per-connection', limit)
    assert shown['messages_per_connection'] == int(limit or 100)
    with postern.client(postern.add_user()) as client:
        for _ in range(101):
            client.sendmail('a@example.com', ['b@example.net'], b'Subject: x\r\n\r\nx\r\n')
    host.wait_for(101)
    postern.wait_until_queue_is(0)
    assert len(host.connections) == connections
