"""The queue looked after: check, backup, restore, export, and what is done with a damaged one."""
import json
import os
import pathlib
import resource
import shutil
import sqlite3
import subprocess
from concurrent import futures

import pytest

from posternd import IS_ROOT, CtlError, Posternd, wait_until
from rig import is_sanitized

LARGE = b'x' * 70 + b'\r\n'
DEFERRING = 'rcpt: reply 451 4.7.1 Come back later'


@pytest.fixture
def waiting(postern, make_upstream):
    """Three small messages and a large one, which the upstream does not take yet."""
    postern.upstream = make_upstream(DEFERRING)
    postern.add_upstream(postern.upstream)
    postern.user = postern.add_user()
    with postern.client(postern.user) as client:
        for number in range(3):
            client.sendmail('a@example.com', [f'{number}@example.net', 'all@example.net'],
                            b'Subject: small\r\n\r\n' + b'hello\r\n' * (number + 1))
        client.sendmail('a@example.com', ['large@example.net'],
                        b'Subject: large\r\n\r\n' + LARGE * 3000)
    postern.wait_until_queue_is(4, '--state', 'deferred')
    return postern


def database(state_dir, name='queue.db'):
    """The database of a posternd that is stopped, or of a backup."""
    connection = sqlite3.connect(state_dir / name, isolation_level=None)
    connection.execute('PRAGMA locking_mode=EXCLUSIVE')
    return connection


def restore(backup, directory, **settings):
    """As backup.md says: into an empty state_dir, for a posternd that is not running."""
    directory.mkdir()
    copy = Posternd(directory, **settings)
    shutil.copytree(backup, copy.state_dir)
    if IS_ROOT:
        subprocess.run(['chown', '-R', '--from', 'root', 'postern:postern', copy.state_dir],
                       check=True)
    return copy


# ---- check ----

def test_check_of_a_sound_queue(waiting):
    result = waiting.ctl('queue', 'check')
    assert (result['sound'], result['problems']) == (True, [])
    assert (result['messages'], result['body_files']) == (4, 1)
    assert waiting.run_ctl('queue', 'check').stdout.startswith('sound: 4 messages of ')
    assert list((waiting.state_dir / 'backups').iterdir()) == []


DAMAGES = {
    'UPDATE recipient SET message = message + 100': '4 messages without recipients',
    'INSERT INTO recipient SELECT message + 100, position, state, attempts, code, address,'
    ' enhanced, reply, notify, orcpt, class, rule FROM recipient': '4 messages of which there are recipients',
    'UPDATE message SET pending = 7': '4 messages of which the waiting recipients are miscounted',
    'DELETE FROM owner': '4 messages that a search by their user or list would miss',
    'UPDATE message SET has_wishes = 1': '4 messages whose client\'s wishes are missing',
    'DELETE FROM body WHERE id = (SELECT min(id) FROM body)': '1 messages whose body is not as long',
    'INSERT INTO body VALUES(77 << 20, x\'00\')': '1 messages of which there is a body only',
    'UPDATE message SET size = size + 1 WHERE body_file': 'instead of',
}


@pytest.mark.parametrize('sql, words', DAMAGES.items())
def test_check_finds_what_does_not_belong_together(waiting, sql, words):
    waiting.expect_trouble('could not be read')
    waiting.ctl('profile', 'pause', 'upstream')
    waiting.stop()
    with database(waiting.state_dir) as connection:
        connection.execute(sql)
    connection.close()
    waiting.start()
    done = waiting.run_ctl('queue', 'check')
    assert done.returncode == 1
    assert words in done.stderr and 'not sound' in done.stderr


def test_check_finds_missing_and_forgotten_files(waiting):
    waiting.ctl('profile', 'pause', 'upstream')
    [body] = [path for path in waiting.state_dir.glob('bodies/*/*')]
    forgotten = body.with_name('4000000')
    shutil.copy(body, forgotten)
    os.utime(forgotten, (1, 1))
    body.rename(waiting.directory / 'body')
    with pytest.raises(CtlError) as caught:
        waiting.ctl('queue', 'check')
    assert caught.value.status == 1
    done = waiting.run_ctl('queue', 'check')
    assert body.name in done.stderr and 'No such file' in done.stderr
    assert '1 body files have no message' in done.stderr
    (waiting.directory / 'body').rename(body)
    forgotten.unlink()
    assert waiting.ctl('queue', 'check')['sound']


# ---- backup and restore ----

def test_restored_copy_sends_nothing_until_it_is_told(waiting, tmp_path, sink):
    done = waiting.ctl('queue', 'backup', 'monday')
    backup = waiting.state_dir / 'backups' / 'monday'
    assert done['path'] == str(backup) and done['messages'] == 4
    assert {path.name for path in backup.iterdir()} == {
        'accounts.db', 'bodies', 'history.db', 'queue.db', 'seal.key'}
    assert backup.stat().st_mode & 0o777 == 0o700
    for path in backup.rglob('*'):
        assert path.stat().st_mode & 0o77 == 0, path
    assert (backup / 'seal.key').read_bytes() == (waiting.state_dir / 'seal.key').read_bytes()
    waiting.ctl('queue', 'rm', '--all')     # the bodies of the backup are not those of the queue
    assert waiting.queued() == []
    waiting.stop()

    copy = restore(backup, tmp_path / 'restored')
    copy.expect_trouble('the queue is that of a backup')
    with copy:
        held = copy.queued('--state', 'held')
        assert len(held) == 4 and len(copy.queued()) == 4
        assert copy.ctl('status')['queue']['held'] == 4
        copy.ctl('profile', 'set', 'upstream', '--port', sink.port)
        copy.ctl('queue', 'retry', '--all')
        with copy.client(waiting.user) as client:
            client.sendmail('a@example.com', ['new@example.net'], b'Subject: new\r\n\r\nnew\r\n')
        wait_until(lambda: len(sink.messages) == 1, 'what is new goes out')
        assert sink.messages[0].recipients == ['new@example.net']
        assert len(copy.queued('--state', 'held')) == 4
        copy.ctl('queue', 'release', '--all')
        wait_until(lambda: len(sink.messages) == 5, 'what was released goes out')
        copy.wait_until_queue_is(0)
        large = max(sink.messages, key=lambda message: len(message.wire))
        assert large.wire.endswith(LARGE * 3000)
    with copy:      # it is said once
        assert len(copy.log_lines('that of a backup')) == 1


def test_queue_removed_beneath_it_takes_no_mail_and_can_be_saved(waiting, tmp_path):
    waiting.expect_trouble('queue.db was removed or replaced')
    for name in ('queue.db', 'queue.db-wal'):
        (waiting.state_dir / name).unlink()
    wait_until(lambda: any(alert['kind'] == 'queue-removed' for alert in waiting.ctl('alert', 'ls')),
               'an operator is told')
    with waiting.client(waiting.user) as client:
        assert client.mail('a@example.com')[0] == 451
    waiting.ctl('queue', 'backup', 'saved')
    waiting.stop()
    with restore(waiting.state_dir / 'backups' / 'saved', tmp_path / 'restored') as copy:
        copy.expect_trouble('the queue is that of a backup')
        assert len(copy.queued('--state', 'held')) == 4


def alert_kinds(postern):
    return [alert['kind'] for alert in postern.ctl('alert', 'ls')]


def lose(postern, name, how):
    """The file goes, or another one comes in its place; the log of the old one stays where it is."""
    path = postern.state_dir / name
    if how == 'removed':
        path.unlink()
    else:
        other = path.with_suffix('.other')
        other.write_bytes(b'no database at all')
        if IS_ROOT:
            shutil.chown(other, 'postern', 'postern')
        other.rename(path)


def put_back(postern, name, backup='saved'):
    """One file of a backup, as backup.md says: what else has its name goes first."""
    for path in postern.state_dir.glob(f'{name}*'):
        path.unlink()
    shutil.copy(postern.state_dir / 'backups' / backup / name, postern.state_dir / name)
    if IS_ROOT:
        shutil.chown(postern.state_dir / name, 'postern', 'postern')


@pytest.mark.parametrize('how', ['removed', 'replaced'])
def test_accounts_lost_beneath_it_are_whole_and_can_be_saved(waiting, how):
    waiting.expect_trouble('accounts.db was removed or replaced|no profile')
    assert 'accounts-removed' not in alert_kinds(waiting)
    lose(waiting, 'accounts.db', how)
    wait_until(lambda: 'accounts-removed' in alert_kinds(waiting), 'an operator is told')
    assert len(waiting.log_lines('event=problem', 'accounts.db was removed or replaced')) == 1
    late = waiting.add_user('late')
    with waiting.client(late) as client:
        client.sendmail('a@example.com', ['late@example.net'], b'Subject: late\r\n\r\nlate\r\n')
    assert waiting.ctl('queue', 'backup', 'saved')['sound']
    waiting.stop()
    put_back(waiting, 'accounts.db')
    waiting.start()
    with waiting.client(late) as client:
        client.sendmail('a@example.com', ['2@example.net'], b'Subject: later\r\n\r\nlater\r\n')
    assert {user['login'] for user in waiting.ctl('user', 'ls')} == {'shop', 'late'}
    assert waiting.ctl('alert', 'ls')
    assert len(waiting.queued()) == 6 and waiting.queued('--state', 'held') == []


def test_start_without_accounts_has_no_users_and_keeps_the_queue(waiting):
    waiting.expect_trouble('accounts.db was removed or replaced|no profile')
    lose(waiting, 'accounts.db', 'removed')
    wait_until(lambda: 'accounts-removed' in alert_kinds(waiting), 'an operator is told')
    waiting.ctl('queue', 'backup', 'saved')
    waiting.stop()
    waiting.start()
    assert waiting.ctl('user', 'ls') == [] and len(waiting.queued()) == 4
    wait_until(lambda: 'no-profile' in alert_kinds(waiting), 'its mail has no way out')
    waiting.stop()
    put_back(waiting, 'accounts.db')
    waiting.start()
    with waiting.client(waiting.user) as client:
        assert client.mail('a@example.com')[0] == 250
    assert len(waiting.queued()) == 4


@pytest.mark.parametrize('how', ['removed', 'replaced'])
def test_history_lost_beneath_it_goes_on_and_can_be_saved(waiting, how):
    waiting.expect_trouble('history.db')
    assert len(waiting.ctl('track')) == 4
    assert 'history-removed' not in alert_kinds(waiting)
    lose(waiting, 'history.db', how)
    wait_until(lambda: 'history-removed' in alert_kinds(waiting), 'an operator is told')
    assert len(waiting.log_lines('event=problem', 'history.db was removed or replaced')) == 1
    with waiting.client(waiting.user) as client:
        client.sendmail('a@example.com', ['late@example.net'], b'Subject: late\r\n\r\nlate\r\n')
    assert len(waiting.ctl('track')) == 5
    assert waiting.ctl('queue', 'backup', 'saved')['sound']
    waiting.stop()
    put_back(waiting, 'history.db')
    waiting.start()
    found = [message['subject'] for message in waiting.ctl('track')]
    assert sorted(found) == ['large', 'late', 'small', 'small', 'small']
    assert len(waiting.queued()) == 5 and waiting.queued('--state', 'held') == []


def test_start_without_history_begins_a_new_one(postern, sink):
    """The last that happened may be in it: the journal gives it away with the commits behind it."""
    postern.expect_trouble('history.db was removed or replaced')
    postern.add_upstream(sink)
    user = postern.add_user()

    def send(subject):
        with postern.client(user) as client:
            client.sendmail('a@example.com', ['b@example.net'],
                            f'Subject: {subject}\r\n\r\nhello\r\n'.encode())
        wait_until(lambda: [message['fate'] for message in postern.ctl('track', '--limit', '1')
                            if message['subject'] == subject] == ['delivered'], 'it is told')

    send('old')
    postern.ctl('track')    # by now the journal knows that it stands there
    send('last')
    lose(postern, 'history.db', 'removed')
    wait_until(lambda: 'history-removed' in alert_kinds(postern), 'an operator is told')
    send('between')
    postern.restart()
    assert 'old' not in [message['subject'] for message in postern.ctl('track')]
    send('new')
    assert 'old' not in [message['subject'] for message in postern.ctl('track')]


@pytest.mark.parametrize('name, kind', [
    ('accounts.db', 'accounts-removed'), ('history.db', 'history-removed')])
def test_what_was_moved_and_comes_back_has_lost_nothing(waiting, name, kind):
    waiting.expect_trouble(f'{name} was removed or replaced')
    path = waiting.state_dir / name
    path.rename(path.with_suffix('.away'))
    wait_until(lambda: kind in alert_kinds(waiting), 'an operator is told')
    waiting.add_user('late')
    path.with_suffix('.away').rename(path)
    waiting.restart()
    assert {user['login'] for user in waiting.ctl('user', 'ls')} == {'shop', 'late'}
    assert len(waiting.ctl('track')) == 4 and len(waiting.queued()) == 4
    assert len(waiting.log_lines('event=alert', kind)) == 1


def test_backup_of_what_was_lost_beneath_it_can_be_restored(waiting, tmp_path):
    """All of it at once."""
    waiting.expect_trouble('was removed or replaced')
    for name in ('accounts.db', 'history.db', 'queue.db'):
        for path in waiting.state_dir.glob(f'{name}*'):
            path.unlink()
    wait_until(lambda: {'accounts-removed', 'history-removed', 'queue-removed'} <= set(
        alert_kinds(waiting)), 'an operator is told of each')
    assert waiting.ctl('queue', 'backup', 'saved')['sound']
    waiting.stop()
    with restore(waiting.state_dir / 'backups' / 'saved', tmp_path / 'restored') as copy:
        copy.expect_trouble('the queue is that of a backup')
        assert len(copy.queued('--state', 'held')) == 4 and len(copy.ctl('track')) == 4
        with copy.client(waiting.user) as client:
            assert client.mail('a@example.com')[0] == 250


def test_backups_have_names_that_do_no_harm(waiting):
    assert waiting.run_ctl('queue', 'backup').returncode == 0
    waiting.ctl('queue', 'backup', 'monday')
    for name, words in (('monday', 'there is a backup monday already'),
                        ('../monday', 'a backup\'s name has'), ('.', 'a backup\'s name has'),
                        ('a' * 65, 'a backup\'s name has'), ('-x', 'option')):
        done = waiting.run_ctl('queue', 'backup', name)
        assert done.returncode in (1, 2) and words in done.stderr, name
    assert len(list((waiting.state_dir / 'backups').iterdir())) == 2


def test_half_a_backup_is_swept_away(waiting):
    """What a crash left behind goes with the next one, and never looks like a backup."""
    backups = waiting.state_dir / 'backups'
    waiting.ctl('queue', 'backup', 'first')
    shutil.copytree(backups / 'first', backups / 'second.partial')
    if IS_ROOT:
        subprocess.run(['chown', '-R', 'postern:postern', backups], check=True)
    waiting.ctl('queue', 'backup', 'third')
    assert {path.name for path in backups.iterdir()} == {'first', 'third'}


@pytest.mark.root
def test_backup_without_room_is_refused_and_leaves_nothing(tmp_path, make_postern):
    def small_disk(postern):
        postern.state_dir.mkdir()
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=24m,mode=0700', 'postern-test',
                        postern.state_dir], check=True)
    if not IS_ROOT:
        pytest.skip('only root can mount a small file system')
    postern = make_postern(prepare=small_disk, config='limits = { free_space = "20M"; };'
                                                      'queue = { reserve = "0"; };')
    # The history may become due meanwhile.
    postern.expect_trouble('what becomes of messages is (not )?moved to the history')
    try:
        ballast = postern.state_dir / 'ballast'
        ballast.write_bytes(bytes(8 << 20))
        with pytest.raises(CtlError) as caught:
            postern.ctl('queue', 'backup', 'monday')
        assert 'limits.free_space keeps 20 MiB' in caught.value.message
        ballast.unlink()
        assert postern.ctl('queue', 'backup', 'monday')['sound']
        assert [path.name for path in (postern.state_dir / 'backups').iterdir()] == ['monday']
        postern.stop()
    finally:
        subprocess.run(['umount', '-l', postern.state_dir], check=True)


@pytest.mark.root
def test_backups_may_lie_on_another_file_system(waiting):
    """No links can lead there: bodies are copied."""
    if not IS_ROOT:
        pytest.skip('only root can mount a file system')
    backups = waiting.state_dir / 'backups'
    backups.mkdir()
    shutil.chown(backups, 'postern', 'postern')
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=160m,mode=0700,uid=postern', 'postern-test',
                    backups], check=True)
    try:
        assert waiting.ctl('queue', 'backup', 'monday')['sound']
        [body] = (backups / 'monday').glob('bodies/*/*')
        [original] = waiting.state_dir.glob('bodies/*/*')
        assert body.read_bytes() == original.read_bytes() and body.stat().st_nlink == 1
    finally:
        waiting.stop()
        subprocess.run(['umount', '-l', backups], check=True)


@pytest.mark.root
def test_backup_that_runs_out_of_room_leaves_nothing(make_postern):
    """In the middle of a body. Mail goes on, and so does the next backup."""
    if not IS_ROOT:
        pytest.skip('only root can mount a file system')
    postern = make_postern(config='limits = { free_space = "0"; };')
    postern.add_capture()
    postern.ctl('profile', 'pause', 'capture')
    with postern.client(postern.add_user()) as client:
        client.sendmail('a@example.com', ['b@example.net'],
                        b'Subject: large\r\n\r\n' + b'x' * 900 + b'\r\n' * 2 + LARGE * 60000)
    backups = postern.state_dir / 'backups'
    backups.mkdir()
    shutil.chown(backups, 'postern', 'postern')
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=3m,mode=0700,uid=postern', 'postern-test',
                    backups], check=True)
    try:
        with pytest.raises(CtlError) as caught:
            postern.ctl('queue', 'backup', 'monday')
        assert 'copying the body' in caught.value.message
        assert 'No space left' in caught.value.message
        assert list(backups.iterdir()) == []
        assert postern.ctl('queue', 'check')['sound']
        subprocess.run(['mount', '-o', 'remount,size=30m', backups], check=True)
        assert postern.ctl('queue', 'backup', 'monday')['sound']
    finally:
        postern.stop()
        subprocess.run(['umount', '-l', backups], check=True)


def test_backup_under_load_has_everything_that_it_points_to(make_rig, tmp_path):
    """Messages come and go, large ones too, while copies are made: each of them is whole, and what
    was promised before and is not out is in it."""
    rig = make_rig(load={'large': 0.3})
    postern = rig.postern
    for number in range(4):
        rig.wait_for_progress(30)
        backup = postern.ctl('queue', 'backup', f'b{number}')
        assert backup['sound'], backup
        connection = database(postern.state_dir / 'backups' / f'b{number}')
        rows = connection.execute('SELECT id, size, state FROM message WHERE body_file').fetchall()
        states = connection.execute('SELECT DISTINCT state FROM message').fetchall()
        connection.close()
        files = list((postern.state_dir / 'backups' / f'b{number}' / 'bodies').glob('*/*'))
        assert sorted(row[1] for row in rows) == sorted(path.stat().st_size for path in files)
        assert states in ([], [(1,)])
        assert postern.ctl('queue', 'check')['sound']
    rig.check()
    wait_until(lambda: not list(postern.state_dir.glob('bodies/*/*')), 'the body files go')
    copy = restore(postern.state_dir / 'backups' / 'b3', tmp_path / 'restored')
    copy.expect_trouble('the queue is that of a backup')
    with copy:
        assert {message['state'] for message in copy.queued()} <= {'held'}


def test_backup_keeps_its_bodies_when_their_files_could_be_written_anew(postern, sink):
    """They are links to the queue's own, which later messages get."""
    postern.add_upstream(sink)
    user = postern.add_user()

    def send(letter):
        with postern.client(user) as client:
            client.sendmail('a@example.com', ['b@example.net'],
                            b'Subject: large\r\n\r\n' + letter * 900 + b'\r\n' + LARGE * 3000)
        [body] = postern.state_dir.glob('bodies/*/*')
        return body
    postern.ctl('profile', 'pause', 'upstream')
    original = send(b'a')
    assert postern.ctl('queue', 'backup', 'monday')['sound']
    [saved] = (postern.state_dir / 'backups' / 'monday').glob('bodies/*/*')
    assert saved.stat().st_ino == original.stat().st_ino
    postern.ctl('profile', 'resume', 'upstream')
    postern.wait_until_queue_is(0)
    postern.ctl('profile', 'pause', 'upstream')
    body = send(b'b')
    assert body == original and body.stat().st_ino != saved.stat().st_ino
    assert b'a' * 900 in saved.read_bytes() and b'b' * 900 in body.read_bytes()
    assert postern.ctl('queue', 'check')['sound']
    # The next one goes into that of the second.
    postern.ctl('profile', 'resume', 'upstream')
    postern.wait_until_queue_is(0)
    postern.ctl('profile', 'pause', 'upstream')
    inode = body.stat().st_ino
    body = send(b'c')
    assert body.stat().st_ino == inode
    [message] = postern.queued()
    shown = postern.run_ctl('queue', 'show', message['id'], '--body').stdout
    assert 'c' * 900 in shown and 'b' * 900 not in shown and len(shown) >= message['size'] // 2


# ---- export ----

def test_export(waiting, tmp_path):
    everything = tmp_path / 'everything'
    assert waiting.ctl('queue', 'export', everything)['messages'] == 4
    messages = waiting.queued()
    envelope = json.loads((everything / f'{messages[0]["id"]}.json').read_text())
    assert envelope['id'] == messages[0]['id'] and 'has_more' not in envelope
    assert {path.name for path in everything.iterdir()} == {
        f'{message["id"]}.{kind}' for message in messages for kind in ('eml', 'json')}
    for message in messages:
        body = (everything / f'{message["id"]}.eml').read_bytes()
        assert len(body) == message['size'] and body.startswith(b'Received: ')
        envelope = json.loads((everything / f'{message["id"]}.json').read_text())
        assert envelope['from'] == 'a@example.com'
        assert [to['to'] for to in envelope['recipients']] == [
            to['to'] for to in message['recipients']]
    one = tmp_path / 'one'
    assert waiting.ctl('queue', 'export', one, messages[1]['id'])['messages'] == 1
    assert len(list(one.iterdir())) == 2
    assert waiting.ctl('queue', 'export', tmp_path / 'none', '--state', 'held')['messages'] == 0
    for arguments in ([one, 'ZZZZZZZ'], [one, '--user', 'nobody'], [messages[0]['id'] + '/x/y']):
        assert waiting.run_ctl('queue', 'export', *arguments).returncode == 1
    assert waiting.run_ctl('queue', 'export', one, messages[0]['id'], '--user',
                           'shop').returncode == 2


def test_export_has_the_whole_envelope(postern, make_upstream, tmp_path):
    postern.add_upstream(make_upstream(DEFERRING))
    recipients = [f'r{number}@example.net' for number in range(1000)]
    with postern.client(postern.add_user()) as client:
        client.ehlo()
        client.mail('a@example.com', ['RET=HDRS', 'ENVID=QQ1', 'HOLDFOR=3600', 'MT-PRIORITY=6'])
        for number, address in enumerate(recipients):
            options = ['NOTIFY=SUCCESS,DELAY', f'ORCPT=rfc822;{address}'] if number == 999 else []
            client.rcpt(address, options)
        client.data(b'Subject: x\r\n\r\nhello\r\n')
    [message] = postern.queued()
    postern.ctl('queue', 'export', tmp_path / 'out')
    envelope = json.loads((tmp_path / 'out' / f'{message["id"]}.json').read_text())
    assert (envelope['ret'], envelope['envid'], envelope['mt_priority']) == ('hdrs', 'QQ1', 6)
    assert envelope['hold_until'] == message['hold_until'] != None  # noqa: E711
    assert [to['to'] for to in envelope['recipients']] == recipients
    assert envelope['recipients'][999]['notify'] == ['success', 'delay']
    assert envelope['recipients'][999]['orcpt'] == 'rfc822;r999@example.net'


# ---- damage ----

PAGE = 4096
NOISE = b'\xa5' * PAGE
DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / 'doc' / 'backup.md'


def damage_leaves(path, table):
    """Spoils a page of the table that has only rows, as a disk does that forgets a sector."""
    connection = database(path.parent)
    [root] = connection.execute('SELECT rootpage FROM sqlite_schema WHERE name = ?',
                                [table]).fetchone()
    connection.close()
    data = bytearray(path.read_bytes())
    page = data[(root - 1) * PAGE:root * PAGE]
    assert page[0] == 5, 'the table has pages below its root'
    child = int.from_bytes(page[int.from_bytes(page[12:14], 'big'):][:4], 'big')
    data[(child - 1) * PAGE:child * PAGE] = NOISE
    path.write_bytes(data)


def documented_commands(heading):
    """The commands of a section of backup.md, as an administrator would type them."""
    section = DOCUMENT.read_text().partition(f'## {heading}\n')[2].partition('\n## ')[0]
    lines, is_code = [], False
    for line in section.splitlines():
        is_code = line.startswith('    ')
        if is_code:
            lines.append(line[4:])
    return '\n'.join(lines)


@pytest.mark.user
def test_damaged_queue_is_refused_and_what_can_be_read_is_saved(waiting, tmp_path):
    """What backup.md says to type brings back every message that the damage did not touch."""
    waiting.expect_trouble('swept away')
    with waiting.client(waiting.user) as client:
        for number in range(300):
            client.sendmail('a@example.com', [f'more{number}@example.net'],
                            b'Subject: more\r\n\r\n' + b'hello\r\n' * 300)
    waiting.ctl('profile', 'pause', 'upstream')
    waiting.stop()
    path = waiting.state_dir / 'queue.db'
    damage_leaves(path, 'message')
    before = path.read_bytes()
    started = subprocess.run([waiting.programs['posternd'], '-f', '-c', waiting.config_path],
                             stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert started.returncode == 71
    assert 'queue.db is damaged' in started.stderr and 'backup.md' in started.stderr
    assert path.read_bytes() == before

    kept = tmp_path / 'postern-damaged'
    shutil.copytree(waiting.state_dir, kept)
    commands = documented_commands('Save what can be saved')
    for name, place in (('/root/postern-damaged', kept), ('/root', tmp_path),
                        ('/var/lib/postern', waiting.state_dir)):
        commands = commands.replace(name, str(place))
    commands = '\n'.join(line for line in commands.splitlines()
                         if not line.startswith(('systemctl', 'posternctl')))
    if not IS_ROOT:
        commands = commands.replace('chown', 'true')
    subprocess.run(['sh', '-e', '-c', commands], check=True, cwd=tmp_path)

    waiting.start()
    done = waiting.run_ctl('queue', 'check')
    assert done.returncode == 0, done.stderr
    saved = waiting.queued('--state', 'held', '--limit', '1000')
    print(f'{len(saved)} of 304 messages were saved')
    assert 200 < len(saved) < 304 and len(waiting.queued('--limit', '1000')) == len(saved)
    waiting.upstream.set_script('')
    waiting.ctl('profile', 'resume', 'upstream')
    waiting.ctl('queue', 'release', '--all')
    wait_until(lambda: len(waiting.upstream.messages) == len(saved), 'what was saved goes out')


def test_damage_that_appears_in_a_running_queue_is_found_by_a_check(waiting):
    """In a page that nobody reads for now."""
    waiting.ctl('profile', 'pause', 'upstream')
    with waiting.client(waiting.user) as client:
        for number in range(100):
            client.sendmail('a@example.com', [f'more{number}@example.net'],
                            b'Subject: more\r\n\r\n' + b'hello\r\n' * 1000)
    waiting.restart()       # nothing of it is in its cache
    damage = waiting.state_dir / 'queue.db'
    data = damage.read_bytes()
    at = data.rindex(b'hello\r\nhello\r\n') // PAGE * PAGE
    with open(damage, 'r+b') as file:
        file.seek(at)
        file.write(NOISE)
    done = waiting.run_ctl('queue', 'check')
    assert done.returncode == 1
    assert 'damaged' in done.stderr or 'body is not as long' in done.stderr, done.stderr
    assert waiting.run_ctl('queue', 'backup', 'monday').returncode == 1
    waiting.expect_trouble('.')


def test_stop_ends_a_copy_that_is_under_way(waiting):
    """It does not wait for it, and what there is of it is never taken for a backup."""
    waiting.ctl('profile', 'pause', 'upstream')
    with waiting.client(waiting.user) as client:
        for number in range(60):
            client.sendmail('a@example.com', [f'more{number}@example.net'],
                            b'Subject: more\r\n\r\n' + (b'z' * 900 + b'\r\n') * 60)
    for attempt in range(4):
        with futures.ThreadPoolExecutor() as pool:
            copying = [pool.submit(waiting.run_ctl, 'queue', *words)
                       for words in (['backup', f'b{attempt}'], ['check'])]
            wait_until(lambda: list((waiting.state_dir / 'backups').glob('.check.partial')) or
                       list((waiting.state_dir / 'backups').glob('b*.partial')) or
                       any(call.done() for call in copying), 'a copy is begun')
            waiting.stop()
            for call in copying:
                call.result()
        waiting.start()
        names = {path.name for path in (waiting.state_dir / 'backups').iterdir()
                 if path.suffix != '.partial'}
        for name in names:
            with database(waiting.state_dir / 'backups' / name) as connection:
                assert connection.execute('SELECT count(*) FROM message').fetchone() == (64,)
            connection.close()
    assert waiting.ctl('queue', 'check')['messages'] == 64


def test_export_of_a_large_message_takes_little_memory(postern, tmp_path):
    if is_sanitized():
        pytest.skip('a sanitizer takes more than the message')
    postern.add_capture()
    postern.ctl('profile', 'pause', 'capture')
    body = (b'z' * 900 + b'\r\n') * 45000       # 39 MiB
    with postern.client(postern.add_user(), tls='none') as client:
        client.sendmail('a@example.com', ['b@example.net'], b'Subject: x\r\n\r\n' + body)
    [message] = postern.queued()

    def limit():
        resource.setrlimit(resource.RLIMIT_DATA, (20 << 20, 20 << 20))
    subprocess.run([postern.programs['posternctl'], '-s', postern.socket_path, 'queue', 'export',
                    tmp_path / 'out'], check=True, preexec_fn=limit)
    exported = (tmp_path / 'out' / f'{message["id"]}.eml').read_bytes()
    assert len(exported) == message['size'] and exported.endswith(body)
