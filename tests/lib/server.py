"""server - what the private servers of the tests have in common: a directory, certificates, processes.

A server is a context: it is started by `with`, and ended and removed after it. It has `ports` by service, `ca`,
`certificate_of(service)`, `log()`, `logins()`, `all_mail_for(recipient)` and `mail_for(recipient)`.
"""
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile

from posternd import free_ports, wait_until
from testca import NEW_KEY, TestCa

# Certificates that nobody shall accept; a service with such a name has it.
BAD = ('expired', 'notyet', 'elsewhere', 'selfsigned')


def make_account(name):
    """An account that a server is built to look for."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        subprocess.run(['useradd', '--system', '--user-group', '--no-create-home', '--home-dir', '/nonexistent',
                        '--shell', '/usr/sbin/nologin', name], check=True)


class Server:
    name = ''
    services = ()
    new_key = NEW_KEY

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f'postern-{self.name}-'))
        self.directory.chmod(0o755)
        self.output = self.directory / 'output'
        self.ports = dict(zip(self.services, free_ports(len(self.services))))
        self.process = None
        self.make_certificates()

    def make_certificates(self):
        self.ca = TestCa(self.directory / 'tls')
        local = {'names': ['localhost'], 'addresses': ['127.0.0.1'], 'new_key': self.new_key}
        make = {'good': lambda: self.ca.issue('good', **local),
                'expired': lambda: self.ca.issue('expired', start='20200101000000Z', end='20200201000000Z', **local),
                'notyet': lambda: self.ca.issue('notyet', start='20450101000000Z', end='20460101000000Z', **local),
                'elsewhere': lambda: self.ca.issue('elsewhere', **{**local, 'names': ['mail.elsewhere.example'],
                                                                   'addresses': []}),
                'selfsigned': lambda: self.ca.self_signed('selfsigned', names=['localhost'],
                                                          addresses=['127.0.0.1'])}
        self.certificates = {name: make[name]() for name in ('good', *BAD) if name == 'good' or name in self.services}

    def certificate_of(self, service):
        return self.certificates.get(service, self.certificates['good'])

    # -- life --

    def command(self):
        raise NotImplementedError

    def start(self):
        with open(self.output, 'ab') as output:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                            start_new_session=True, env={'PATH': os.environ['PATH']})
        wait_until(self.is_ready, f'{self.name} is ready')
        return self

    def is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(self.log())
        listening = pathlib.Path('/proc/net/tcp').read_text('ascii')
        return all(f':{port:04X} 00000000:0000 0A' in listening for port in self.ports.values())

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.end()
        shutil.rmtree(self.directory, ignore_errors=True)

    def log(self):
        return self.output.read_text('utf-8', 'replace') if self.output.exists() else ''

    # -- mail --

    def all_mail_for(self, recipient):
        raise NotImplementedError

    def mail_for(self, recipient):
        return wait_until(lambda: self.all_mail_for(recipient), f'mail for {recipient} at {self.name}')
