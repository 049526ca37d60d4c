"""What code that took over a role could do: its rights as the kernel tells them, its system calls
made from inside, and the others' secrets seen through its eyes."""
import errno
import os
import pathlib
import pwd
import signal
import socket
import struct

import pytest

from inside import REFUSED, Inside, is_possible
from posternd import IS_ROOT, wait_until

pytestmark = pytest.mark.user
AT_FDCWD = -100
WITH_FILES = ('accounts', 'queue', 'relay')


def status_of(pid):
    lines = pathlib.Path(f'/proc/{pid}/status').read_text().splitlines()
    return {key: value.split() for key, _, value in (line.partition(':') for line in lines)}


def need_filter(postern):
    if postern.log_lines('without a system call filter'):
        pytest.skip('a build without the filter')


def test_each_role_is_filtered(postern):
    need_filter(postern)
    for role, pid in postern.roles().items():
        for task in os.listdir(f'/proc/{pid}/task'):
            status = status_of(f'{pid}/task/{task}')
            assert status['Seccomp'] == ['2'], (role, task)
            assert status['NoNewPrivs'] == ['1'], (role, task)
            for what in ('CapEff', 'CapPrm', 'CapInh', 'CapAmb'):
                assert int(status[what][0], 16) == 0, (role, what)


@pytest.mark.root
def test_limits_of_each_role(postern):
    for role, pid in postern.roles().items():
        limits = pathlib.Path(f'/proc/{pid}/limits').read_text()
        shut = {line[:25].strip() for line in limits.splitlines() if line[25:].split()[:2] == ['0'] * 2}
        assert {'Max core file size', 'Max processes'} <= shut, role
        assert ('Max file size' in shut) == (role not in WITH_FILES), role


@pytest.mark.root
def test_smtpd_and_control_hold_no_files(postern):
    roles = postern.roles()
    for role in ('smtpd0', 'control', 'mime'):
        targets = {os.readlink(f'/proc/{roles[role]}/fd/{fd}')
                   for fd in os.listdir(f'/proc/{roles[role]}/fd')}
        files = {target for target in targets if target.startswith('/')}
        assert files <= {'/dev/null'}, role


@pytest.fixture
def taken_over(postern):
    """Each role in turn, stopped in its loop."""
    if not is_possible():
        pytest.skip('needs x86-64 and the right to trace')
    need_filter(postern)

    def each():
        for role, pid in postern.roles().items():
            with Inside(pid) as inside:
                yield role, inside
    yield each
    assert all(role['ready'] for role in postern.ctl('status')['roles'])
    assert not postern.log_lines('role-restarted')


@pytest.mark.root
def test_calls_from_inside(taken_over):
    address = struct.pack('=HH4s8x', socket.AF_INET, socket.htons(25), socket.inet_aton('127.0.0.1'))
    for role, inside in taken_over():
        for call in (('execve', b'/bin/sh', 0, 0), ('ptrace', 16, os.getppid(), 0, 0),
                     ('process_vm_readv', os.getppid(), 0, 0, 0, 0, 0), ('kill', os.getpid(), 0),
                     ('clone', signal.SIGCHLD, 0, 0, 0, 0), ('setuid', 0), ('chroot', b'/'),
                     ('bind', 0, address, len(address)),
                     ('socket', socket.AF_UNIX, socket.SOCK_STREAM, 0),
                     ('socket', socket.AF_INET, socket.SOCK_RAW, 0)):
            assert inside.call(*call) == REFUSED, (role, call)
        made = inside.call('socket', socket.AF_INET, socket.SOCK_STREAM, 0)
        connected = inside.call('connect', -1, address, len(address))
        if role == 'relay':
            assert made >= 0 and connected == -errno.EBADF
        else:
            assert (made, connected) == (REFUSED, REFUSED), role


@pytest.mark.root
def test_files_of_others_from_inside(postern, taken_over):
    """Each role sees its own directory only: no system, no configuration, no other process."""
    outside = [b'/etc/passwd', bytes(postern.config_path), bytes(postern.state_dir / 'accounts.db'),
               b'/proc/1/status', b'/proc/self/mem', b'../../../../etc/passwd']
    databases = [b'/accounts.db', b'/queue.db', b'/seal.key', b'/tls/server.key']
    for role, inside in taken_over():
        for path in outside:
            assert inside.call('openat', AT_FDCWD, path, os.O_RDONLY) == -errno.ENOENT, (role, path)
        if role not in ('accounts', 'queue'):
            for path in databases:
                assert inside.call('openat', AT_FDCWD, path, 0) == -errno.ENOENT, (role, path)
    assert (postern.state_dir / 'accounts.db').exists()


def as_account(name, read):
    """What `read` of a path gives for an account that took over nothing but itself."""
    account = pwd.getpwnam(name)

    def attempt(path):
        child = os.fork()
        if child == 0:
            try:
                os.setgroups([])
                os.setresgid(*[account.pw_gid] * 3)
                os.setresuid(*[account.pw_uid] * 3)
                read(path)
            except PermissionError:
                os._exit(1)
            except BaseException:
                os._exit(2)
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return attempt


@pytest.mark.root
def test_secrets_of_others_by_account(postern):
    """The account that faces the network, without a chroot even: no database, no key, no memory."""
    roles = postern.roles()
    attempt = as_account('postern-net', lambda path: open(path, 'rb').read(1))
    secrets = [postern.state_dir / name for name in ('accounts.db', 'queue.db', 'seal.key')]
    secrets += [f'/proc/{roles[role]}/{name}' for role in roles
                for name in ('mem', 'environ', 'maps', 'auxv')]
    assert attempt('/etc/passwd') == 0
    for path in secrets:
        assert os.path.exists(path)
        assert attempt(path) == 1, path


def test_secrets_of_roles_as_a_user(postern):
    """Started by an ordinary user, all have one account, and still can't look into each other."""
    if IS_ROOT:
        pytest.skip('root may look everywhere')
    for role, pid in postern.roles().items():
        for name in ('mem', 'environ', 'fd'):
            with pytest.raises(PermissionError):
                path = f'/proc/{pid}/{name}'
                os.listdir(path) if name == 'fd' else open(path, 'rb').read(1)


@pytest.mark.root
def test_role_that_breaks_out_ends_with_a_line(postern):
    if not is_possible():
        pytest.skip('needs x86-64 and the right to trace')
    need_filter(postern)
    postern.expect_trouble(r'sandbox refused the system call 59 \(execve\)')
    postern.expect_trouble(r'role relay .* was ended by signal 31')
    postern.expect_trouble(r'event=role-restarted role=relay')
    pid = postern.roles()['relay']
    with Inside(pid) as inside:
        inside.call_and_meet_it('execve', b'/bin/sh', 0, 0)
    postern.wait_for_log('event=problem', 'role=relay', '(execve)')
    postern.wait_for_log('event=role-restarted', 'role=relay')
    wait_until(postern.is_ready, 'it is back')
