"""posternd as a service: in the background, and under a manager that waits to be notified."""
import os
import signal
import socket
import subprocess

import pytest

from posternd import PATIENCE_S, CtlError, Posternd, wait_until

pytestmark = pytest.mark.user


def is_answering(postern):
    try:
        return bool(postern.ctl('status'))
    except CtlError:
        return False


def test_the_background_begins_when_the_daemon_is_ready(tmp_path):
    postern = Posternd(tmp_path)
    postern.write_config()
    with open(postern.log_path, 'ab') as log:
        status = subprocess.run([postern.programs['posternd'], '-c', postern.config_path],
                                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                timeout=PATIENCE_S).returncode
    assert status == 0, postern.log()
    assert all(role['ready'] for role in postern.ctl('status')['roles'])
    postern.ctl('stop')
    wait_until(lambda: 'event=stopped' in postern.log(), 'the daemon has stopped')
    wait_until(lambda: not is_answering(postern), 'nobody answers any more')
    postern.check_log()


def test_the_background_fails_as_the_foreground_does(tmp_path):
    postern = Posternd(tmp_path)
    postern.write_config()
    postern.state_dir.write_text('no directory')
    done = subprocess.run([postern.programs['posternd'], '-c', postern.config_path],
                          capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 71
    assert str(postern.state_dir) in done.stderr


def test_a_manager_is_notified(tmp_path):
    path = str(tmp_path / 'notify')
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(path)
    manager.settimeout(PATIENCE_S)
    postern = Posternd(tmp_path)
    postern.write_config()
    with open(postern.log_path, 'ab') as log:
        process = subprocess.Popen([postern.programs['posternd'], '-c', postern.config_path],
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   env={**os.environ, 'NOTIFY_SOCKET': path})
    try:
        assert manager.recv(100) == b'READY=1'
        assert is_answering(postern)
        process.send_signal(signal.SIGHUP)
        assert [manager.recv(100), manager.recv(100)] == [b'RELOADING=1', b'READY=1']
        process.terminate()
        assert manager.recv(100) == b'STOPPING=1'
        assert process.wait(PATIENCE_S) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        manager.close()
    postern.check_log()
