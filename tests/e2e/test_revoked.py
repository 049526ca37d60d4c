"""Upstreams that show with the handshake what their CA says of their certificate (OCSP stapling)."""
import contextlib
import re
import subprocess
import threading

import pytest

from posternd import free_ports, wait_until
from testca import TestCa


class Stapler:
    """OpenSSL's server with a staple; behind TLS it speaks as much SMTP as a test of a profile needs."""

    def __init__(self, files, staple, version):
        self.port, = free_ports(1)
        self.process = subprocess.Popen(
            ['openssl', 's_server', '-accept', f'127.0.0.1:{self.port}', '-cert', files.certificate, '-key',
             files.key, '-quiet', version, *(['-status_file', staple] if staple else [])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.thread = threading.Thread(target=self.talk, daemon=True)
        self.thread.start()

    def say(self, line):
        with contextlib.suppress(OSError):
            self.process.stdin.write(line)
            self.process.stdin.flush()

    def talk(self):
        self.say(b'220 stapler ESMTP\r\n')
        for line in self.process.stdout:
            if line.startswith(b'EHLO'):
                self.say(b'250 stapler\r\n')

    def close(self):
        self.process.kill()
        self.process.wait()
        self.thread.join()


@pytest.fixture
def upstream(postern, tmp_path):
    """Makes a profile for a stapler with this certificate, and tests it."""
    made = []
    ca = TestCa(tmp_path / 'ca')

    def test(files, staple, version='-tls1_3', *options):
        stapler = Stapler(files, staple, version)
        made.append(stapler)
        name = f'up{len(made)}'
        postern.ctl('profile', 'add', name, '--host', 'localhost', '--port', stapler.port, '--tls', 'implicit',
                    '--ca', ca.path, *options)
        # It may not listen yet; a test that isn't about that says so.
        return wait_until(lambda: 'refused' not in (done := postern.run_ctl('profile', 'test', name)).stdout
                          and done, 'the server listens')
    test.ca = ca
    yield test
    for stapler in made:
        stapler.close()


@pytest.mark.parametrize('version', ['-tls1_2', '-tls1_3'])
def test_revoked_certificate_is_refused(upstream, version):
    files = upstream.ca.issue('revoked')
    upstream.ca.revoke(files)
    done = upstream(files, upstream.ca.staple(files), version)
    assert done.returncode == 1
    assert 'the certificate was revoked on 20' in done.stdout and ', as its CA says' in done.stdout, done
    assert 'get a new certificate' in done.stderr and '--tls-verify' not in done.stderr
    # As a responder says it that the CA has named.
    responder = upstream.ca.issue('responder', extensions=['extendedKeyUsage = OCSPSigning'])
    assert 'was revoked on 20' in upstream(files, upstream.ca.staple(files, signer=responder), version).stdout
    # Whoever shows nothing is taken, as before.
    assert upstream(files, None, version).returncode == 0
    # Who pins the certificate itself has asked no CA.
    assert upstream(files, upstream.ca.staple(files), version, '--tls-verify', files.fingerprint).returncode == 0


@pytest.mark.parametrize('version', ['-tls1_2', '-tls1_3'])
def test_good_certificate_is_taken(upstream, version):
    files = upstream.ca.issue('good')
    assert upstream(files, upstream.ca.staple(files), version).returncode == 0


def test_what_no_ca_has_signed_says_nothing(upstream, tmp_path):
    """Nor the CA's own child, which is no responder, nor the CA if somebody has changed the date since."""
    files = upstream.ca.issue('revoked')
    upstream.ca.revoke(files)
    for signer in (upstream.ca.issue('child'), upstream.ca.self_signed('stranger')):
        assert upstream(files, upstream.ca.staple(files, signer=signer)).returncode == 0
    changed = tmp_path / 'changed.der'
    changed.write_bytes(re.sub(rb'20\d\d(?=\d{10}Z)', b'2001', upstream.ca.staple(files).read_bytes(), count=1))
    assert upstream(files, changed).returncode == 0


def test_staple_of_another_certificate_says_nothing(upstream):
    files, other = upstream.ca.issue('good'), upstream.ca.issue('other')
    upstream.ca.revoke(other)
    assert upstream(files, upstream.ca.staple(other)).returncode == 0
