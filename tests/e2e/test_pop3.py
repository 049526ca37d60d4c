"""POP-before-SMTP: a Postfix that opens to whoever has logged in to a Dovecot by POP3."""
import json
import socket
import threading
import time
import uuid

import pytest

import ntlm_acceptor
import postfix as postfix_library
from fakepop import FakePop
from popgate import POP3_PASSWORD, PopGate
from posternd import CtlError, free_ports, wait_until

SENDER = 'shop@example.com'
LOGIN = ('--pop3-username', 'popper', '--pop3-password-stdin')
needs_servers = pytest.mark.root


@pytest.fixture(scope='module')
def gate():
    reason = postfix_library.why_not()
    if reason is not None:
        pytest.skip(reason)
    with PopGate() as server:
        yield server


@pytest.fixture
def needs_ntlm():
    reason = ntlm_acceptor.why_not()
    if reason is not None:
        pytest.skip(reason)


class Office:
    """A posternd whose default profile leads to the gate."""

    def __init__(self, postern, gate):
        self.postern, self.gate = postern, gate
        self.user = postern.add_user()
        gate.window_s = 3600
        gate.shut()
        self.logins_before, self.refusals_before = gate.logins(), gate.refusals()

    def add(self, mode='implicit', *options, login=LOGIN, password=POP3_PASSWORD, ca=True):
        port = self.gate.ports['pop3s' if mode == 'implicit' else 'pop3']
        trust = ('--pop3-ca', self.gate.ca.path) if ca else ()
        self.postern.ctl('profile', 'add', 'office', '--host', '127.0.0.1', '--port',
                         self.gate.ports['gate'], '--tls', 'none', '--default', '--pop3-host',
                         'localhost', '--pop3-port', port, '--pop3-tls', mode, *trust, *login,
                         *options, stdin=f'{password}\n' if login else '')

    def logins(self):
        return self.gate.logins() - self.logins_before

    def refusals(self):
        return self.gate.refusals() - self.refusals_before

    def profile(self):
        return self.postern.ctl('profile', 'show', 'office')

    def send(self):
        recipient = f'{uuid.uuid4().hex}@example.net'
        with self.postern.client(self.user) as client:
            client.sendmail(SENDER, [recipient],
                            f'From: <{SENDER}>\r\nSubject: order\r\n\r\nhello\r\n'.encode())
        return recipient

    def arrives(self, recipient):
        self.gate.mail_for(recipient)
        self.postern.wait_for_log('event=delivered', f'to=<{recipient}>')

    def waits(self, state, *words):
        recipient = self.send()
        wait_until(lambda: self.profile()['state'] == state, f'the profile is {state}')
        error = self.profile()['last_error']
        for word in words:
            assert word in error, error
        assert not self.postern.log_lines('event=bounced')
        assert self.gate.all_mail_for(recipient) == []
        return recipient


@pytest.fixture
def office(postern, gate):
    return Office(postern, gate)


# ---- it works ----

@needs_servers
@pytest.mark.parametrize('mode, auth', [
    ('none', 'login'), ('none', 'plain'), ('none', 'cram-md5'), ('none', 'apop'),
    ('stls', 'login'), ('stls', 'plain'), ('stls', 'cram-md5'), ('stls', 'apop'),
    ('implicit', 'login'), ('implicit', 'plain'), ('implicit', 'cram-md5'),
    ('implicit', 'apop')])
def test_a_login_opens_the_way(office, mode, auth):
    office.add(mode, '--pop3-auth', auth)
    for _ in range(3):
        office.arrives(office.send())
    assert office.logins() == 1 and office.refusals() == 0


@needs_servers
@pytest.mark.parametrize('mode, auth', [('none', 'ntlm'), ('stls', 'msn'), ('implicit', 'ntlm')])
@pytest.mark.parametrize('user', ['popper', 'WORKGROUP\\popper'])
def test_ntlm_opens_the_way(office, needs_ntlm, mode, auth, user):
    office.add(mode, '--pop3-auth', auth, login=('--pop3-username', user, '--pop3-password-stdin'))
    office.arrives(office.send())
    assert office.logins() == 1 and office.refusals() == 0


@needs_servers
def test_many_connections_wait_for_one_login(office):
    office.add('stls')
    office.postern.ctl('profile', 'pause', 'office')
    recipients = [office.send() for _ in range(20)]
    office.postern.ctl('profile', 'resume', 'office')
    for recipient in recipients:
        office.arrives(recipient)
    assert office.logins() == 1 and office.refusals() == 0


@needs_servers
def test_login_is_that_of_the_profile_where_there_is_no_other(office):
    office.postern.ctl(
        'profile', 'add', 'office', '--host', '127.0.0.1', '--port', office.gate.ports['gate'],
        '--tls', 'none', '--auth', 'none', '--default', '--username', postfix_library.USER,
        '--password-stdin', '--pop3-host', 'localhost', '--pop3-port',
        office.gate.ports['pop3s'], '--pop3-tls', 'implicit', '--pop3-ca', office.gate.ca.path,
        stdin=postfix_library.PASSWORD + '\n')
    office.arrives(office.send())
    assert office.logins() == 1


@needs_servers
def test_two_passwords_are_two_lines(office):
    office.postern.ctl(
        'profile', 'add', 'office', '--host', '127.0.0.1', '--port', office.gate.ports['gate'],
        '--tls', 'none', '--auth', 'none', '--default', '--username', 'somebody',
        '--password-stdin', '--pop3-host', 'localhost', '--pop3-port', office.gate.ports['pop3'],
        '--pop3-ca', office.gate.ca.path, *LOGIN, stdin=f'something else\n{POP3_PASSWORD}\n')
    profile = office.profile()
    assert profile['pop3_tls'] == 'stls' and profile['has_pop3_password'] is True
    office.arrives(office.send())


# ---- how long a login holds ----

@needs_servers
def test_the_window_closes_and_the_next_login_comes_in_time(office):
    office.gate.window_s = 4
    office.add('implicit', '--pop3-valid', '3s')
    until = time.monotonic() + 10
    while time.monotonic() < until:     # a flow, of which nothing is refused
        office.arrives(office.send())
    assert office.logins() >= 3 and office.refusals() == 0
    assert not office.postern.log_lines('event=deferred')


@needs_servers
def test_no_login_without_mail_and_a_new_one_with_the_next(office):
    office.gate.window_s = 2
    office.add('implicit', '--pop3-valid', '1s')
    office.arrives(office.send())
    wait_until(lambda: not office.gate.is_open('127.0.0.1'), 'the window is shut')
    before = office.logins()
    assert before <= 2      # the mail itself asks for one more at the most
    office.arrives(office.send())
    assert office.logins() == before + 1


@needs_servers
def test_a_window_that_closes_early_is_opened_at_once(office):
    office.add('stls')
    office.arrives(office.send())
    office.gate.shut()
    office.arrives(office.send())
    assert office.logins() == 2 and office.refusals() == 1
    assert not office.postern.log_lines('event=deferred')
    assert not office.postern.log_lines('event=profile-stopped')


@needs_servers
def test_it_is_asked_for_although_there_was_a_login(office):
    office.gate.window_s = -1
    office.add('stls')
    office.waits('limited', '550 5.7.1', 'pop3-username', 'same address')
    assert office.logins() == 2


@needs_servers
def test_it_is_asked_for_and_not_set(office):
    office.postern.ctl('profile', 'add', 'office', '--host', '127.0.0.1', '--port',
                       office.gate.ports['gate'], '--tls', 'none', '--default')
    recipient = office.waits('stopped', '550 5.7.1', 'pop3-host')
    office.postern.ctl('profile', 'set', 'office', '--pop3-host', 'localhost', '--pop3-port',
                       office.gate.ports['pop3s'], '--pop3-tls', 'implicit', '--pop3-ca',
                       office.gate.ca.path, *LOGIN, stdin=POP3_PASSWORD + '\n')
    office.arrives(recipient)


# ---- what goes wrong ----

@needs_servers
@pytest.mark.parametrize('auth', ['login', 'plain', 'cram-md5', 'apop', 'ntlm'])
def test_wrong_password_waits_for_the_right_one(office, auth, request):
    if auth == 'ntlm':
        request.getfixturevalue('needs_ntlm')
    office.add('implicit', '--pop3-auth', auth, password='wrong')
    recipient = office.waits('stopped', 'POP3', 'pop3-username')
    assert office.logins() == 0
    office.postern.ctl('profile', 'set', 'office', '--pop3-password-stdin',
                       stdin=POP3_PASSWORD + '\n')
    office.arrives(recipient)


@needs_servers
def test_certificate_that_is_not_accepted(office):
    office.add('implicit', ca=False)
    office.waits('limited', 'pop3-tls', 'certificate', 'pop3-ca')


def unreachable_profile(postern, sink, *options):
    port, = free_ports(1)
    postern.ctl('profile', 'add', 'office', '--host', '127.0.0.1', '--port', sink.port, '--tls',
                'none', '--default', '--pop3-host', '127.0.0.1', '--pop3-port', port, *options)


def through(postern, sink, pop, *options, password=POP3_PASSWORD, host='127.0.0.1'):
    """A profile whose POP3 server is a small one of our own, without TLS."""
    postern.ctl('profile', 'add', 'office', '--host', '127.0.0.1', '--port', sink.port, '--tls', 'none', '--default',
                '--pop3-host', host, '--pop3-port', pop.port, '--pop3-tls', 'none', *options,
                '--pop3-password-stdin', stdin=password + '\n')
    return postern.run_ctl('profile', 'test', 'office', '--to', 'b@example.net', '--transcript')


@pytest.fixture
def ntlm_pop(needs_ntlm, tmp_path, monkeypatch):
    users = tmp_path / 'ntlm-users'
    users.write_text(f'WORKGROUP:popper:{POP3_PASSWORD}\n:popper@example.com:{POP3_PASSWORD}\n')
    monkeypatch.setenv('NTLM_USER_FILE', str(users))
    with FakePop(ntlm=True) as pop:
        yield pop


@pytest.mark.parametrize('user', ['popper', 'WORKGROUP\\popper', 'popper@example.com'])
def test_ntlm_as_exchange_says_it(postern, sink, ntlm_pop, user):
    """With +OK for the go-ahead, and to who knows of no CAPA."""
    done = through(postern, sink, ntlm_pop, '--pop3-auth', 'ntlm', '--pop3-username', user)
    assert done.returncode == 0, done
    assert 'C: AUTH NTLM\nS: +OK\nC: <secret>\nS: + ' in done.stdout.replace('\n  ', '\n')
    (method, who), = ntlm_pop.logins
    assert method == 'NTLM' and who.lower().endswith(user.lower())


def test_ntlm_as_exchange_refuses_it(postern, sink, ntlm_pop):
    done = through(postern, sink, ntlm_pop, '--pop3-auth', 'ntlm', '--pop3-username', 'popper', password='wrong')
    assert done.returncode == 1 and 'look at pop3-username' in done.stderr, done
    assert ntlm_pop.logins == []


def test_ntlm_where_there_is_none(postern, sink):
    with FakePop() as pop:
        done = through(postern, sink, pop, '--pop3-auth', 'ntlm', '--pop3-username', 'popper')
    assert done.returncode == 1 and 'look at pop3-auth' in done.stderr, done


def test_pop3_server_with_ipv6_alone(postern, sink):
    with FakePop(address='::1') as pop:
        done = through(postern, sink, pop, '--pop3-auth', 'login', '--pop3-username', 'popper', host='::1')
    assert done.returncode == 0, done
    assert f'::1[::1]:{pop.port}' in done.stdout and pop.logins == [('USER/PASS', 'popper')]


def test_unreachable(postern, sink):
    unreachable_profile(postern, sink)
    user = postern.add_user()
    with postern.client(user) as client:
        client.sendmail(SENDER, ['b@example.net'], b'From: <shop@example.com>\r\n\r\nhello\r\n')
    wait_until(lambda: 'pop3-connect' in (postern.ctl('profile', 'show', 'office')['last_error']
                                          or ''), 'the reason names POP3')
    assert sink.connections == []
    assert not postern.log_lines('event=bounced')


# ---- profile test ----

@pytest.mark.parametrize('mode', ['none', 'stls'])
def test_profile_test_finds_tls_behind_silence(postern, sink, make_upstream, mode):
    """What it is that speaks TLS there doesn't matter: it waits for a ClientHello."""
    host = make_upstream(tls='implicit')
    postern.ctl('profile', 'add', 'office', '--host', '127.0.0.1', '--port', sink.port, '--tls', 'none', '--default',
                '--pop3-host', '127.0.0.1', '--pop3-port', host.port, '--pop3-tls', mode, '--pop3-auth', 'login', *LOGIN,
                stdin='x\n')
    started = time.monotonic()
    done = postern.run_ctl('profile', 'test', 'office')
    assert done.returncode == 1 and time.monotonic() - started < 30
    assert 'pop3-greeting' in done.stdout and 'speaks TLS here' in done.stdout
    assert 'set pop3-tls to implicit (--pop3-tls implicit)' in done.stderr
    assert sink.connections == []


def steps(result):
    return [step['step'] for step in result['steps']]


@needs_servers
@pytest.mark.parametrize('mode, expected', [
    ('none', ['pop3-name', 'pop3-connect', 'pop3-greeting', 'pop3-login']),
    ('stls', ['pop3-name', 'pop3-connect', 'pop3-greeting', 'pop3-tls', 'pop3-login']),
    ('implicit', ['pop3-name', 'pop3-connect', 'pop3-tls', 'pop3-greeting', 'pop3-login'])])
def test_profile_test_has_its_steps(office, mode, expected):
    office.add(mode, '--pop3-auth', 'login')
    for count in (1, 2):    # each test logs in itself
        result = office.postern.ctl('profile', 'test', 'office', '--to', 'b@example.net',
                                    '--transcript')
        assert result['ok'] is True, result
        assert steps(result)[1:len(expected) + 1] == expected
        assert office.logins() == count
    transcript = '\n'.join(result['transcript'])
    assert 'C: USER popper\nS: +OK' in transcript and 'C: PASS <secret>\nS: +OK' in transcript
    assert POP3_PASSWORD not in json.dumps(result)


@needs_servers
def test_profile_test_says_what_to_look_at(office):
    office.add('stls', password='wrong')
    done = office.postern.run_ctl('profile', 'test', 'office')
    assert done.returncode == 1
    assert 'pop3-login' in done.stdout and '[AUTH]' in done.stdout
    assert 'look at pop3-username and the password for POP3' in done.stderr


@needs_servers
def test_port_for_implicit_tls_is_no_port_for_stls(office):
    office.add('stls')
    office.postern.ctl('profile', 'set', 'office', '--pop3-port', office.gate.ports['pop3s'],
                       '--timeout', '1s')
    done = office.postern.run_ctl('profile', 'test', 'office')
    assert 'set pop3-tls to implicit' in done.stderr, done.stderr


@needs_servers
def test_port_for_stls_is_none_for_implicit_tls(office):
    office.add('implicit')
    office.postern.ctl('profile', 'set', 'office', '--pop3-port', office.gate.ports['pop3'])
    done = office.postern.run_ctl('profile', 'test', 'office')
    assert 'set pop3-tls to stls' in done.stderr, done.stderr


# ---- settings ----

def add(postern, *options, stdin=''):
    return postern.ctl('profile', 'add', 'x', '--host', 'mail.example', *options, stdin=stdin)


@pytest.mark.parametrize('options, port, tls', [
    ([], 995, 'implicit'), (['--pop3-port', '995'], 995, 'implicit'),
    (['--pop3-port', '110'], 110, 'stls'), (['--pop3-tls', 'stls'], 110, 'stls'),
    (['--pop3-tls', 'none'], 110, 'none'), (['--pop3-tls', 'implicit'], 995, 'implicit')])
def test_port_and_mode_pick_each_other(postern, options, port, tls):
    profile = add(postern, '--pop3-host', 'pop.example', *options)
    assert (profile['pop3_port'], profile['pop3_tls']) == (port, tls)
    assert (profile['pop3_auth'], profile['pop3_valid']) == ('none', 600)
    assert profile['pop3_tls_min'] == '1.2' and profile['pop3_tls_verify'] == 'yes'


@pytest.mark.parametrize('options, stdin, words', [
    (['--pop3-port', '110'], '', 'of no use without a POP3 server'),
    (['--pop3-host', 'p', '--pop3-auth', 'login'], '', 'needs a user name'),
    (['--pop3-host', 'p', '--pop3-username', 'u'], '', 'needs a password'),
    (['--pop3-host', 'p', '--pop3-password-stdin'], 'x\n', 'needs a user name'),
    (['--pop3-host', 'p', '--pop3-tls', 'none', *LOGIN], 'x\n', 'has to be named'),
    (['--pop3-host', 'p', '--pop3-tls', 'opportunistic'], '', 'none, stls, implicit'),
    (['--pop3-host', 'p', '--pop3-auth', 'kerberos'], '', 'apop, plain, cram-md5, ntlm, msn'),
    (['--pop3-host', 'p', '--pop3-valid', '0s'], '', 'pop3-valid'),
    (['--pop3-host', 'p', '--pop3-ca', __file__], '', 'certificate')])
def test_what_can_not_be(postern, options, stdin, words):
    with pytest.raises(CtlError) as caught:
        add(postern, *options, stdin=stdin)
    assert words in caught.value.message, caught.value.message
    assert postern.ctl('profile', 'ls') == []


def test_password_is_shown_to_nobody_and_kept_sealed(postern):
    add(postern, '--pop3-host', 'pop.example', *LOGIN, stdin=POP3_PASSWORD + '\n')
    profile = postern.ctl('profile', 'show', 'x')
    assert profile['has_pop3_password'] is True and profile['pop3_auth'] == 'login'
    assert POP3_PASSWORD not in json.dumps(profile) and 'pop3_password' not in profile
    assert POP3_PASSWORD not in postern.log()
    for path in postern.directory.glob('state/accounts.db*'):
        assert POP3_PASSWORD.encode() not in path.read_bytes()


# ---- rude servers ----

def test_endless_greeting(postern, sink):
    """It ends by the limit of a line, not by memory."""
    listener = socket.create_server(('127.0.0.1', 0))

    def pour():
        connection, _ = listener.accept()
        try:
            while True:
                connection.sendall(b'+OK ' + b'x' * 65536)
        except OSError:
            pass
    thread = threading.Thread(target=pour, daemon=True)
    thread.start()
    postern.ctl('profile', 'add', 'office', '--host', '127.0.0.1', '--port', sink.port, '--tls',
                'none', '--default', '--pop3-host', '127.0.0.1', '--pop3-port',
                listener.getsockname()[1], '--pop3-tls', 'none')
    done = postern.run_ctl('profile', 'test', 'office')
    assert 'too long' in done.stdout, done.stdout
    thread.join(20)
    assert not thread.is_alive()
    listener.close()
