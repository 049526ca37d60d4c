"""A private Exim that takes logins by SPA, which is NTLM: the real server of the tests for that.

Debian's package can't stand beside Postfix, so it is not installed: its files lie in a directory, below
$POSTERN_EXIM or where scripts/test unpacks them. It knows NTLMv1 only. Exim wants to be started by root.
"""
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile

from posternd import IS_ROOT, free_ports, wait_until

TOP = pathlib.Path(__file__).resolve().parents[2]
ROOT = pathlib.Path(os.environ.get('POSTERN_EXIM', TOP / 'build-test' / 'exim'))
PROGRAM = ROOT / 'usr/sbin/exim4'
USER, PASSWORD = 'office', 'correct horse'


def why_not():
    """Why it can't run here; None if it can."""
    if not IS_ROOT:
        return 'Exim wants to be started by root'
    if not PROGRAM.exists():
        return f'there is no {PROGRAM}: scripts/test unpacks it'
    return None


class Exim:
    def __init__(self):
        try:
            pwd.getpwnam('Debian-exim')  # Debian's is built to look for it
        except KeyError:
            subprocess.run(['useradd', '--system', '--user-group', '--no-create-home', '--home-dir', '/nonexistent',
                            '--shell', '/usr/sbin/nologin', 'Debian-exim'], check=True)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix='postern-exim-'))
        self.directory.chmod(0o755)
        self.mail = self.directory / 'mail'
        for name in ('spool', 'log', 'mail'):
            (self.directory / name).mkdir()
            shutil.chown(self.directory / name, 'nobody', 'nogroup')
        self.port, = free_ports(1)
        (self.directory / 'exim.conf').write_text(f'''
exim_path = {PROGRAM}
exim_user = nobody
exim_group = nogroup
keep_environment =
primary_hostname = upstream.example
spool_directory = {self.directory}/spool
log_file_path = {self.directory}/log/%slog
pid_file_path = {self.directory}/log/pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = {self.port}
tls_advertise_hosts =
acl_smtp_rcpt = rcpt
begin acl
rcpt:
  accept authenticated = *
  deny message = login first
begin routers
all:
  driver = accept
  transport = maildir
begin transports
maildir:
  driver = appendfile
  directory = {self.mail}/all
  maildir_format
  create_directory
  envelope_to_add
  user = nobody
begin authenticators
spa:
  driver = spa
  public_name = NTLM
  server_password = ${{if eq{{$auth1}}{{{USER}}}{{{PASSWORD}}}fail}}
  server_set_id = $auth1
''')
        self.process = None

    def __enter__(self):
        with open(self.directory / 'output', 'wb') as output:
            self.process = subprocess.Popen(
                [PROGRAM, '-C', self.directory / 'exim.conf', '-bdf', '-q1h'], stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, start_new_session=True)
        wait_until(self.is_ready, 'Exim is ready')
        return self

    def is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError((self.directory / 'output').read_text() + self.log())
        with socket.socket() as probe:
            return probe.connect_ex(('127.0.0.1', self.port)) == 0

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def log(self):
        return ''.join(path.read_text('utf-8', 'replace') for path in sorted((self.directory / 'log').glob('*log')))

    def mail_for(self, recipient):
        def found():
            new = self.mail / 'all' / 'new'
            texts = [path.read_bytes() for path in new.iterdir()] if new.is_dir() else []
            return [text for text in texts if f'Envelope-to: {recipient}\n'.encode() in text]
        return wait_until(found, f'mail for {recipient} in Exim\'s Maildir')
