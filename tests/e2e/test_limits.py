"""Limits on clients: across several smtpds, and when accounts or an smtpd dies."""
import base64
import os
import signal
import socket
import time

import pytest

from posternd import IS_ROOT, PATIENCE_S, wait_until

pytestmark = pytest.mark.user

TOO_MANY = b'421 4.7.0 Too many connections from your address\r\n'


class Client:
    """A client that speaks when the test wants it to."""
    def __init__(self, postern, port=None, address='127.0.0.1', source=None):
        self.sock = socket.create_connection((address, port or postern.port), PATIENCE_S,
                                             source_address=(source, 0) if source else None)
        self.file = self.sock.makefile('rb')

    def line(self):
        return self.file.readline()

    def say(self, text):
        self.sock.sendall(text.encode() + b'\r\n')
        line = self.line()
        while line[3:4] == b'-':
            line = self.line()
        return line

    def close(self):
        self.file.close()
        self.sock.close()


def greeted(postern, count, **options):
    clients = [Client(postern, **options) for _ in range(count)]
    for client in clients:
        assert client.line().startswith(b'220 ')
    return clients


def late_comer(postern, expected, **options):
    """A client beyond a limit, which hears what is expected. On a machine so busy that accounts has
    no answer within a second it is taken all the same, and another one tries."""
    while True:
        begun = time.monotonic()
        client = Client(postern, **options)
        line = client.line()
        if line == expected:
            return client
        assert time.monotonic() - begun > 0.9, line
        client.close()


def close_all(clients):
    for client in clients:
        client.close()


def is_room(postern, count=1):
    """For so many at once. Those of an earlier question may still be counted: ask again."""
    clients = [Client(postern) for _ in range(count)]
    lines = [client.line() for client in clients]
    close_all(clients)
    return all(line.startswith(b'220 ') for line in lines)


@pytest.fixture
def make_limited(make_postern):
    def make(limits, smtpd_processes=3, config='', **settings):
        return make_postern(smtpd_processes=smtpd_processes,
                            config=f'limits = {{ {limits} }};' + config, **settings)
    return make


def login(postern, user, password=None):
    """One AUTH PLAIN; the reply."""
    client = postern.client()
    client.ehlo()
    text = f"\0{user['login']}\0{password or user['password']}"
    reply = client.docmd('AUTH', 'PLAIN ' + base64.b64encode(text.encode()).decode())
    client.close()
    return reply


def kill(postern, role):
    postern.expect_trouble(r'event=role-restarted|ended by signal 9')
    pid = postern.roles()[role]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: postern.roles().get(role) not in (None, pid), f'a new {role}')
    wait_until(postern.is_ready, 'all roles are ready')


def test_too_many_of_one_address(make_limited):
    postern = make_limited('connections_per_client = 6;')
    clients = greeted(postern, 6)
    for _ in range(3):
        late = late_comer(postern, TOO_MANY)
        assert late.line() == b''
        late.close()
    others = greeted(postern, 2, source='127.0.0.2')
    assert len(postern.wait_for_log('event=rejected', 'code=421', 'client=127.0.0.1')) == 1
    clients.pop().close()
    wait_until(lambda: is_room(postern), 'room for a client')
    close_all(clients + others)


def test_implicit_tls_is_closed_without_a_handshake(make_limited):
    postern = make_limited('connections_per_client = 1;')
    clients = greeted(postern, 1)
    late = late_comer(postern, b'', port=postern.tls_port)
    close_all(clients + [late])


def test_too_many_in_all(make_limited):
    postern = make_limited('connections = 4;')
    clients = greeted(postern, 2) + greeted(postern, 2, source='127.0.0.2')
    late = late_comer(postern, b'421 4.3.2 Too many connections, try again later\r\n',
                      source='127.0.0.3')
    close_all(clients + [late])
    wait_until(lambda: is_room(postern), 'room for a client')


def test_counts_survive_accounts(make_limited):
    postern = make_limited('connections_per_client = 5;')
    clients = greeted(postern, 5)
    kill(postern, 'accounts')
    wait_until(lambda: not is_room(postern), 'accounts was told who is there')
    close_all(clients[:2])
    wait_until(lambda: is_room(postern), 'room for a client')
    close_all(clients[2:])


def test_greeted_while_accounts_is_stopped(make_limited):
    postern = make_limited('connections_per_client = 3;')
    pid = postern.roles()['accounts']
    os.kill(pid, signal.SIGSTOP)
    try:
        clients = greeted(postern, 3)
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: not is_room(postern), 'accounts has counted them')
    close_all(clients)


def test_an_smtpd_that_dies_takes_its_clients_along(make_limited):
    postern = make_limited('connections_per_client = 4;', smtpd_processes=1)
    clients = greeted(postern, 4)
    wait_until(lambda: not is_room(postern), 'the limit holds')
    kill(postern, 'smtpd0')
    close_all(clients)
    wait_until(lambda: is_room(postern, 4), 'room for as many as before')


def test_too_many_of_one_user(make_limited):
    postern = make_limited('connections_per_user = 3;')
    user = postern.add_user()
    other = postern.add_user('other')
    clients = [postern.client(user) for _ in range(3)]
    assert login(postern, user) == (421, b'4.7.0 Too many connections of user shop')
    with postern.client(other) as client:
        client.noop()
    kill(postern, 'accounts')
    wait_until(lambda: login(postern, user)[0] == 421, 'accounts was told who is there')
    clients.pop().quit()
    wait_until(lambda: postern.log_lines('event=disconnected', 'user=shop'), 'it has left')
    clients.append(postern.client(user))
    for client in clients:
        client.quit()


TRUSTED = 'trusted = ( { network = "127.0.0.0/8"; user = "shop"; } );'


def test_trusted_clients_are_held_to_the_users_senders_and_limits(make_limited):
    postern = make_limited('connections_per_user = 2;', config=TRUSTED)
    postern.add_capture()
    postern.add_user('shop', '--senders', 'shop@example.com')
    clients = greeted(postern, 2)
    for client in clients:
        assert client.say('EHLO me').startswith(b'250')
        assert client.say('MAIL FROM:<eve@example.com>').startswith(b'550 5.7.1 ')
        assert client.say('MAIL FROM:<shop@example.com>').startswith(b'250 ')
    late = greeted(postern, 1)[0]
    assert late.say('EHLO me').startswith(b'250')
    assert late.say('MAIL FROM:<shop@example.com>') == (
        b'421 4.7.0 Too many connections of user shop\r\n')
    close_all(clients + [late])


def held(postern, count):
    """So many connections at once: those that are greeted. Everybody else is told why not."""
    clients = [Client(postern) for _ in range(count)]
    stay = []
    for client in clients:
        line = client.line()
        if line.startswith(b'220 '):
            stay.append(client)
        else:
            assert line == TOO_MANY
            client.close()
    return stay


def prompt(act):
    """What it returns when accounts has had an answer in time for everybody. On a machine so busy
    that it hadn't within a second clients are taken all the same: again."""
    while True:
        begun = time.monotonic()
        clients = act()
        if time.monotonic() - begun < 0.9:
            return clients
        close_all(clients)


def fill(postern, clients, limit):
    """Up to the limit, which is reached and not passed."""
    def is_full():
        if len(clients) < limit:
            clients.extend(prompt(lambda: held(postern, 1)))
        return len(clients) >= limit
    wait_until(is_full, f'{limit} clients')
    assert prompt(lambda: held(postern, 5)) == []


def test_a_trusted_client_is_greeted_on_a_lease_without_accounts(make_limited):
    postern = make_limited('connections_per_client = 200;', config=TRUSTED, smtpd_processes=1)
    pid = postern.roles()['accounts']

    def is_greeted_at_once():
        first = greeted(postern, 1)[0]
        os.kill(pid, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            others = greeted(postern, 5)
            took_s = time.monotonic() - begun
        finally:
            os.kill(pid, signal.SIGCONT)
        close_all([first] + others)
        return took_s < 0.5     # and not the second after which it's greeted anyway

    wait_until(is_greeted_at_once, 'greeting on a lease')


def test_a_client_that_may_be_guessing_is_greeted_by_accounts_alone(make_limited):
    postern = make_limited('connections_per_client = 200;', smtpd_processes=1,
                           config='trusted = ( { network = "127.0.0.1/32"; user = "shop"; } );')
    close_all(greeted(postern, 1))      # there is a lease now
    pid = postern.roles()['accounts']
    os.kill(pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        close_all(greeted(postern, 1, source='127.0.0.2'))
        assert time.monotonic() - begun > 0.9
    finally:
        os.kill(pid, signal.SIGCONT)


def test_bursts_beyond_a_limit_over_several_smtpds(make_limited):
    postern = make_limited('connections_per_client = 40;', config=TRUSTED)
    for _ in range(5):
        close_all(greeted(postern, 6))      # leases are about
        clients = prompt(lambda: held(postern, 150))
        assert 30 <= len(clients) <= 40
        fill(postern, clients, 40)
        close_all(clients)
        wait_until(lambda: is_room(postern, 19), 'they have left')


@pytest.mark.parametrize('end', [signal.SIGCONT, signal.SIGKILL])
def test_what_an_smtpd_that_stands_still_was_lent_is_nobody_elses(make_limited, end):
    postern = make_limited('connections_per_client = 40;', config=TRUSTED, smtpd_processes=2)
    roles = postern.roles()
    still, other = roles['smtpd0'], roles['smtpd1']
    os.kill(other, signal.SIGSTOP)
    # of 19 that are free below the half an eighth is lent
    clients = prompt(lambda: greeted(postern, 1))
    os.kill(still, signal.SIGSTOP)
    os.kill(other, signal.SIGCONT)
    try:
        clients += prompt(lambda: held(postern, 60))
        assert 30 <= len(clients) <= 40 - 2     # what the other one is lent is on its way back
    finally:
        if end == signal.SIGKILL:
            postern.expect_trouble(r'event=role-restarted|ended by signal 9')
            clients.pop(0).close()
        os.kill(still, end)
    gone = still if end == signal.SIGKILL else None
    wait_until(lambda: postern.roles().get('smtpd0') not in (None, gone), 'smtpd0 is there')
    wait_until(postern.is_ready, 'all roles are ready')
    fill(postern, clients, 40)
    close_all(clients)


def test_leases_end_with_accounts(make_limited):
    postern = make_limited('connections_per_client = 40;', config=TRUSTED)
    clients = greeted(postern, 12)
    kill(postern, 'accounts')
    fill(postern, clients, 40)
    close_all(clients)


def shop_mail(client):
    assert client.say('EHLO me').startswith(b'250')
    return client.say('MAIL FROM:<shop@example.com>')


def test_trusted_clients_count_from_the_start_once_their_user_is_known(make_limited):
    postern = make_limited('connections_per_user = 2;', config=TRUSTED, smtpd_processes=1)
    postern.add_capture()
    postern.add_user('shop', '--senders', 'shop@example.com')
    for _ in range(5):
        client = greeted(postern, 1)[0]
        assert shop_mail(client).startswith(b'250 ')
        assert client.say('QUIT').startswith(b'221 ')
        client.close()
    clients = greeted(postern, 2)
    late = greeted(postern, 1)[0]
    assert shop_mail(late) == b'421 4.7.0 Too many connections of user shop\r\n'
    close_all([late])
    # who has said nothing yet is counted by a new accounts, too
    kill(postern, 'accounts')
    late = greeted(postern, 1)[0]
    assert shop_mail(late) == b'421 4.7.0 Too many connections of user shop\r\n'
    for client in clients:
        assert shop_mail(client).startswith(b'250 ')
    postern.ctl('user', 'set', 'shop', '--active', 'no')
    wait_until(lambda: clients[0].say('RSET').startswith(b'250 ') and
               clients[0].say('MAIL FROM:<shop@example.com>').startswith(b'530 5.7.0 '),
               'its rights are taken away')
    close_all(clients + [late])


def test_the_log_says_why_a_trusted_network_is_not_served(make_limited):
    postern = make_limited('errors = 10;', config=TRUSTED)
    client = greeted(postern, 1)[0]
    assert client.say('EHLO me').startswith(b'250')
    assert client.say('MAIL FROM:<a@example.com>').startswith(b'530 5.7.0 ')
    postern.wait_for_log('event=rejected', 'user=shop', 'code=530',
                         'reason="the trusted network\'s user does not exist"')
    postern.add_user('shop')
    postern.ctl('user', 'set', 'shop', '--active', 'no')
    assert client.say('MAIL FROM:<a@example.com>').startswith(b'530 5.7.0 ')
    postern.wait_for_log('event=rejected', 'user=shop', 'code=530',
                         'reason="the trusted network\'s user is not active"')
    close_all([client])


@pytest.mark.skipif(not IS_ROOT, reason='only root may set its limit back')
def test_descriptors_never_run_out(make_limited):
    """The limit on descriptors is what a process can have, whatever the config would like."""
    postern = make_limited('connections = 10000;', smtpd_processes=1)
    with open(f'/proc/{postern.roles()["smtpd0"]}/limits') as limits:
        files = [line for line in limits if line.startswith('Max open files')][0].split()[3]
    assert int(files) >= 10000 + 2


def test_commands_without_a_message(make_limited):
    postern = make_limited('idle_commands = 5;')
    client = greeted(postern, 1)[0]
    client.say('EHLO me')
    for _ in range(4):
        assert client.say('NOOP').startswith(b'250 ')
    assert client.say('NOOP') == b'421 4.7.0 Too many commands without a message\r\n'
    client.close()


def test_clients_that_are_too_slow(make_limited):
    postern = make_limited('tls_timeout = "1s"; command_timeout = "2s";')
    silent = Client(postern, port=postern.tls_port)
    silent.sock.sendall(b'\x16\x03\x01')
    assert silent.line() == b''
    slow = greeted(postern, 1)[0]
    for byte in b'NOOP':
        slow.sock.sendall(bytes([byte]))
    assert slow.line() == b'421 4.4.2 Timeout\r\n'
    close_all([silent, slow])
