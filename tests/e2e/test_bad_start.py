"""What keeps posternd from starting, or from serving: said clearly, and nothing is damaged."""
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess

import pytest

from posternd import IS_ROOT, CtlError, Posternd, wait_until

pytestmark = pytest.mark.user

CONFIG_ERROR, SYSTEM_ERROR = 78, 71


@pytest.fixture
def stopped(tmp_path):
    """A posternd that has run, so that its directory has everything, and is stopped."""
    postern = Posternd(tmp_path)
    with postern:
        postern.add_capture()
        postern.add_user()
    return postern


def start(postern):
    """Its exit status, and what it said."""
    postern.write_config()
    done = subprocess.run([postern.programs['posternd'], '-f', '-c', postern.config_path],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                          cwd=postern.directory)
    assert 'Sanitizer' not in done.stderr, done.stderr
    return done.returncode, done.stderr


def assert_refused(postern, status, *words):
    """It doesn't start, says why, and leaves every file as it was."""
    before = contents(postern.directory)
    actual, text = start(postern)
    assert actual == status, text
    for word in words:
        assert word in text, text
    after = contents(postern.directory)
    assert {path: data for path, data in after.items() if path in before} == before


def contents(directory):
    """All files of the state directory but those that SQLite keeps beside a database."""
    found = {}
    for path in pathlib.Path(directory).rglob('*'):
        if path.is_file() and path.name not in ('postern.conf', 'log', 'reserve', 'lock') and \
                not path.name.endswith(('-wal', '-shm', '-journal')):
            found[path] = path.read_bytes()
    return found


def assert_works(postern):
    with postern:
        with postern.client(tls='none') as client:
            client.ehlo()
        assert [user['login'] for user in postern.ctl('user', 'ls')] == ['shop']


# ---- files of the config ----

def make_certificate(directory, name):
    key, certificate = directory / f'{name}.key', directory / f'{name}.pem'
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                    'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', certificate,
                    '-subj', f'/CN={name}', '-days', '2'], check=True, capture_output=True)
    return certificate, key


def use_certificate(postern, certificate, key):
    postern.extra = f'tls = {{ certificate = "{certificate}"; key = "{key}"; }};'


def test_certificate_that_is_missing(stopped, tmp_path):
    _, key = make_certificate(tmp_path, 'a')
    use_certificate(stopped, tmp_path / 'none.pem', key)
    assert_refused(stopped, CONFIG_ERROR, str(tmp_path / 'none.pem'), 'No such file')


def test_key_that_is_missing(stopped, tmp_path):
    certificate, _ = make_certificate(tmp_path, 'a')
    use_certificate(stopped, certificate, tmp_path / 'none.key')
    assert_refused(stopped, CONFIG_ERROR, str(tmp_path / 'none.key'), 'No such file')


def test_key_that_does_not_match(stopped, tmp_path):
    certificate, _ = make_certificate(tmp_path, 'a')
    _, key = make_certificate(tmp_path, 'b')
    use_certificate(stopped, certificate, key)
    assert_refused(stopped, CONFIG_ERROR, str(certificate), 'match')


def test_certificate_that_is_none(stopped, tmp_path):
    certificate, key = make_certificate(tmp_path, 'a')
    certificate.write_text('certificate\n')
    use_certificate(stopped, certificate, key)
    assert_refused(stopped, CONFIG_ERROR, str(certificate))


def test_wrong_value(stopped):
    stopped.extra = 'smtpd_processes = "many";'
    stopped.settings.pop('smtpd_processes')
    assert_refused(stopped, CONFIG_ERROR, 'postern.conf:', 'smtpd_processes')


@pytest.mark.parametrize('certificate', ['none.pem', 'text'])
def test_check_says_ok_where_the_start_fails(stopped, tmp_path, certificate):
    """-n, the start and a reload find the same, and name the line."""
    (tmp_path / 'text').write_text('no certificate')
    words = ['postern.conf:', 'tls.certificate: ', str(tmp_path / certificate)]
    with stopped:
        use_certificate(stopped, tmp_path / certificate, tmp_path / 'none.key')
        if certificate == 'text':
            use_certificate(stopped, tmp_path / certificate, tmp_path / certificate)
        stopped.write_config()
        with pytest.raises(CtlError) as caught:
            stopped.ctl('reload')
        assert all(word in caught.value.message for word in words), caught.value.message
    assert_refused(stopped, CONFIG_ERROR, *words)
    status, text = check(stopped)
    assert status == CONFIG_ERROR and all(word in text for word in words), text


def check(postern):
    done = subprocess.run([postern.programs['posternd'], '-n', '-c', postern.config_path],
                          capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


def test_trusted_network_of_everybody(stopped):
    stopped.extra = 'trusted = ( { network = "0.0.0.0/0"; user = "shop"; } );'
    assert_refused(stopped, CONFIG_ERROR, 'trusted.network: 0.0.0.0/0 would let anybody')


def test_listener_where_nobody_can_log_in(stopped):
    stopped.listeners = stopped.listeners.replace('starttls', 'none')
    stopped.without_tls = 'never'
    for auth, words in (('', 'nobody can log in there by PLAIN or LOGIN'),
                        ('mechanisms = "PLAIN";', 'nobody can log in there\n')):
        stopped.auth = auth
        stopped.write_config()
        status, text = check(stopped)
        assert status == 0 and f'port {stopped.port} has no TLS' in text and words in text, text


# ---- directories ----

def test_state_dir_that_is_a_file(stopped, tmp_path):
    stopped.state_dir = tmp_path / 'file'
    stopped.state_dir.write_text('')
    assert_refused(stopped, SYSTEM_ERROR, str(stopped.state_dir), 'not a directory')


def test_state_dir_that_cannot_be_read(stopped):
    if IS_ROOT:
        pytest.skip('root may read everything')
    stopped.state_dir.chmod(0)
    try:
        status, text = start(stopped)
    finally:
        stopped.state_dir.chmod(0o700)
    assert status == SYSTEM_ERROR and str(stopped.state_dir) in text and 'denied' in text, text


def test_capture_dir_that_cannot_be_written(stopped):
    if IS_ROOT:
        pytest.skip('root may write everywhere')
    stopped.capture_dir.chmod(0o500)
    try:
        status, text = start(stopped)
    finally:
        stopped.capture_dir.chmod(0o700)
    assert status == SYSTEM_ERROR and str(stopped.capture_dir) in text and 'denied' in text, text


def test_capture_dir_below_a_file(stopped, tmp_path):
    (tmp_path / 'file').write_text('')
    stopped.capture_dir = tmp_path / 'file' / 'capture'
    assert_refused(stopped, SYSTEM_ERROR, str(tmp_path / 'file'))


def test_run_dir_that_is_too_long(stopped, tmp_path):
    stopped.run_dir = tmp_path / ('long' * 30)
    assert_refused(stopped, CONFIG_ERROR, 'run_dir', '90')


# ---- accounts ----

@pytest.mark.root
@pytest.mark.parametrize('option', ['user', 'net_user', 'admin_group'])
def test_root_without_the_accounts(stopped, option):
    stopped.extra = f'{option} = "no-such-account";'
    words = ['postern.conf:', f'{option}: ', 'no-such-account', 'add --system']
    assert_refused(stopped, CONFIG_ERROR, *words)
    status, text = check(stopped)
    assert status == CONFIG_ERROR and all(word in text for word in words), text


@pytest.mark.root
@pytest.mark.parametrize('option', ['user', 'net_user'])
def test_root_as_an_account_fails_after_the_ca_was_made(tmp_path, option):
    postern = Posternd(tmp_path)
    postern.extra = f'{option} = "root";'
    assert_refused(postern, CONFIG_ERROR, 'postern.conf:', f'{option}: "root"')
    assert not postern.state_dir.exists()
    status, text = check(postern)
    assert status == CONFIG_ERROR and f'{option}: "root"' in text, text


def test_state_dir_is_made_without_a_word(tmp_path):
    postern = Posternd(tmp_path)
    postern.state_dir = tmp_path / 'deep' / 'below' / 'state'
    with postern:
        assert postern.log_lines('event=config', f'file={postern.state_dir} ', 'state=made')


# ---- databases ----

def not_a_database(path):
    path.write_bytes(b'this is a shopping list\n' * 1000)


def truncated(path):
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])


def empty_header(path):
    data = bytearray(path.read_bytes())
    data[:100] = bytes(100)
    path.write_bytes(data)


def of_a_newer_schema(path):
    connection = sqlite3.connect(path)
    connection.execute('pragma user_version = 999')
    connection.close()


def a_directory(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize('name', ['accounts.db', 'queue.db'])
@pytest.mark.parametrize('damage', [not_a_database, truncated, empty_header, of_a_newer_schema,
                                    a_directory])
def test_database_that_is_none(stopped, name, damage):
    path = stopped.state_dir / name
    copy = path.with_suffix('.kept')
    shutil.copy2(path, copy)
    owner = path.stat()
    damage(path)
    if IS_ROOT:
        os.chown(path, owner.st_uid, owner.st_gid)
    assert_refused(stopped, SYSTEM_ERROR, name)
    if path.is_dir():
        path.rmdir()
    copy.rename(path)
    if IS_ROOT:
        os.chown(path, owner.st_uid, owner.st_gid)
    assert_works(stopped)


@pytest.mark.parametrize('lose', [pathlib.Path.unlink, lambda path: path.write_bytes(b'')],
                         ids=['removed', 'emptied'])
def test_queue_that_got_lost_keeps_its_bodies(stopped, lose):
    body = stopped.state_dir / 'bodies' / '3f' / '2000000'
    body.write_bytes(b'Subject: large\r\n\r\n')
    lose(stopped.state_dir / 'queue.db')
    assert_refused(stopped, SYSTEM_ERROR, 'bodies has messages')
    assert body.exists()
    body.unlink()
    assert_works(stopped)


@pytest.mark.parametrize('name', ['accounts.db', 'queue.db'])
def test_database_that_may_not_be_opened(stopped, name):
    path = stopped.state_dir / name
    before = contents(stopped.directory)
    path.chmod(0)
    actual, text = start(stopped)
    path.chmod(0o600)
    assert actual == SYSTEM_ERROR and name in text and 'Permission denied' in text, text
    assert before.items() <= contents(stopped.directory).items()
    assert_works(stopped)


# ---- ports, and a second one ----

def test_no_port_is_free(stopped):
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
        stopped.listeners = f'{{ address = "127.0.0.1"; ports = "{port}"; required = true; }}'
        assert_refused(stopped, SYSTEM_ERROR, str(port), 'in use')


def test_second_daemon(stopped):
    with stopped:
        other = Posternd(stopped.directory)
        other.config_path = stopped.directory / 'other.conf'
        status, text = start(other)
        assert status == SYSTEM_ERROR
        assert 'another posternd' in text and str(stopped.state_dir) in text
        assert stopped.ctl('user', 'ls')


def test_socket_that_was_left_behind(stopped):
    """After kill -9 the socket and the lock are still there, and nobody's."""
    stopped.expect_trouble('.')
    stopped.start()
    stopped.process.send_signal(signal.SIGKILL)
    stopped.process.wait()
    stopped.process = None
    assert stopped.socket_path.exists()
    wait_until(lambda: not is_locked(stopped), 'the roles end')
    assert_works(stopped)


def is_locked(postern):
    done = subprocess.run(['flock', '-n', postern.state_dir / 'lock', 'true'], timeout=10)
    return done.returncode != 0


# ---- the seal ----

def test_seal_key_of_a_wrong_size(stopped):
    path = next(stopped.state_dir.rglob('seal.key'))
    key = path.read_bytes()
    path.write_bytes(key[:-1])
    assert_refused(stopped, SYSTEM_ERROR, 'seal.key')
    path.write_bytes(key)
    assert_works(stopped)


def test_seal_key_of_another(stopped, make_upstream):
    """The upstream's password can't be opened: said so, and mail waits until it is set anew."""
    upstream = make_upstream(auth=('PLAIN',))
    with stopped:
        stopped.ctl('profile', 'add', 'upstream', '--host', upstream.address, '--port',
                    upstream.port, '--auth', 'plain', '--username', 'user', '--password-stdin',
                    '--tls', 'none', '--default', stdin='secret\n')
        user = stopped.ctl('user', 'reset-password', 'shop')
    path = next(stopped.state_dir.rglob('seal.key'))
    path.write_bytes(bytes(reversed(path.read_bytes())))
    stopped.expect_trouble('seal')
    with stopped:
        with stopped.client(user) as client:
            client.sendmail('a@example.com', ['b@example.net'], b'Subject: x\r\n\r\nhello\r\n')
        stopped.wait_for_log('upstream', 'seal')
        assert len(stopped.queued()) == 1
        assert upstream.messages == []
        stopped.ctl('profile', 'set', 'upstream', '--password-stdin', stdin='secret\n')
        stopped.wait_until_queue_is(0)
