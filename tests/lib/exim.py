"""exim - a private Exim with GnuTLS, as an upstream for tests.

Debian's package can't stand beside Postfix, so it is not installed: its files lie in a directory, below
$POSTERN_EXIM or where scripts/test unpacks them. Exim wants to be started by root. It takes NTLM as SPA, which is
NTLMv1 only. Given the socket of a Dovecot it takes that one's SCRAM as well.
"""
import os
import pathlib
import re
import shutil

from posternd import IS_ROOT
from server import BAD, Server, make_account

TOP = pathlib.Path(__file__).resolve().parents[2]
ROOT = pathlib.Path(os.environ.get('POSTERN_EXIM', TOP / 'build-test' / 'exim'))
PROGRAM = ROOT / 'usr/sbin/exim4'
USER, PASSWORD = 'office', 'correct horse'
ARRIVAL = re.compile(r' <= .* A=(\S+?):(\S+)')
# Which versions of TLS each of these ports has.
VERSIONS = {'tls10': '-VERS-ALL:+VERS-TLS1.0', 'tls11': '-VERS-ALL:+VERS-TLS1.1', 'tls12': '-VERS-ALL:+VERS-TLS1.2',
            'tls13': '-VERS-ALL:+VERS-TLS1.3'}


def why_not():
    """Why it can't run here; None if it can."""
    if not IS_ROOT:
        return 'Exim wants to be started by root'
    if not PROGRAM.exists():
        return f'there is no {PROGRAM}: scripts/test unpacks it'
    return None


class Exim(Server):
    name = 'exim'
    services = ('clear', 'starttls', 'implicit', *BAD, *VERSIONS)
    user, password = USER, PASSWORD

    def __init__(self, dovecot=None, connections=0):
        super().__init__()
        make_account('Debian-exim')
        self.dovecot, self.connections = dovecot, connections
        self.port = self.ports['clear']
        self.mail = self.directory / 'mail'
        for name in ('spool', 'log', 'mail'):
            (self.directory / name).mkdir()
            shutil.chown(self.directory / name, 'nobody', 'nogroup')
        (self.directory / 'tls').chmod(0o755)
        for path in (self.directory / 'tls').glob('*.key'):
            path.chmod(0o644)
        (self.directory / 'exim.conf').write_text(self.config())

    def by_port(self, values, otherwise):
        """An expansion: what stands in `values` for the service that the client came to."""
        for service, value in values.items():
            otherwise = f'${{if ={{$received_port}}{{{self.ports[service]}}}{{{value}}}{{{otherwise}}}}}'
        return otherwise

    def config(self):
        bad = {service: self.certificate_of(service) for service in BAD}
        good = self.certificate_of('good')
        return f'''
exim_path = {PROGRAM}
exim_user = nobody
exim_group = nogroup
keep_environment =
primary_hostname = upstream.example
spool_directory = {self.directory}/spool
log_file_path = {self.directory}/log/%slog
pid_file_path = {self.directory}/log/pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = {' : '.join(map(str, self.ports.values()))}
tls_on_connect_ports = {self.ports['implicit']}
tls_advertise_hosts = {self.by_port({'clear': ''}, '*')}
tls_certificate = {self.by_port({name: files.certificate for name, files in bad.items()}, good.certificate)}
tls_privatekey = {self.by_port({name: files.key for name, files in bad.items()}, good.key)}
tls_require_ciphers = {self.by_port({name: f'LEGACY:{versions}' for name, versions in VERSIONS.items()}, 'NORMAL')}
smtp_accept_max = {self.connections}
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
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{USER}}}}}{{eq{{$auth3}}{{{PASSWORD}}}}}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = <| Username: | Password:
  server_condition = ${{if and{{{{eq{{$auth1}}{{{USER}}}}}{{eq{{$auth2}}{{{PASSWORD}}}}}}}}}
  server_set_id = $auth1
cram_md5:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${{if eq{{$auth1}}{{{USER}}}{{{PASSWORD}}}fail}}
  server_set_id = $auth1
{self.scram('SCRAM-SHA-1') + self.scram('SCRAM-SHA-256') if self.dovecot else ''}'''

    def scram(self, name):
        return f'''
{name.lower().replace('-', '_')}:
  driver = dovecot
  public_name = {name}
  server_socket = {self.dovecot.directory}/auth
  server_set_id = $auth1
'''

    def command(self):
        return [PROGRAM, '-C', self.directory / 'exim.conf', '-bdf', '-q1h']

    def log(self):
        return super().log() + ''.join(path.read_text('utf-8', 'replace')
                                       for path in sorted((self.directory / 'log').glob('[mp]*log')))

    def logins(self):
        """(method, user) of each message that it took."""
        return [({'SPA': 'NTLM'}.get(name := method.upper().replace('_', '-'), name), user)
                for method, user in ARRIVAL.findall(self.log())]

    def all_mail_for(self, recipient):
        new = self.mail / 'all' / 'new'
        texts = [path.read_bytes() for path in new.iterdir()] if new.is_dir() else []
        return [text for text in texts if f'Envelope-to: {recipient}\n'.encode() in text]
