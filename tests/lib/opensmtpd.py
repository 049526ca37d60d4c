"""opensmtpd - a private OpenSMTPD, as an upstream for tests.

Debian's package can't stand beside Postfix, so it is not installed: its files lie in a directory, below
$POSTERN_OPENSMTPD or where scripts/test unpacks them. Its spool and its socket are at fixed places, so it gets these
in a mount namespace of its own. What it takes it relays at once to a sink in this process.

Debian 12's announces STARTTLS and then fails in every handshake (it was made for OpenSSL 1.1), and since it
announces AUTH behind TLS only it can't be logged in to.
"""
import os
import pathlib
import subprocess

from fakehost import FakeHost
from posternd import IS_ROOT
from server import Server, make_account
from testca import NEW_RSA_KEY

TOP = pathlib.Path(__file__).resolve().parents[2]
ROOT = pathlib.Path(os.environ.get('POSTERN_OPENSMTPD', TOP / 'build-test' / 'opensmtpd'))
PROGRAM = ROOT / 'usr/sbin/smtpd'
USER, PASSWORD = 'office', 'correct horse'
SERVICES = {'open': '', 'starttls': 'auth-optional <credentials> tls pki "it"',
            'implicit': 'auth-optional <credentials> smtps pki "it"'}
PLACES = ('/var/spool', '/var/lib', '/run')


def may_mount():
    return subprocess.run(['unshare', '-m', 'mount', '-t', 'tmpfs', 'none', '/var/spool'], capture_output=True,
                          check=False).returncode == 0


def why_not():
    """Why it can't run here; None if it can."""
    if not IS_ROOT:
        return 'OpenSMTPD wants to be started by root'
    if not PROGRAM.exists():
        return f'there is no {PROGRAM}: scripts/test unpacks it'
    return None if may_mount() else 'OpenSMTPD needs mounts of its own, which are not allowed here'


class OpenSmtpd(Server):
    name = 'opensmtpd'
    services = tuple(SERVICES)
    new_key = NEW_RSA_KEY
    user, password = USER, PASSWORD

    def __init__(self):
        super().__init__()
        for account in ('opensmtpd', 'opensmtpq'):
            make_account(account)
        self.sink = FakeHost()
        hashed = subprocess.run(['openssl', 'passwd', '-6', '-stdin'], input=PASSWORD, capture_output=True, text=True,
                                check=True)
        (self.directory / 'credentials').write_text(f'{USER}\t{hashed.stdout.strip()}\n')
        listeners = ''.join(f'listen on 127.0.0.1 port {self.ports[service]} hostname upstream.example {options}\n'
                            for service, options in SERVICES.items())
        files = self.certificate_of('good')
        (self.directory / 'smtpd.conf').write_text(
            f'pki "it" cert "{files.certificate}"\npki "it" key "{files.key}"\n'
            f'table credentials file:{self.directory}/credentials\n{listeners}'
            f'action "on" relay host "smtp+notls://127.0.0.1:{self.sink.port}"\n'
            'match from any for any action "on"\n')

    def command(self):
        mounts = ' && '.join(f'mount -t tmpfs none {place}' for place in PLACES)
        return ['unshare', '-m', 'sh', '-c', f'{mounts} && mkdir -p /var/lib/opensmtpd/empty && exec "$@"', 'sh',
                PROGRAM, '-d', '-f', self.directory / 'smtpd.conf']

    def __exit__(self, *_):
        super().__exit__()
        self.sink.close()

    def logins(self):
        return []

    def all_mail_for(self, recipient):
        return [message.body for message in list(self.sink.messages) if recipient in message.recipients]
