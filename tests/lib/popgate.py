"""popgate - a Postfix that lets in whoever has logged in to a Dovecot's POP3 before.

    with PopGate() as gate:
        gate.ports['gate']                  # SMTP; ports['pop3'] has STLS as well, ports['pop3s']
        gate.window_s = 3                   # so long a login opens it for the client's address
        gate.shut()                         # forgets the logins that were
        gate.logins()                       # how many there were

Dovecot runs a script behind each login, which writes down the client's address, and Postfix asks a table
(tcp_table(5)) that is answered from there.
"""
import contextlib
import os
import pathlib
import socket
import socketserver
import sys
import threading
import time

import ntlm_acceptor
from posternd import free_ports, wait_until
from postfix import Postfix

POP3_PASSWORD = 'battery staple'
REFUSAL = '550 5.7.1 POP before SMTP: please check your mail first'


class Table(socketserver.StreamRequestHandler):
    def handle(self):
        with contextlib.suppress(OSError):
            for line in self.rfile:
                self.wfile.write(self.answer(line.decode().split()[-1]).encode())

    def answer(self, key):
        if key.count('.') != 3:      # names and networks are looked up as well
            return '500 not%20here\n'
        said = 'OK' if self.server.gate.is_open(key) else REFUSAL
        return f'200 {said.replace(" ", "%20")}\n'


class TableServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class PopGate(Postfix):
    window_s = 3600

    def __init__(self):
        self.shut_at = 0
        self.has_ntlm = ntlm_acceptor.why_not() is None
        self.table = TableServer(('127.0.0.1', 0), Table)
        self.table.gate = self
        self.pop_ports = dict(zip(('gate', 'pop3', 'pop3s'), free_ports(3)))
        super().__init__()
        self.ports.update(self.pop_ports)
        self.thread = threading.Thread(target=self.table.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    # -- files --

    def write_postfix(self):
        super().write_postfix()
        restrictions = f'check_client_access tcp:127.0.0.1:{self.table.server_address[1]}, reject'
        with open(self.directory / 'master.cf', 'a') as master:
            master.write(f'127.0.0.1:{self.pop_ports["gate"]} inet n - n - - smtpd\n'
                         f'  -o {{ smtpd_relay_restrictions = {restrictions} }}\n'
                         '  -o syslog_name=gate\n')

    def write_dovecot(self):
        super().write_dovecot()
        files = self.certificates['good']
        script, mail = self.directory / 'opens', self.directory / 'popmail'
        script.write_text(f'#!/bin/sh\necho "$IP $(date +%s.%N)" >> {self.directory}/opened\n'
                          'exec "$@"\n')
        script.chmod(0o755)
        (self.directory / 'opened').touch()
        self.write_ntlm()
        mail.mkdir()
        os.chown(mail, 65534, 65534)
        with open(self.directory / 'users', 'a') as users:
            users.write(f'popper:{{PLAIN}}{POP3_PASSWORD}\n')
        with open(self.directory / 'dovecot.conf', 'a') as conf:
            conf.write(f'''
protocols = pop3
ssl = yes
ssl_cert = <{files.certificate}
ssl_key = <{files.key}
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256 apop{' ntlm' if self.has_ntlm else ''}
auth_use_winbind = yes
auth_winbind_helper_path = {self.directory}/ntlm-helper
mail_location = maildir:{mail}/%u
service pop3-login {{
  inet_listener pop3 {{
    address = 127.0.0.1
    port = {self.pop_ports['pop3']}
  }}
  inet_listener pop3s {{
    address = 127.0.0.1
    port = {self.pop_ports['pop3s']}
    ssl = yes
  }}
}}
service pop3 {{
  executable = pop3 pop3-opens
}}
service pop3-opens {{
  executable = script-login {script}
  unix_listener pop3-opens {{
    mode = 0666
  }}
}}
''')

    def write_ntlm(self):
        """Dovecot's NTLM asks a program, which is Samba's elsewhere. It comes with no environment."""
        users, helper = self.directory / 'ntlm-users', self.directory / 'ntlm-helper'
        users.write_text(f'WORKGROUP:popper:{POP3_PASSWORD}\n')
        helper.write_text(f'#!/bin/sh\nexec {sys.executable} {pathlib.Path(ntlm_acceptor.__file__).resolve()} {users}\n')
        helper.chmod(0o755)

    # -- life --

    def is_ready(self):
        return super().is_ready() and all(map(is_taken, self.pop_ports.values()))

    def stop(self):
        self.table.shutdown()
        self.table.server_close()
        self.thread.join()
        super().stop()

    # -- the gate --

    def opened(self):
        lines = (self.directory / 'opened').read_text().splitlines()
        return [(address, float(at)) for address, at in map(str.split, lines)]

    def logins(self):
        return len(self.opened())

    def is_open(self, address):
        now = time.time()
        return any(at > max(now - self.window_s, self.shut_at)
                   for where, at in self.opened() if where == address)

    def shut(self):
        self.shut_at = time.time()

    def refusals(self):
        return self.log().count('check your mail first')

    def wait_for_logins(self, count):
        return wait_until(lambda: self.logins() >= count, f'{count} logins')


def is_taken(port):
    try:
        socket.create_connection(('127.0.0.1', port), 1).close()
        return True
    except OSError:
        return False

