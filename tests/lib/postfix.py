"""postfix - a private Postfix with Dovecot's SASL behind it, as an upstream for tests.

    with Postfix() as server:
        server.ports['starttls']            # see SERVICES
        server.ca.path                      # who signed its certificates
        server.mail_for('b@example.net')    # waits for a message to this recipient

Everything stands in a directory of its own; nothing of /etc/postfix or /etc/dovecot is read. It
takes mail for any recipient: `refused…@` gets 550, `later…@` 450, everything else lands in one
Maildir. Both programs must be started by root.
"""
import base64
import grp
import hmac
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time

from posternd import IS_ROOT, free_ports, wait_until
from testca import TestCa

DAEMONS = pathlib.Path('/usr/lib/postfix/sbin')
USER, PASSWORD = 'office@example.com', 'correct horse'

# What each port demands. `plain` offers AUTH in clear, `open` asks for none of both.
LOGIN = {'smtpd_sasl_auth_enable': 'yes',
         'smtpd_relay_restrictions': 'permit_sasl_authenticated,reject'}
STARTTLS = {'smtpd_tls_security_level': 'may', 'smtpd_tls_auth_only': 'yes', **LOGIN}
OLD_TLS = {'smtpd_tls_ciphers': 'medium', 'tls_medium_cipherlist': 'HIGH:@SECLEVEL=0'}
# Postfix exempts its own networks from what it counts.
COUNTED = {'smtpd_client_event_limit_exceptions': ''}
RATE_UNIT_S = 4
SERVICES = {
    'open': {},
    'small': {'message_size_limit': '20000'},
    'dull': {'smtpd_discard_ehlo_keywords': 'pipelining,size,8bitmime,enhancedstatuscodes'},
    'plain': LOGIN,
    'starttls': STARTTLS,
    'encrypt': {'smtpd_tls_security_level': 'encrypt'},
    'anonymous': {**STARTTLS, 'smtpd_sasl_security_options': '', 'smtpd_relay_restrictions': 'permit_mynetworks,reject'},
    'implicit': {'smtpd_tls_wrappermode': 'yes', **LOGIN},
    # its own limits, in each RATE_UNIT_S
    'few-mails': {**COUNTED, 'smtpd_client_message_rate_limit': '3'},
    'few-connections': {**COUNTED, 'smtpd_client_connection_count_limit': '1'},
    'few-new-connections': {**COUNTED, 'smtpd_client_connection_rate_limit': '1'},
    'few-recipients': {'smtpd_recipient_limit': '3'},
    'listed': {'virtual_mailbox_maps': 'inline:{known@example.net=all/}'},
    'greylist': {'smtpd_recipient_restrictions': 'check_policy_service,inet:127.0.0.1:GREYLIST,permit'},
    'quota': {'smtpd_recipient_restrictions': 'check_policy_service,inet:127.0.0.1:QUOTA,permit'},
    'expired': STARTTLS,
    'elsewhere': STARTTLS,
    'selfsigned': STARTTLS,
    'notyet': STARTTLS,
    'tls10': {**STARTTLS, **OLD_TLS, 'smtpd_tls_protocols': 'TLSv1'},
    'tls11': {**STARTTLS, **OLD_TLS, 'smtpd_tls_protocols': 'TLSv1.1'},
    'tls12': {**STARTTLS, 'smtpd_tls_protocols': 'TLSv1.2'},
    'tls13': {**STARTTLS, 'smtpd_tls_protocols': 'TLSv1.3'},
    'certificate': {'smtpd_tls_security_level': 'encrypt', 'smtpd_tls_req_ccert': 'yes',
                    'smtpd_relay_restrictions': 'permit_tls_all_clientcerts,reject'},
}

LOGGED_IN = re.compile(r'sasl_method=([^,]+), sasl_username=(\S+)')
TOKEN_KEY = b'the key that tokens are signed with'


def access_token(user=USER, lifetime_s=600, key=TOKEN_KEY):
    """What a token server would give: a JWT (RFC 7519) with HS256."""
    def encode(data):
        return base64.urlsafe_b64encode(data).rstrip(b'=')
    now = int(time.time())
    claims = {'iss': 'test', 'sub': user, 'email': user, 'iat': now - 10, 'exp': now + lifetime_s}
    signed = b'.'.join(encode(json.dumps(part).encode()) for part in ({'alg': 'HS256', 'typ': 'JWT'}, claims))
    return (signed + b'.' + encode(hmac.digest(key, signed, 'sha256'))).decode()


MASTER = '''
pickup    unix n - n 60 1 pickup
cleanup   unix n - n -  0 cleanup
qmgr      unix n - n 300 1 qmgr
tlsmgr    unix - - n 1000? 1 tlsmgr
rewrite   unix - - n -  - trivial-rewrite
bounce    unix - - n -  0 bounce
defer     unix - - n -  0 bounce
trace     unix - - n -  0 bounce
verify    unix - - n -  1 verify
flush     unix n - n 1000? 0 flush
proxymap  unix - - n -  - proxymap
smtp      unix - - n -  - smtp
relay     unix - - n -  - smtp
error     unix - - n -  - error
retry     unix - - n -  - error
virtual   unix - n n -  - virtual
anvil     unix - - n -  1 anvil
scache    unix - - n -  1 scache
postlog   unix-dgram n - n - 1 postlogd
'''


def why_not():
    """Why it can't run here; None if it can."""
    if not IS_ROOT:
        return 'Postfix and Dovecot want to be started by root'
    if not (DAEMONS / 'master').exists() or shutil.which('dovecot') is None:
        return 'postfix or dovecot-core is not installed'
    return None


class Postfix:
    name = 'postfix'
    user, password = USER, PASSWORD

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix='postern-postfix-'))
        self.directory.chmod(0o755)
        self.queue, self.data = self.directory / 'queue', self.directory / 'data'
        self.maildir = self.directory / 'mail' / 'all'
        self.log_path = self.directory / 'log'
        self.ports = dict(zip(SERVICES, free_ports(len(SERVICES))))
        # whom the services of these names ask
        self.policy_ports = dict(zip(('GREYLIST', 'QUOTA'), free_ports(2)))
        self.processes = {}
        self.make_certificates()
        self.make_directories()
        self.write_postfix()
        self.write_dovecot()

    # -- files --

    def make_certificates(self):
        self.ca = TestCa(self.directory / 'tls')
        local = {'names': ['localhost'], 'addresses': ['127.0.0.1']}
        self.certificates = {
            'good': self.ca.issue('good', **local),
            'expired': self.ca.issue('expired', start='20200101000000Z', end='20200201000000Z',
                                     **local),
            'notyet': self.ca.issue('notyet', start='20450101000000Z', end='20460101000000Z', **local),
            'elsewhere': self.ca.issue('elsewhere', names=['mail.elsewhere.example']),
            'selfsigned': self.ca.self_signed('selfsigned', **local)}

    def make_directories(self):
        owner, drop = pwd.getpwnam('postfix').pw_uid, grp.getgrnam('postdrop').gr_gid
        for name in ('active', 'bounce', 'corrupt', 'defer', 'deferred', 'flush', 'hold',
                     'incoming', 'private', 'saved', 'trace'):
            (self.queue / name).mkdir(0o700, parents=True)
            os.chown(self.queue / name, owner, -1)
        for name, mode in (('maildrop', 0o730), ('public', 0o710)):
            (self.queue / name).mkdir()
            os.chown(self.queue / name, owner, drop)
            (self.queue / name).chmod(mode)
        (self.queue / 'pid').mkdir(0o755)
        self.data.mkdir(0o700)
        os.chown(self.data, owner, -1)
        self.maildir.parent.mkdir()
        os.chown(self.maildir.parent, owner, -1)

    def certificate_of(self, service):
        return self.certificates.get(service, self.certificates['good'])

    def write_postfix(self):
        owner = pwd.getpwnam('postfix')
        (self.directory / 'recipients').write_text(
            '/^refused/ 550 5.1.1 No such mailbox here\n'
            '/^later/ 450 4.2.0 Mailbox busy, come again\n')
        settings = {
            'compatibility_level': '3.6', 'queue_directory': self.queue,
            'data_directory': self.data, 'maillog_file': self.log_path,
            'maillog_file_prefixes': self.directory, 'inet_interfaces': '127.0.0.1',
            'inet_protocols': 'ipv4', 'myhostname': 'upstream.example', 'mydestination': '',
            'alias_maps': '', 'alias_database': '', 'local_recipient_maps': '',
            'mynetworks': '127.0.0.0/8', 'virtual_mailbox_domains': 'regexp:{{/./ here}}',
            'virtual_mailbox_base': self.maildir.parent, 'virtual_mailbox_maps': 'static:all/',
            'virtual_mailbox_limit': '0', 'message_size_limit': '60000000',
            'virtual_uid_maps': f'static:{owner.pw_uid}', 'virtual_minimum_uid': '1',
            'virtual_gid_maps': f'static:{owner.pw_gid}',
            'smtpd_recipient_restrictions': f'check_recipient_access '
                                            f'regexp:{self.directory}/recipients, permit',
            'smtpd_sasl_type': 'dovecot', 'smtpd_sasl_path': self.directory / 'auth',
            'smtpd_error_sleep_time': '0', 'smtpd_client_connection_count_limit': '0',
            'anvil_rate_time_unit': f'{RATE_UNIT_S}s', 'smtpd_peername_lookup': 'no'}
        (self.directory / 'main.cf').write_text(
            ''.join(f'{key} = {value}\n' for key, value in settings.items()))
        master = MASTER
        for service, options in SERVICES.items():
            files = self.certificate_of(service)
            options = {'smtpd_tls_CAfile': self.ca.path, 'smtpd_tls_cert_file': files.certificate, 'smtpd_tls_key_file': files.key,
                       'syslog_name': service, **options}
            master += f'127.0.0.1:{self.ports[service]} inet n - n - - smtpd\n'
            master += ''.join(f'  -o {key}={value}\n' for key, value in options.items())
        for name, port in self.policy_ports.items():
            master = master.replace(name, str(port))
        (self.directory / 'master.cf').write_text(master)

    def write_dovecot(self):
        (self.directory / 'users').write_text(f'{USER}:{{PLAIN}}{PASSWORD}\n')
        keys = self.directory / 'keys' / 'default' / 'HS256'
        keys.mkdir(parents=True)
        (keys / 'default').write_text(base64.b64encode(TOKEN_KEY).decode())
        (self.directory / 'oauth2.conf').write_text(
            'introspection_mode = local\nusername_attribute = email\n'
            f'local_validation_key_dict = fs:posix:prefix={self.directory}/keys/\n')
        (self.directory / 'dovecot.conf').write_text(f'''
base_dir = {self.directory}/dovecot
state_dir = {self.directory}/dovecot
instance_name = {self.directory.name}
protocols =
listen = 127.0.0.1
ssl = no
log_path = {self.directory}/dovecot.log
disable_plaintext_auth = no
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256 oauthbearer xoauth2 anonymous
auth_failure_delay = 0
passdb {{
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = {self.directory}/oauth2.conf
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {self.directory}/users
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home=/
}}
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

    # -- life --

    def start(self):
        log = open(self.directory / 'output', 'ab')
        for name, command in (
                ('dovecot', ['dovecot', '-F', '-c', self.directory / 'dovecot.conf']),
                ('postfix', [DAEMONS / 'master', '-s', '-c', self.directory])):
            self.processes[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, env={'PATH': os.environ['PATH'],
                                             'MAIL_CONFIG': str(self.directory)})
        log.close()
        wait_until(self.is_ready, 'Postfix and Dovecot are ready')
        return self

    def is_ready(self):
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise RuntimeError(f'{name} ended with {process.returncode}:\n{self.log()}')
        return ((self.directory / 'auth').exists() and self.log_path.exists()
                and 'daemon started' in self.log_path.read_text())

    def stop(self):
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def log(self):
        return ''.join(path.read_text('utf-8', 'replace') for path in
                       (self.directory / name for name in ('output', 'log', 'dovecot.log'))
                       if path.exists())

    def logins(self):
        """(method, user) of each message that came with a login."""
        return LOGGED_IN.findall(self.log())

    # -- mail --

    def all_mail_for(self, recipient):
        mark = f'\nDelivered-To: {recipient}\n'.encode()
        new = self.maildir / 'new'
        messages = [path.read_bytes() for path in new.iterdir()] if new.is_dir() else []
        return [message for message in messages if mark in message]

    def mail_for(self, recipient, count=1):
        """Waits for so many messages; bytes as they stand in the Maildir, with LF."""
        return wait_until(lambda: len(found := self.all_mail_for(recipient)) >= count and found,
                          f'{count} messages for {recipient} in Postfix\'s Maildir')
