"""fakepop - a small POP3 server of our own, for what no packaged server does.

    with FakePop(address='::1') as pop:                 # takes USER and PASS, any
    with FakePop(ntlm=True) as pop:                     # and AUTH NTLM, as [MS-POP3] has it
        pop.port
        pop.logins                                      # (method, user) of each that it let in
        pop.lines                                       # what clients said

NTLM is held against that of others: see ntlm_acceptor.py.
"""
import base64
import contextlib
import socket
import threading

from ntlm_acceptor import NtlmAcceptor


class FakePop:
    def __init__(self, address='127.0.0.1', port=0, ntlm=False):
        self.ntlm = ntlm
        self.logins, self.lines = [], []
        family = socket.AF_INET6 if ':' in address else socket.AF_INET
        self.listener = socket.create_server((address, port), family=family)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def serve(self):
        """One client after the other: logins are no crowd."""
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(20)
                self.talk(connection.makefile('rwb'))

    def say(self, stream, line):
        stream.write(line.encode() + b'\r\n')
        stream.flush()

    def hear(self, stream):
        line = stream.readline().decode().rstrip('\r\n')
        self.lines.append(line)
        return line

    def talk(self, stream):
        self.say(stream, '+OK ready')
        user = ''
        while line := self.hear(stream):
            word, _, rest = line.partition(' ')
            if word == 'USER':
                user = rest
                self.say(stream, '+OK')
            elif word == 'PASS':
                self.logins.append(('USER/PASS', user))
                self.say(stream, '+OK')
            elif line == 'AUTH NTLM' and self.ntlm:
                self.take_ntlm(stream)
            elif word == 'QUIT':
                self.say(stream, '+OK')
                return
            else:
                self.say(stream, '-ERR Protocol error')

    def take_ntlm(self, stream):
        acceptor = NtlmAcceptor()
        self.say(stream, '+OK')
        challenge = acceptor.step(base64.b64decode(self.hear(stream)))
        self.say(stream, f'+ {base64.b64encode(challenge).decode()}')
        acceptor.step(base64.b64decode(self.hear(stream)))
        if acceptor.user is None:
            self.say(stream, '-ERR Logon failure: unknown user name or bad password.')
            return
        self.logins.append(('NTLM', acceptor.user))
        self.say(stream, '+OK User successfully authenticated')
