"""dovecot - a private Dovecot that takes mail as a submission server, as an upstream for tests.

What it takes it relays at once to a sink in this process. Its socket `auth` checks logins for other servers, and
its port `quota` tells Postfix that the mailbox of FULL is full.
Dovecot(oauth='introspection_…') and Dovecot(token_key=b'…') take tokens as well; with the key of postfix.py's
access_token(), for one.
Dovecot wants to be started by root.
"""
import base64
import pathlib
import re
import shutil

from fakehost import FakeHost
from posternd import IS_ROOT
from server import Server

FULL = 'full@example.net'
METHODS = ('plain', 'login', 'cram-md5', 'scram-sha-1', 'scram-sha-256')
USER, PASSWORD = 'office@example.com', 'correct horse'
LOGIN = re.compile(r'submission-login: (?:Info: )?Login: user=<([^>]*)>, method=([^,]*),')


def why_not():
    """Why it can't run here; None if it can."""
    if not IS_ROOT:
        return 'Dovecot wants to be started by root'
    if shutil.which('dovecot') is None or not pathlib.Path('/usr/lib/dovecot/submission').exists():
        return 'dovecot-core or dovecot-submissiond is not installed'
    return None


class Dovecot(Server):
    name = 'dovecot'
    services = ('clear', 'starttls', 'implicit', 'quota')
    user, password = USER, PASSWORD

    def __init__(self, connections=100, ports=(), oauth=None, token_key=None):
        super().__init__()
        self.oauth = self.write_oauth(oauth, token_key) if oauth or token_key else ''
        self.ports.update(ports)
        self.sink = FakeHost()
        self.log_path = self.directory / 'log'
        (self.directory / 'users').write_text(''.join(
            f'{user}:{{PLAIN}}{PASSWORD}:65534:65534::{self.directory}/mail/{user}::\n' for user in (USER, FULL)))
        files = self.certificate_of('good')
        listeners = ''.join(
            f'  inet_listener {service} {{\n    address = 127.0.0.1\n    port = {port}\n'
            f'    ssl = {"yes" if service == "implicit" else "no"}\n  }}\n'
            for service, port in self.ports.items() if service != 'quota')
        (self.directory / 'dovecot.conf').write_text(f'''
base_dir = {self.directory}/run
state_dir = {self.directory}/run
instance_name = {self.directory.name}
protocols = submission
listen = 127.0.0.1
hostname = upstream.example
log_path = {self.log_path}
ssl = yes
ssl_cert = <{files.certificate}
ssl_key = <{files.key}
disable_plaintext_auth = no
auth_mechanisms = {' '.join(METHODS)}{' oauthbearer xoauth2' if self.oauth else ''}
auth_failure_delay = 0
mail_max_userip_connections = {connections}
mail_location = maildir:{self.directory}/mail/%u
submission_relay_host = 127.0.0.1
submission_relay_port = {self.sink.port}
{self.oauth}passdb {{
  driver = passwd-file
  args = scheme=PLAIN {self.directory}/users
}}
userdb {{
  driver = passwd-file
  args = {self.directory}/users
}}
mail_plugins = quota
plugin {{
  quota = count:User quota
  quota_rule = *:bytes=1
  quota_vsizes = yes
  quota_status_success = DUNNO
  quota_status_nouser = DUNNO
  quota_status_overquota = 552 5.2.2 Mailbox is full
}}
service quota-status {{
  executable = quota-status -p postfix
  inet_listener {{
    address = 127.0.0.1
    port = {self.ports['quota']}
  }}
}}
service submission-login {{
  inet_listener submission {{
    port = 0
  }}
  inet_listener submissions {{
    port = 0
  }}
{listeners}}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  unix_listener {self.directory}/auth {{
    mode = 0666
  }}
}}
''')
        (self.directory / 'mail').mkdir()
        shutil.chown(self.directory / 'mail', 'nobody', 'nogroup')

    def write_oauth(self, settings, token_key):
        """Writes what Dovecot needs to check tokens, and gives its passdb."""
        if token_key:
            keys = self.directory / 'keys' / 'default' / 'HS256'
            keys.mkdir(parents=True)
            (keys / 'default').write_text(base64.b64encode(token_key).decode())
            settings = ('introspection_mode = local\n'
                        f'local_validation_key_dict = fs:posix:prefix={self.directory}/keys/\n')
        path = self.directory / 'oauth2.conf'
        path.write_text(f'username_attribute = email\nactive_attribute = active\nactive_value = true\n{settings}')
        return f'passdb {{\n  driver = oauth2\n  mechanisms = oauthbearer xoauth2\n  args = {path}\n}}\n'

    def command(self):
        return ['dovecot', '-F', '-c', self.directory / 'dovecot.conf']

    def is_ready(self):
        return super().is_ready() and (self.directory / 'auth').exists()

    def __exit__(self, *_):
        super().__exit__()
        self.sink.close()

    def log(self):
        return super().log() + (self.log_path.read_text('utf-8', 'replace') if self.log_path.exists() else '')

    def logins(self):
        """(method, user) of each login that it let in."""
        return [(method.upper(), user) for user, method in LOGIN.findall(self.log())]

    def all_mail_for(self, recipient):
        return [message.body for message in list(self.sink.messages) if recipient in message.recipients]
