"""rig - posternd between clients that keep sending and an upstream, all with a record.

What was promised with a 250 is held against what arrived: see traffic.py. POSTERN_SEED repeats the
choices of a run that failed.
"""
import collections
import os
import pathlib
import random
import re
import signal
import time

from posternd import PATIENCE_S, program, wait_until
from traffic import SENDER, TRUSTED_ADDRESS, Account, Clients, Upstream

SEED = os.environ.get('POSTERN_SEED') or str(time.time_ns() % 1_000_000)
CONFIG = f'''
trusted = ( {{ network = "{TRUSTED_ADDRESS}"; user = "local"; }} );
queue = {{ retry = "200ms 500ms 1s"; notices = "none"; }};
'''
# How long a fate that relay knows may be on its way to the disk: queue may be dead just then.
UNWRITTEN_S = 5
# How long what a dead relay has sent may still be read.
UNREAD_S = 1
DELAY = re.compile(r'delay=([0-9.]+)s')
KILLED = r'ended by signal 9|event=role-restarted|message were swept'


def is_alive(pid):
    try:
        return pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


def is_sanitized():
    return b'__asan_init' in program('posternd').read_bytes()


def peak_mib(pid):
    """The most memory that a process ever had."""
    status = pathlib.Path(f'/proc/{pid}/status').read_text()
    return int(re.search(r'VmHWM:\s*(\d+)', status)[1]) // 1024


def peak_memory_mib(rig):
    return {role: peak_mib(pid) for role, pid in rig.pids().items()}


class Rig:
    """posternd between clients that keep sending and an upstream, all with a record."""

    def __init__(self, postern, directory, from_name='', **load):
        print(f'POSTERN_SEED={SEED}')
        self.postern, self.random = postern, random.Random(SEED)
        self.upstream = Upstream(directory)
        # With a name mime changes every message on its way.
        postern.add_upstream(self.upstream, 'upstream', *(('--from-name', from_name) if from_name else ()))
        user = postern.add_user('shop')
        postern.add_user('local')
        self.clients = Clients(directory, postern.port, user, SEED, **load)
        self.kills = []         # (role, just before, just after)
        self.senders = {f'{from_name} <{SENDER}>'.strip()}

    def close(self):
        for process in (self.clients, self.upstream):
            process.__exit__()

    def wait_for_progress(self, count):
        """Clients are served and the upstream is, so much more of each."""
        promised = self.clients.promised() + count
        taken = len(self.upstream.events()) + count
        wait_until(lambda: self.clients.promised() >= promised,
                   f'{count} more messages are taken', 2 * PATIENCE_S)
        wait_until(lambda: len(self.upstream.events()) >= taken,
                   f'{count} more messages are delivered', 2 * PATIENCE_S)

    def wait_for_refusal(self, beginning):
        """A client hears such a reply from now on."""
        before = self.clients.refused(beginning)
        wait_until(lambda: self.clients.refused(beginning) > before, f'a client hears {beginning}')

    def pids(self):
        """role → pid, without asking one of them."""
        parent = self.postern.process.pid
        found = {}
        for pid in pathlib.Path(f'/proc/{parent}/task/{parent}/children').read_text().split():
            try:
                words = pathlib.Path(f'/proc/{pid}/cmdline').read_bytes().split(b'\0')
            except OSError:
                continue
            if b'--role' in words:
                role = words.index(b'--role') + 1
                found[words[role].decode() + words[role + 1].decode()] = int(pid)
        return found

    def restart_delay_s(self, role):
        lines = self.postern.log_lines('event=role-restarted', f'role={role.rstrip("0123456789")} ')
        return max((float(DELAY.search(line)[1]) for line in lines[-2:]), default=0)

    def wait_until_well(self, role):
        """A role that dies again within ten restart delays would stay away for longer."""
        if times := [after for name, _, after in self.kills if name == role]:
            time.sleep(max(0, times[-1] + 13 * self.restart_delay_s(role) - time.monotonic()))

    def kill(self, role):
        pid = wait_until(lambda: self.pids().get(role), f'{role} is there')
        before = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        self.kills.append((role, before, time.monotonic()))

    def kill_all(self):
        """As a machine that stops: no process gets to do anything more."""
        pids = [self.postern.process.pid, *self.pids().values()]
        before = time.monotonic()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self.postern.process.wait()
        self.postern.process = None
        self.kills.append(('all', before, time.monotonic()))

    def kill_parent(self):
        before = time.monotonic()
        self.postern.process.kill()
        self.postern.process.wait()
        self.postern.process = None
        self.kills.append(('all', before, time.monotonic() + PATIENCE_S))

    def is_drained(self):
        # What is uncertain would wait for half a minute.
        self.postern.ctl('queue', 'retry', '--all')
        time.sleep(0.1)
        return not self.postern.queued('--limit', 1)

    def drain(self):
        result = self.clients.finish()
        wait_until(self.postern.is_ready, 'all roles are back')
        wait_until(self.is_drained, 'the queue is empty', 4 * PATIENCE_S)
        print(result['refusals'], f'longest wait for a reply {result["longest_s"]:.3f} s')
        return result

    def may_be_twice(self, first, second):
        """Whether relay died when the upstream had just taken the message."""
        return any(role in ('relay0', 'all') and before < second and
                   before - UNWRITTEN_S < first < after + UNREAD_S
                   for role, before, after in self.kills)

    def check(self):
        refusals = self.drain()['refusals']
        account = Account(self.clients, self.upstream)
        twice = account.duplicates()
        counts = collections.Counter(role for role, _, _ in self.kills)
        print(f'{len(account.promised)} messages promised, {len(account.taken)} recipients served, '
              f'{len(twice)} twice; kills: {dict(counts)}')
        assert account.lost() == [], account.lost()
        assert account.damaged == []
        assert account.senders == self.senders
        unexplained = [row for row in twice if not self.may_be_twice(*row[1:])]
        assert unexplained == [], self.kills
        final = [reply for reply in refusals if reply != 'lost' and reply[0] != '4']
        assert final == [], 'a client was refused for good'
        self.check_statistics(len(account.promised))
        return refusals

    def check_statistics(self, promised):
        """Nothing is counted twice, nothing is left out, whatever was killed."""
        states = self.postern.ctl('status')['queue']
        waiting = sum(count for state, count in states.items() if state != 'counting')
        total = self.postern.ctl('stats', '--since', '2d')['total']
        # Asking brings what is left into the history; what was lost is told of before the answer.
        if self.postern.log_lines('records never came into the history'):
            return  # the disk was full, and says what it took
        ended = total['sent'] + total['bounced'] + total['removed']
        assert total['accepted'] == ended + waiting and total['accepted'] >= promised, total
