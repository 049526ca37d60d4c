"""What got a 250 arrives: under kill -9 of each role, of all of them, and under SIGTERM.

POSTERN_KILLS is how often each role is killed: 8 for a quick run, 200 for a thorough one.
"""
import contextlib
import os
import random
import signal
import socket
import sqlite3
import threading
import time
from concurrent import futures

import pytest

from posternd import CtlError, wait_until
from rig import KILLED, SEED, is_alive

KILLS = int(os.environ.get('POSTERN_KILLS', '8'))
ROLES = ['smtpd0', 'smtpd1', 'accounts0', 'queue0', 'relay0', 'control0']


@pytest.mark.parametrize('roles', [
    pytest.param(ROLES, id='all', marks=pytest.mark.user),
    pytest.param(['queue0'], id='queue'),
    pytest.param(['relay0'], id='relay')])
def test_roles_killed_under_load(make_rig, roles):
    rig = make_rig()
    rig.postern.expect_trouble(KILLED)
    rig.wait_for_progress(20)
    for _ in range(KILLS):
        for role in rig.random.sample(roles, len(roles)):
            # Now and then the next one dies while this one starts.
            if rig.random.random() < 0.97:
                rig.wait_for_progress(rig.random.randint(1, 30))
                rig.wait_until_well(role)
            time.sleep(rig.random.uniform(0, 0.05))
            rig.kill(role)
    rig.wait_for_progress(1)
    rig.check()


@pytest.mark.user
def test_roles_killed_while_mime_changes_every_message(make_rig):
    """Nothing is lost, and nothing leaves as it came."""
    rig = make_rig(from_name='Load', load={'pause': 0.2})
    rig.postern.expect_trouble(KILLED)
    rig.wait_for_progress(5)
    for _ in range(max(2, KILLS // 2)):
        for role in rig.random.sample(['mime0', 'relay0', 'queue0'], 3):
            rig.wait_for_progress(rig.random.randint(1, 10))
            rig.wait_until_well(role)
            time.sleep(rig.random.uniform(0, 0.05))
            rig.kill(role)
    rig.wait_for_progress(5)
    # One of which mime has died three times waits for an operator.
    rig.postern.ctl('queue', 'release', '--all')
    rig.check()
    assert len([role for role, _, _ in rig.kills if role == 'mime0']) >= 2


@pytest.mark.user
def test_everything_killed_at_once(make_rig):
    rig = make_rig()
    rig.postern.expect_trouble(KILLED)
    for _ in range(max(2, KILLS // 4)):
        rig.wait_for_progress(rig.random.randint(1, 100))
        time.sleep(rig.random.uniform(0, 0.05))
        rig.kill_all()
        rig.postern.start()
    rig.check()


@pytest.mark.user
def test_parent_killed(make_rig):
    """Nobody stays behind without a parent, and the next one goes on."""
    rig = make_rig()
    rig.postern.expect_trouble(KILLED)
    rig.wait_for_progress(50)
    pids = rig.pids()
    rig.kill_parent()
    wait_until(lambda: not any(is_alive(pid) for pid in pids.values()), 'all roles end')
    rig.postern.start()
    rig.wait_for_progress(50)
    rig.check()


@pytest.mark.user
def test_sigterm_under_load(make_rig):
    """It ends by itself, with 0 and in time, and the next one goes on; nothing is sent twice."""
    rig = make_rig()
    for _ in range(3):
        rig.wait_for_progress(rig.random.randint(20, 100))
        begun = time.monotonic()
        rig.postern.restart()
        print(f'stopped and started within {time.monotonic() - begun:.1f} s')
    rig.wait_for_progress(20)
    rig.check()
    assert rig.kills == []


class Operator(threading.Thread):
    """Holds, releases, hurries, schedules, checks and backs up, one after the other by chance. A role
    that is away refuses it; what it was told is done counts."""

    def __init__(self, postern):
        super().__init__()
        self.postern, self.random = postern, random.Random(SEED)
        self.is_stopping, self.done, self.backups = False, {}, []

    def schedule(self):
        waiting = self.postern.queued('--limit', 20)
        for message in self.random.sample(waiting, min(3, len(waiting))):
            self.postern.ctl('queue', 'schedule', message['id'], '2s')

    def backup(self):
        name = f'b{len(self.backups)}'
        self.backups.append(name)
        assert self.postern.ctl('queue', 'backup', name)['sound']

    def act(self):
        whom = self.random.choice([['--all'], ['--user', 'shop'], ['--list', 'web'],
                                   ['--profile', 'upstream']])
        actions = {
            'hold': lambda: self.postern.ctl('queue', 'hold', *whom),
            'release': lambda: self.postern.ctl('queue', 'release', *whom),
            'retry': lambda: self.postern.ctl('queue', 'retry', *whom),
            'schedule': self.schedule,
            'check': lambda: self.postern.ctl('queue', 'check'),
            'backup': self.backup}
        name = self.random.choice(list(actions))
        with contextlib.suppress(CtlError):
            actions[name]()
            self.done[name] = self.done.get(name, 0) + 1
        if name == 'hold':      # others get their turn
            with contextlib.suppress(CtlError):
                self.postern.ctl('queue', 'release', '--all')

    def run(self):
        while not self.is_stopping:
            self.act()
            time.sleep(self.random.uniform(0, 0.1))

    def finish(self):
        self.is_stopping = True
        self.join()
        wait_until(self.is_released, 'nothing is held')
        print(f'operator: {self.done}')

    def is_released(self):
        with contextlib.suppress(CtlError):
            self.postern.ctl('queue', 'release', '--all')
            return not self.postern.queued('--state', 'held', '--limit', 1)
        return False


def check_backups(postern):
    """Each that has its name is whole, whatever was killed while it was made."""
    found = [path for path in (postern.state_dir / 'backups').iterdir()
             if path.suffix != '.partial']
    for path in found:
        assert (path / 'seal.key').read_bytes() == (postern.state_dir / 'seal.key').read_bytes()
        for name in ('queue.db', 'accounts.db'):
            connection = sqlite3.connect(path / name)
            assert connection.execute('PRAGMA integrity_check').fetchall() == [('ok',)]
            if name == 'queue.db':
                rows = connection.execute('SELECT size FROM message WHERE body_file').fetchall()
                states = connection.execute('SELECT DISTINCT state FROM message').fetchall()
            connection.close()
        assert states in ([], [(1,)])
        assert sorted(size for size, in rows) == sorted(
            body.stat().st_size for body in path.glob('bodies/*/*'))
    return len(found)


@pytest.mark.user
def test_roles_killed_while_an_operator_works(make_rig):
    """With holds, schedules, mass operations, notices, checks and backups under way."""
    def with_warnings(postern):
        postern.extra = postern.extra.replace('retry =', 'delay_warning = "1s"; retry =')
    rig = make_rig(load={'large': 0.1}, prepare=with_warnings)
    rig.postern.expect_trouble(KILLED)
    rig.wait_for_progress(20)
    operator = Operator(rig.postern)
    operator.start()
    try:
        for _ in range(KILLS // 2):
            for role in rig.random.sample(ROLES, len(ROLES)):
                rig.wait_for_progress(rig.random.randint(1, 20))
                rig.wait_until_well(role)
                rig.kill(role)
        rig.wait_for_progress(20)
    finally:
        operator.finish()
    rig.check()
    delays = [address for event in rig.upstream.events() for address in event[3]
              if address.startswith('delay.')]
    print(f'{len(delays)} were told of a delay')
    assert operator.done['hold'] > 0 and sum(operator.done.values()) >= 10
    print(f'{check_backups(rig.postern)} backups of {len(operator.backups)} begun')


def is_listening(port):
    with contextlib.suppress(OSError), socket.create_connection(('127.0.0.1', port), 10):
        return True
    return False


def test_sigterm_between_final_dot_and_reply(postern, make_upstream):
    """The upstream is taking a message: the stop waits for its word, so nothing is sent twice."""
    upstream = make_upstream('dot: hold')
    postern.add_upstream(upstream)
    with postern.client(postern.add_user()) as client:
        client.sendmail('a@example.com', ['b@example.net'], b'Subject: x\r\n\r\nhello\r\n')
    upstream.wait_until(lambda: upstream.is_holding)
    with futures.ThreadPoolExecutor() as pool:
        stopping = pool.submit(postern.stop)
        wait_until(lambda: not is_listening(postern.port), 'the stop has begun')
        upstream.release()
        stopping.result()
    postern.start()
    assert postern.queued() == []
    assert postern.log_lines('event=delivered')
    assert len(upstream.messages) == 1


def test_changes_of_accounts_survive_its_end(postern):
    """What posternctl has confirmed is there when accounts dies at once."""
    postern.expect_trouble(KILLED)
    added = []
    for number in range(5):
        added.append(postern.add_user(f'user{number}')['login'])
        pid = postern.roles()['accounts']
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: is_back(postern, 'accounts', pid), 'accounts is back')
    assert [user['login'] for user in postern.ctl('user', 'ls')] == added


def is_back(postern, role, pid):
    try:
        return postern.roles()[role] not in (0, pid) and postern.is_ready()
    except CtlError:
        return False
