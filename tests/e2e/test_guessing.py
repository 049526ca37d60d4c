"""Clients that try passwords are slowed and shut out; those who are known there are not."""
import base64
import os
import signal
import time

import pytest

from posternd import CtlError, wait_until
from test_limits import Client, close_all, kill

pytestmark = pytest.mark.user

SHUT_OUT = b'421 4.7.0 Too many failed logins from your address, again after 20'
ATTACKER = '127.0.0.2'


@pytest.fixture
def make_guarded(make_postern):
    def make(limits='guesses = 3;', **settings):
        # However slow the guesses are, so much of them isn't forgotten that one more is free.
        limits += ' guess_window = "30d";'
        postern = make_postern(smtpd_processes=3, config=f'limits = {{ {limits} }};', **settings)
        postern.user = postern.add_user('shop')
        return postern
    return make


def attempt(postern, login, password, source='127.0.0.1', mechanism='PLAIN'):
    """The reply to one login on a connection of its own, or the greeting if it's not 220."""
    client = Client(postern, source=source)
    try:
        line = client.line()
        if not line.startswith(b'220 '):
            return line
        assert client.say('EHLO me').startswith(b'250 ')
        return client.say('AUTH PLAIN ' + base64.b64encode(
            f'\0{login}\0{password}'.encode()).decode())
    finally:
        client.close()


def guess(postern, count, source=ATTACKER, login='admin', begin=0):
    replies = [attempt(postern, login, f'guess{begin + n}', source) for n in range(count)]
    assert all(reply.startswith(b'535 ') for reply in replies), replies


def good(postern, source='127.0.0.1'):
    return attempt(postern, 'shop', postern.user['password'], source)


def test_shut_out_over_all_processes_and_restarts(make_guarded):
    postern = make_guarded()
    guess(postern, 3)
    assert good(postern, ATTACKER).startswith(SHUT_OUT)
    assert good(postern).startswith(b'235 ')
    postern.wait_for_log('event=alert', 'kind=guessing', f'address={ATTACKER}')
    assert postern.ctl('alert', 'ls')[0]['kind'] == 'guessing'
    kill(postern, 'accounts')
    assert good(postern, ATTACKER).startswith(SHUT_OUT)
    postern.restart()
    assert good(postern, ATTACKER).startswith(SHUT_OUT)
    assert len(postern.log_lines('event=rejected', f'client={ATTACKER}', 'until=')) <= 3


def test_who_is_known_there_is_let_through(make_guarded):
    postern = make_guarded()
    assert good(postern, ATTACKER).startswith(b'235 ')
    other = postern.add_user('other')
    guess(postern, 3)
    assert good(postern, ATTACKER).startswith(b'235 ')
    assert attempt(postern, 'other', other['password'], ATTACKER).startswith(SHUT_OUT)
    assert attempt(postern, 'other', 'wrong', ATTACKER).startswith(SHUT_OUT)
    postern.restart()
    assert good(postern, ATTACKER).startswith(b'235 ')
    assert attempt(postern, 'other', other['password'], ATTACKER).startswith(SHUT_OUT)


def test_a_neighbour_does_not_lock_a_known_login_out(make_guarded):
    postern = make_guarded()
    assert good(postern, ATTACKER).startswith(b'235 ')
    guess(postern, 2, login='shop')
    client = Client(postern, source=ATTACKER)
    assert client.line().startswith(b'220 ')
    client.say('EHLO me')
    text = base64.b64encode(b'\0shop\0one more').decode()
    client.sock.sendall(f'AUTH PLAIN {text}\r\n'.encode())
    postern.wait_for_log('event=alert', 'kind=guessing', 'user=shop', f'address={ATTACKER}')
    begin = time.monotonic()
    assert good(postern, ATTACKER).startswith(b'235 ')
    assert time.monotonic() - begin < 0.5
    client.close()


def test_an_operator_forgives(make_guarded):
    postern = make_guarded()
    guess(postern, 3)
    row, = postern.ctl('client', 'ls')
    assert (row['address'], row['guesses'], row['known_users']) == (ATTACKER, 3, 0)
    assert row['shut_out_until'].endswith('Z')
    assert ATTACKER in postern.run_ctl('client', 'ls').stdout
    postern.ctl('client', 'forgive', ATTACKER)
    assert postern.ctl('client', 'ls') == []
    assert good(postern, ATTACKER).startswith(b'235 ')
    for wrong in 'shop', '192.0.2.1', '192.0.2.0/24':
        with pytest.raises(CtlError):
            postern.ctl('client', 'forgive', wrong)


def test_it_ends_by_itself(make_guarded):
    postern = make_guarded('guesses = 3; shut_out = "1s";')
    guess(postern, 3)
    postern.wait_for_log('event=alert', 'kind=guessing', f'address={ATTACKER}')
    wait_until(lambda: good(postern, ATTACKER).startswith(b'235 '), 'the time is over')


def test_the_same_password_again_is_slowed_only(make_guarded):
    postern = make_guarded()
    for expected_s in 0, 0, 0.5, 1:
        begin = time.monotonic()
        assert attempt(postern, 'shop', 'old', ATTACKER).startswith(b'535 ')
        assert time.monotonic() - begin >= expected_s
    begin = time.monotonic()
    assert good(postern, ATTACKER).startswith(b'235 ')
    assert time.monotonic() - begin < 2         # which the next wrong one would wait


def test_http_counts(make_guarded):
    postern = make_guarded('guesses = 2;')
    for line in 'GET / HTTP/1.1', 'Host: localhost':
        client = Client(postern, source=ATTACKER)
        assert client.line().startswith(b'220 ')
        client.say(line)
        client.close()
    assert wait_until(lambda: good(postern, ATTACKER).startswith(SHUT_OUT), 'shut out')
    postern.wait_for_log('event=alert', 'kind=guessing', 'speaks HTTP')


def test_a_trusted_network_is_served_all_the_same(make_postern):
    postern = make_postern(config='limits = { guesses = 2; guess_window = "30d"; };'
                                  'trusted = ( { network = "127.0.0.2"; user = "shop"; } );')
    postern.add_capture()
    postern.user = postern.add_user('shop')
    guess(postern, 2)
    client = Client(postern, source=ATTACKER)
    assert client.line().startswith(b'220 ')
    client.say('EHLO me')
    assert client.say('MAIL FROM:<a@example.com>').startswith(b'250 ')
    close_all([client])
    assert good(postern, ATTACKER).startswith(SHUT_OUT)


def test_shut_out_but_greeted_while_accounts_hangs(make_guarded):
    postern = make_guarded()
    guess(postern, 3)
    pid = postern.roles()['accounts']
    os.kill(pid, signal.SIGSTOP)
    try:
        client = Client(postern, source=ATTACKER)
        assert client.line().startswith(b'220 ')
    finally:
        os.kill(pid, signal.SIGCONT)
    client.say('EHLO me')
    text = f"\0shop\0{postern.user['password']}"
    reply = client.say('AUTH PLAIN ' + base64.b64encode(text.encode()).decode())
    client.close()
    assert reply.startswith(SHUT_OUT), reply


def test_accounts_away_is_no_refusal(make_guarded):
    postern = make_guarded()
    pid = postern.roles()['accounts']
    client = Client(postern)
    assert client.line().startswith(b'220 ')
    client.say('EHLO me')
    postern.expect_trouble(r'event=role-restarted|ended by signal 9')
    os.kill(pid, signal.SIGKILL)
    text = f"\0shop\0{postern.user['password']}"
    reply = client.say('AUTH PLAIN ' + base64.b64encode(text.encode()).decode())
    assert reply[:4] in (b'454 ', b'235 '), reply
    client.close()
    wait_until(lambda: good(postern).startswith(b'235 '), 'accounts is back')
