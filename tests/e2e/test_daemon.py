"""The daemon itself: config errors, reload, status, the end, and how the roles are locked in."""
import os
import pathlib
import pwd
import signal
import socket
import subprocess

import pytest

from posternd import IS_ROOT, CtlError, Posternd, make_accounts, program, wait_until

pytestmark = pytest.mark.user


def check(tmp_path, text):
    if IS_ROOT:
        make_accounts()
    path = tmp_path / 'postern.conf'
    path.write_text(text)
    done = subprocess.run([program('posternd'), '-n', '-c', path],
                          capture_output=True, text=True, timeout=30)
    return done.returncode, done.stderr


@pytest.mark.parametrize('text, line, words', [
    ('hostname = "a.example";\nsmtpd_processes = 100000;\n', 2, 'smtpd_processes'),
    ('hostname = "a.example";\nhostnam = "b";\n', 2, 'hostnam'),
    ('hostname = ;\n', 1, ''),
    ('limits = { message_size = "50X"; };\n', 1, 'message_size'),
    ('queue = { lifetime = "soon"; };\n', 1, 'lifetime'),
    ('listeners = ( { ports = "25-"; } );\n', 1, 'ports'),
    ('listeners = ( { ports = "2525"; tls = "maybe"; } );\n', 1, 'starttls'),
    ('auth = { mechanisms = "GUESS"; };\n', 1, 'mechanisms'),
])
def test_config_errors_name_file_line_and_key(tmp_path, text, line, words):
    status, message = check(tmp_path, text)
    assert status == 78
    assert f'postern.conf:{line}' in message
    assert words in message


def test_config_that_is_good(tmp_path):
    assert check(tmp_path, 'hostname = "a.example";\n') == (0, '')


def test_status(postern):
    status = postern.ctl('status')
    assert {role['name'] for role in status['roles']} >= {
        'smtpd', 'accounts', 'queue', 'relay', 'control', 'mime'}
    assert status['queue'] == {'ready': 0, 'deferred': 0, 'scheduled': 0, 'held': 0, 'sending': 0,
                               'uncertain': 0}
    text = postern.run_ctl('status').stdout
    assert 'accounts' in text and 'queue: ready 0' in text


def test_a_bad_config_changes_nothing(postern):
    postern.write_config('limits = { message_size = "many"; };')
    with pytest.raises(CtlError) as caught:
        postern.ctl('reload')
    assert caught.value.status == 1
    assert 'message_size' in caught.value.message
    with postern.client() as client:
        assert client.ehlo()[0] == 250
    postern.write_config('')


def test_reload_takes_effect(postern):
    postern.write_config('limits = { message_size = "1M"; };')
    postern.ctl('reload')

    def announced():
        with postern.client(tls='none') as client:
            client.ehlo()
            return client.esmtp_features['size'] == '1048576'
    wait_until(announced, 'the new limit is announced')


def test_sighup_reloads(postern):
    generation = postern.ctl('status')['config_generation']
    postern.process.send_signal(signal.SIGHUP)
    wait_until(lambda: postern.ctl('status')['config_generation'] > generation, 'the reload')


def test_sigterm_ends_with_0(postern):
    """The fixture holds it: here also with a client that is connected."""
    client = postern.client(tls='none')
    postern.stop()
    assert client.sock.recv(100)[:3] in (b'421', b'')
    client.close()


def test_stop(postern):
    postern.ctl('stop')
    assert postern.process.wait(30) == 0
    postern.process = None
    postern.check_log()
    assert postern.run_ctl('status').returncode == 3


def test_second_daemon_on_the_same_directory(postern):
    postern_port = postern.port
    other = Posternd(postern.directory)
    other.config_path = postern.directory / 'other.conf'
    other.write_config()
    done = subprocess.run([other.programs['posternd'], '-f', '-c', other.config_path],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 71, done.stderr
    assert str(postern.state_dir) in done.stderr
    with socket.create_connection(('127.0.0.1', postern_port), 10) as client:
        assert client.recv(3) == b'220'


def test_second_daemon_cannot_take_the_control_socket(postern):
    other = Posternd(postern.directory)
    other.config_path = postern.directory / 'other.conf'
    other.state_dir = postern.directory / 'other-state'
    other.write_config()
    done = subprocess.run([other.programs['posternd'], '-f', '-c', other.config_path],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 71, done.stderr
    assert str(postern.run_dir) in done.stderr and 'run_dir' in done.stderr
    assert postern.ctl('status')['roles']


@pytest.fixture
def with_taken_port(tmp_path):
    """A posternd, not started, with a port that is taken and one that is free."""
    with socket.create_server(('127.0.0.1', 0)) as taken:
        postern = Posternd(tmp_path)
        postern.taken = taken.getsockname()[1]
        ports = f'{postern.taken},{postern.port}'
        postern.listeners = f'{{ address = "127.0.0.1"; ports = "{ports}"; REQUIRED }}'
        yield postern


def test_required_port_that_is_taken(with_taken_port):
    postern = with_taken_port
    postern.listeners = postern.listeners.replace('REQUIRED', 'required = true;')
    postern.write_config()
    done = subprocess.run([postern.programs['posternd'], '-f', '-c', postern.config_path],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 71
    assert str(postern.taken) in done.stderr


def test_other_port_that_is_taken_is_skipped(with_taken_port):
    postern = with_taken_port
    postern.listeners = postern.listeners.replace('REQUIRED', '')
    postern.expect_trouble(str(postern.taken))
    with postern:
        listener = postern.ctl('status')['listeners'][0]
        assert (listener['bound'], listener['skipped']) == (1, 1)
        assert len(postern.log_lines(str(postern.taken))) == 1


@pytest.mark.parametrize('role', ['accounts', 'queue', 'relay', 'control', 'mime', 'smtpd0'])
def test_a_role_that_dies_is_started_again(postern, role):
    postern.expect_trouble(r'role-restarted|problem')
    pid = postern.roles()[role]
    os.kill(pid, signal.SIGKILL)

    def is_back():
        try:
            return postern.roles()[role] not in (0, pid) and postern.is_ready()
        except CtlError:
            return False
    wait_until(is_back, f'{role} is back')
    assert postern.log_lines('event=role-restarted')


def status_of(pid):
    fields = {}
    for line in pathlib.Path(f'/proc/{pid}/status').read_text().splitlines():
        key, _, value = line.partition(':')
        fields[key] = value.split()
    return fields


@pytest.mark.root
def test_roles_are_locked_in(postern):
    owner, net = pwd.getpwnam('postern').pw_uid, pwd.getpwnam('postern-net').pw_uid
    expected = {'accounts': (owner, postern.state_dir), 'queue': (owner, postern.state_dir),
                'relay': (net, postern.capture_dir), 'control': (net, postern.run_dir / 'empty'),
                'mime': (net, postern.run_dir / 'empty'),
                'smtpd0': (net, postern.run_dir / 'empty')}
    for role, pid in postern.roles().items():
        uid, root = expected[role]
        status = status_of(pid)
        assert status['Uid'] == [str(uid)] * 4, role
        assert int(status['CapEff'][0], 16) == 0, role
        assert status['NoNewPrivs'] == ['1'], role
        assert not set(status['Groups']) - {str(uid)} or status['Groups'] == [], role
        assert os.readlink(f'/proc/{pid}/root') == str(root), role
        # An undumpable process's files in /proc belong to root.
        assert os.stat(f'/proc/{pid}/mem').st_uid == 0, role


@pytest.mark.root
def test_socket_is_for_the_admin_group(postern):
    done = subprocess.run(
        ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups',
         postern.programs['posternctl'], '-s', postern.socket_path, 'status'],
        capture_output=True, text=True, timeout=30)
    if 'No such file' in done.stderr and 'posternctl' in done.stderr:
        pytest.skip('the build directory is closed to others')
    assert done.returncode == 3
    assert 'permission denied' in done.stderr
