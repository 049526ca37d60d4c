"""A disk that is full, fails or is slow: clients wait or hear a 4xx, and nothing is lost."""
import contextlib
import os
import pathlib
import subprocess
import time

import pytest

from posternd import IS_ROOT, wait_until
from rig import KILLED, is_sanitized, peak_memory_mib

LIBRARY = pathlib.Path(__file__).resolve().parents[1] / 'lib'
MIB = 1 << 20


# ---- full ----

@pytest.fixture
def small_disk(tmp_path):
    """Makes a function that puts a state directory on a file system of some MiB."""
    if not IS_ROOT:
        pytest.skip('only root can mount a small file system')
    with contextlib.ExitStack() as undo:
        def mount(size_mib):
            def prepare(postern):
                postern.state_dir.mkdir()
                subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size_mib}m,mode=0700',
                                'postern-test', postern.state_dir], check=True)
                undo.callback(subprocess.run, ['umount', '-l', postern.state_dir], check=True)
            return prepare
        yield mount


class Ballast:
    """What somebody else keeps on the same disk."""

    def __init__(self, directory):
        self.path = directory / 'ballast'

    def free_bytes(self):
        fs = os.statvfs(self.path.parent)
        return fs.f_bavail * fs.f_frsize

    def fill(self, leave_bytes):
        """Others write meanwhile: as much as there is, in ever smaller pieces."""
        with open(self.path, 'ab', buffering=0) as file:
            for piece in (MIB, 65536, 4096):
                with contextlib.suppress(OSError):
                    while self.free_bytes() - piece >= leave_bytes:
                        file.write(bytes(piece))

    def remove(self):
        self.path.unlink()


def wait_for_452(rig):
    """452 is all that a new client hears."""
    def is_refused():
        with rig.postern.client(tls='none', source_address=('127.0.0.2', 0)) as client:
            client.ehlo('client.example')
            code, text = client.mail('a@example.com')
            return code == 452 and text.startswith(b'4.3.1')
    wait_until(is_refused, 'clients are refused')


@pytest.mark.root
def test_disk_below_its_limit(small_disk, make_rig):
    """Clients are refused before anything breaks; what is queued leaves; it goes on by itself."""
    rig = make_rig(config='limits = { free_space = "48M"; };', prepare=small_disk(200))
    rig.postern.expect_trouble('moved to the history')      # which waits for room
    ballast = Ballast(rig.postern.state_dir)
    rig.wait_for_progress(20)
    # Room for what comes in until the limit is noticed.
    ballast.fill(leave_bytes=40 * MIB)
    wait_for_452(rig)
    wait_until(rig.is_drained, 'what was taken is delivered')
    ballast.remove()
    rig.wait_for_progress(20)
    refusals = rig.check()
    assert {reply for reply in refusals} <= {'452 4.3.1 Insufficient storage'}
    # The history waited for room, and has everything.
    rig.postern.wait_for_log('moved to the history again')
    total = rig.postern.ctl('stats')['total']
    assert total['accepted'] == total['sent'] + total['bounced'] > 0


@pytest.mark.root
@pytest.mark.parametrize('size_mib', [32, 200], ids=['no room for a reserve', 'reserve'])
def test_disk_full_to_the_last_byte(small_disk, make_rig, size_mib):
    """The worst case: no limit, and somebody else takes all there is while messages wait."""
    rig = make_rig(config='limits = { free_space = "0"; };', prepare=small_disk(size_mib))
    rig.postern.expect_trouble('disk is full|No space left|the history')
    ballast = Ballast(rig.postern.state_dir)
    rig.wait_for_progress(20)
    for _ in range(3):
        refused = rig.clients.refused('452 4.3.1') + 20
        while rig.clients.refused('452 4.3.1') < refused:
            ballast.fill(leave_bytes=0)
        ballast.remove()
        rig.wait_for_progress(20)
    refusals = rig.check()
    assert {reply for reply in refusals} <= {'452 4.3.1 Insufficient storage'}
    assert not rig.postern.log_lines('event=role-restarted')


@pytest.mark.user
def test_reserve_is_as_large_as_the_config_says(make_postern):
    postern = make_postern(config='queue = { reserve = "3M"; };')
    reserve = postern.state_dir / 'reserve'
    for size, text in ((3 * MIB, None), (MIB, '1M'), (5 * MIB, '5M'), (None, '0')):
        if text is not None:
            postern.stop()
            postern.extra = f'queue = {{ reserve = "{text}"; }};'
            postern.start()
        assert (reserve.stat().st_size if reserve.exists() else None) == size
        if size is not None:
            assert reserve.stat().st_blocks * 512 >= size   # it is there, not only said


# ---- failing, slow ----

@pytest.fixture(scope='session')
def failsync(tmp_path_factory):
    path = tmp_path_factory.mktemp('lib') / 'failsync.so'
    path.parent.chmod(0o755)
    subprocess.run([os.environ.get('CC', 'cc').split()[0], '-O1', '-shared', '-fPIC',
                    '-o', path, LIBRARY / 'failsync.c', '-ldl'], check=True)
    return path


class Fault:
    """What failsync.c is to do, from `with` to its end."""

    def __init__(self, postern, text):
        self.path = postern.state_dir / 'fault'
        self.flushes_path = postern.state_dir / 'flushes'
        self.text = text

    def __enter__(self):
        self.flushes_path.touch()
        self.flushes_path.chmod(0o666)
        fresh = self.path.with_suffix('.new')
        fresh.write_text(self.text)
        fresh.chmod(0o644)
        fresh.rename(self.path)
        return self

    def __exit__(self, *_):
        self.path.unlink()

    def flushes(self):
        return self.flushes_path.stat().st_size


def preloads(library):
    def prepare(postern):
        postern.environment = {
            'LD_PRELOAD': str(library),
            'ASAN_OPTIONS': os.environ.get('ASAN_OPTIONS', '') + ':verify_asan_link_order=0'}
    return prepare


@pytest.fixture
def make_faulty_rig(make_rig, failsync):
    def make(**settings):
        return make_rig(prepare=preloads(failsync), **settings)
    return make


@pytest.mark.user
@pytest.mark.parametrize('fault', ['queue.db fail-sync 2', 'queue.db fail-write 3'])
def test_commit_that_fails(make_faulty_rig, fault):
    """No 250 for that batch; queue ends, is started again, and goes on with what is on disk."""
    rig = make_faulty_rig()
    rig.postern.expect_trouble('I/O error|event=role-restarted|role queue .* exited|swept away')
    for _ in range(3):
        rig.wait_for_progress(rig.random.randint(5, 50))
        pid = rig.pids()['queue0']
        with Fault(rig.postern, fault):
            wait_until(lambda: rig.pids().get('queue0') != pid, 'queue ends')
            promised = rig.clients.promised()
            time.sleep(0.3)
            assert rig.clients.promised() - promised <= 1, 'promised without a commit'
    rig.wait_for_progress(20)
    rig.check()


def test_body_that_cannot_be_flushed(make_faulty_rig):
    """Its message is refused, and the others go on: no role ends for it."""
    rig = make_faulty_rig(load={'large': 0.3})
    rig.postern.expect_trouble('bodies/.*Input/output error')
    rig.wait_for_progress(20)
    # Bodies have names of queue ids, which begin so.
    with Fault(rig.postern, '1000 fail-sync 1'):
        rig.wait_for_refusal('451 4.3.0')
        rig.wait_for_progress(20)
    rig.wait_for_progress(20)
    rig.check()
    assert not rig.postern.log_lines('event=role-restarted')


@pytest.mark.parametrize('delay_ms', [10, 50])
def test_slow_disk(make_faulty_rig, delay_ms):
    """Clients are slowed, memory stays bounded, and one flush serves many messages."""
    rig = make_faulty_rig(load={'sessions': 30, 'large': 0.1, 'pause': 0})
    with Fault(rig.postern, f'queue.db delay-sync {delay_ms}') as fault:
        rig.wait_for_progress(50)
        promised, flushes = rig.clients.promised(), fault.flushes()
        rig.wait_for_progress(300)
        promised, flushes = rig.clients.promised() - promised, fault.flushes() - flushes
    memory = peak_memory_mib(rig)
    print(f'{flushes} flushes for {promised} messages; peak MiB: {memory}')
    assert flushes < promised / 2
    if not is_sanitized():
        assert max(memory.values()) < 64
    rig.check()


# ---- the order of flushes ----

class Order:
    """What failsync.c notes of flushes and removals."""

    def __init__(self, postern):
        self.path = postern.state_dir / 'order'
        self.path.touch()
        self.path.chmod(0o666)

    def lines(self):
        return self.path.read_text().splitlines()


@pytest.mark.user
def test_body_is_on_disk_before_its_row_and_goes_after_it(make_postern, failsync, sink):
    """A power cut between any two of these steps leaves a file without a message at the most, never
    a message without its file."""
    postern = make_postern(prepare=preloads(failsync))
    postern.add_upstream(sink)
    user = postern.add_user()
    postern.ctl('profile', 'pause', 'upstream')
    order = Order(postern)
    for _ in range(3):
        before = len(order.lines())
        with postern.client(user) as client:
            client.sendmail('a@example.com', ['b@example.net'],
                            b'Subject: x\r\n\r\n' + b'x' * 998 + b'\r\n' + b'hello\r\n' * 30000)
        ident = postern.queued()[-1]['id']
        lines = order.lines()[before:]
        [body] = postern.state_dir.glob(f'bodies/*/{ident}')
        steps = [lines.index(f'end {ident}'), lines.index(f'end {body.parent.name}')]
        # The first commit behind its flushes is that of its row: nothing else is under way.
        commits = [at for at, line in enumerate(lines) if line == 'end queue.db-wal']
        assert steps == sorted(steps) and steps[-1] < commits[-1], lines
        assert 'begin queue.db-wal' in lines[steps[-1]:commits[-1]], lines
    wait_until(lambda: order.lines()[-1] == 'end queue.db', 'the log is checkpointed')
    before = len(order.lines())
    idents = [message['id'] for message in postern.queued()]
    postern.ctl('profile', 'resume', 'upstream')
    postern.wait_until_queue_is(0)
    wait_until(lambda: not list(postern.state_dir.glob('bodies/*/*')), 'the bodies are removed')
    lines = order.lines()[before:]
    for ident in idents:
        assert 'end queue.db-wal' in lines[:lines.index(f'remove {ident}')], lines


@pytest.mark.user
def test_file_is_written_anew_only_after_its_message_is_gone_for_good(make_postern, failsync, sink):
    """Its directory needs no flush then. One that nobody writes into goes after a while."""
    postern = make_postern(prepare=preloads(failsync))
    postern.add_upstream(sink)
    user = postern.add_user()
    order = Order(postern)

    def send(letter, count):
        before = len(order.lines())
        with postern.client(user) as client:
            client.sendmail('a@example.com', ['b@example.net'],
                            b'Subject: x\r\n\r\n' + letter * 998 + b'\r\n' + b'hello\r\n' * count)
        postern.wait_until_queue_is(0)
        return before
    send(b'a', 30000)
    [body] = postern.state_dir.glob('bodies/*/*')
    # A shorter one, and a longer one.
    for letter, count in ((b'b', 20000), (b'c', 60000)):
        [*_, deletion] = [at for at, line in enumerate(order.lines()) if line == 'end queue.db-wal']
        before = send(letter, count)
        lines = order.lines()
        opened = lines.index(f'open {body.name}', before)
        assert opened > deletion
        flushed = lines.index(f'end {body.name}', opened)
        assert 'begin queue.db-wal' in lines[flushed:], lines[before:]
        assert f'end {body.parent.name}' not in lines[before:], lines[before:]
        assert list(postern.state_dir.glob('bodies/*/*')) == [body]
    lengths = [message.body.count(b'hello') for message in sink.wait_for(3)]
    assert lengths == [30000, 20000, 60000]
    wait_until(lambda: not body.exists(), 'the file goes')


@pytest.mark.user
def test_queue_killed_while_files_are_written_anew(make_rig):
    """Whatever a file held before, each message that arrives is its own, and each promised one does."""
    rig = make_rig(load={'sessions': 10, 'large': 0.7})
    rig.postern.expect_trouble(KILLED)
    for _ in range(5):
        rig.wait_for_progress(rig.random.randint(20, 60))
        rig.kill('queue0')
    rig.wait_for_progress(20)
    rig.check()
