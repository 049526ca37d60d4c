"""The databases of earlier releases: everything in them arrives, and goes out."""
import pathlib
import shutil
import sqlite3

import pytest

from posternd import IS_ROOT

DATA = pathlib.Path(__file__).resolve().parents[1] / 'data'
LARGE = b'Subject: large\r\n\r\n' + b'y' * 69980 + b'\r\n'
SENDERS = ['ready', 'deferred', 'held', 'uncertain', 'large']


def put_queue(postern, version):
    """A queue.db of this version in place of what there is, with the body file it points to."""
    for path in postern.state_dir.glob('queue.db*'):
        path.unlink()
    connection = sqlite3.connect(postern.state_dir / 'queue.db')
    connection.executescript((DATA / f'queue-{version}.sql').read_text())
    connection.close()
    body = postern.state_dir / 'bodies' / '00' / '1000004'
    body.write_bytes(LARGE)
    if IS_ROOT:
        for path in [body, *postern.state_dir.glob('queue.db*')]:
            shutil.chown(path, 'postern', 'postern')


@pytest.mark.parametrize('version', [1, 2, 3, 4, 5, 6])
def test_queue_of_an_earlier_version_goes_out(postern, sink, version):
    postern.add_upstream(sink)
    postern.add_user()                  # user 1, of whose mail the file is
    postern.stop()
    put_queue(postern, version)
    # Its mail is old: whether somebody is told of that depends on what comes first here.
    postern.extra = 'queue = { delay_warning = "0"; };'
    postern.start()
    senders = SENDERS + (['scheduled', 'due', 'limited'] if version >= 2 else [])
    assert postern.ctl('queue', 'check')['sound']
    states = {message['from'].split('@')[0]: message['state'] for message in postern.queued()}
    assert states['held'] == 'held' and states['uncertain'] == 'uncertain'
    assert states['deferred'] == 'deferred'
    if version >= 2:
        assert states['scheduled'] == 'scheduled'
    postern.ctl('queue', 'retry', '--all')
    postern.ctl('queue', 'release', '--all')
    postern.wait_until_queue_is(0)
    messages = [message for message in sink.messages if message.sender != '']
    assert sorted(message.sender.split('@')[0] for message in messages) == sorted(senders)
    recipients = [to for message in messages for to in message.recipients]
    assert sorted(recipients) == [f'{letter}@example.net' for letter in 'abcdefgh'[:len(senders)]]
    [large] = [message for message in messages if message.sender.startswith('large')]
    assert len(large.wire) == len(LARGE)
    # One client of version 2 and later wanted to be told of success.
    notices = [message for message in sink.messages if message.sender == '']
    assert [message.recipients for message in notices] == [
        ['deferred@example.org']] * (version >= 2)
    postern.stop()
    connection = sqlite3.connect(postern.state_dir / 'queue.db')
    assert connection.execute('PRAGMA user_version').fetchone()[0] > version
    [next_id] = connection.execute("SELECT value FROM meta WHERE name = 'next_id'").fetchone()
    connection.close()
    assert next_id >= 1073745920
