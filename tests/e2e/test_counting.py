"""Behind a start with a long queue: it is counted beside the traffic, and comes out right."""
import os
import signal
import sqlite3

import pytest

from posternd import CtlError, wait_until

MANY = 200_000
COPY = '''
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
INSERT INTO {table} SELECT {columns} FROM n, {table}
'''


def multiply(state_dir, count):
    """The one message in the queue of a posternd that is stopped; all but its body."""
    connection = sqlite3.connect(state_dir / 'queue.db', isolation_level=None)
    connection.execute('PRAGMA locking_mode=EXCLUSIVE')
    connection.execute('BEGIN')
    for table, key in (('message', 'id'), ('recipient', 'message')):
        names = [row[1] for row in connection.execute(f'PRAGMA table_info({table})')]
        columns = ', '.join('i' if name == key else name for name in names)
        connection.execute(COPY.format(table=table, columns=columns), [count - 1])
    connection.execute('COMMIT')
    connection.close()


@pytest.fixture
def long_queue(postern, sink):
    """Many held messages, posternd stopped."""
    postern.add_upstream(sink)
    postern.user = postern.add_user()
    postern.ctl('profile', 'pause', 'upstream')
    send(postern, 'held')
    postern.ctl('queue', 'hold', '--all')
    postern.ctl('profile', 'resume', 'upstream')
    postern.stop()
    multiply(postern.state_dir, MANY)
    return postern


def send(postern, word):
    with postern.client(postern.user) as client:
        client.sendmail('a@example.com', [f'{word}@example.net'], b'Subject: x\r\n\r\nhello\r\n')


def counts(postern):
    """When all is counted."""
    def found():
        queue = postern.ctl('status')['queue']
        return queue if queue is not None and 'counting' not in queue else None
    return wait_until(found, 'the counts')


def test_filters_find_everything_right_behind_a_start(long_queue):
    long_queue.start()
    assert len(long_queue.queued('--user', 'shop', '--state', 'held', '--limit', '1000')) == 1000
    assert counts(long_queue)['held'] == MANY


def is_back(postern, pid):
    try:
        return postern.roles()['queue'] not in (0, pid) and postern.is_ready()
    except CtlError:
        return False


def remove_some(postern):
    ids = [message['id'] for message in postern.queued('--state', 'held', '--limit', '3')]
    assert postern.ctl('queue', 'rm', *ids)['count'] == 3


def test_killed_while_it_counts(long_queue, sink):
    """Each time with mail and an operator's change in the midst of it."""
    long_queue.expect_trouble('role queue .*ended by signal 9|event=role-restarted')
    long_queue.start()
    for number in range(4):
        pid = long_queue.roles()['queue']
        send(long_queue, f'new{number}')
        remove_some(long_queue)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda pid=pid: is_back(long_queue, pid), 'queue is back')
    sent = {f'new{number}@example.net' for number in range(4)}
    wait_until(lambda: sent <= {message.recipients[0] for message in sink.messages},
               'what was accepted goes out')
    wait_until(lambda: counts(long_queue)['ready'] + counts(long_queue)['sending'] == 0,
               'nothing is left to be sent')
    found = counts(long_queue)
    assert (found['held'], sum(found.values())) == (MANY - 12, MANY - 12)
    long_queue.stop()
    connection = sqlite3.connect(long_queue.state_dir / 'queue.db')
    connection.execute('PRAGMA locking_mode=EXCLUSIVE')
    assert connection.execute('SELECT count(*) FROM message').fetchone() == (MANY - 12,)
    connection.close()
