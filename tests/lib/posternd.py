"""posternd - a private posternd for one test: its own directory, config, ports and log.

    with Posternd(directory) as postern:
        postern.ctl('list', 'add', 'web')               # parsed JSON; CtlError when refused
        ...

The programs come from below POSTERN_PREFIX, where `make install` put them, or else from the build
directory POSTERN_BUILD (default: `build` in the source tree, then the current directory). Started by root, the roles switch to the accounts `postern` and
`postern-net`; started by anyone else they stay who they are. The tests are the same.
"""
import contextlib
import grp
import http.client
import json
import os
import pathlib
import pwd
import random
import re
import signal
import smtplib
import socket
import ssl
import subprocess
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PATIENCE_S = float(os.environ.get('POSTERN_PATIENCE', '30'))
IS_ROOT = os.geteuid() == 0
SANITIZER_REPORT = re.compile(r'AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:')
TROUBLE = re.compile(r'event=(problem|role-restarted)\b|ensure')


def program(name):
    prefix = os.environ.get('POSTERN_PREFIX')
    build = os.environ.get('POSTERN_BUILD')
    if prefix:
        places = [pathlib.Path(prefix) / folder for folder in ('sbin', 'bin')]
    elif build:
        places = [pathlib.Path(build)]
    else:
        places = [SOURCE / 'build', pathlib.Path.cwd()]
    for place in places:
        if (place / name).exists():
            return (place / name).resolve()
    raise RuntimeError(f'there is no {name} in {places}: set POSTERN_PREFIX or POSTERN_BUILD')


def wait_until(is_true, what, within_s=PATIENCE_S):
    """Waits for a condition and returns its value."""
    deadline = time.monotonic() + within_s
    while True:
        value = is_true()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f'{what}: not within {within_s} s')
        time.sleep(0.01)


def ports_for_tests():
    """Below those that the kernel gives to clients and to servers that name none. Each process
    begins somewhere else, so that two hardly try the same one at a time. No two are neighbours."""
    given = pathlib.Path('/proc/sys/net/ipv4/ip_local_port_range').read_text().split()
    numbers = range(10000, max(int(given[0]), 12000))
    start = random.SystemRandom().randrange(len(numbers))
    while True:
        yield numbers[start % len(numbers)]
        start += 7


PORTS = ports_for_tests()


def free_ports(count):
    """Ports that nobody has on any address. All are held until all are known."""
    with contextlib.ExitStack() as held:
        ports = []
        while len(ports) < count:
            port = next(PORTS)
            with contextlib.suppress(OSError):
                held.enter_context(socket.create_server(('', port)))
                ports.append(port)
        return ports


def make_accounts():
    """What a package would have made: only root can, and only root needs them."""
    def is_known(find, name):
        try:
            return bool(find(name))
        except KeyError:
            return False
    for name in ('postern', 'postern-net'):
        if not is_known(pwd.getpwnam, name):
            subprocess.run(['useradd', '--system', '--user-group', '--no-create-home', '--shell',
                            '/usr/sbin/nologin', name], check=True)
    if not is_known(grp.getgrnam, 'postern-admin'):
        subprocess.run(['groupadd', '--system', 'postern-admin'], check=True)


class PortTaken(Exception):
    pass


class CtlError(Exception):
    def __init__(self, status, message):
        super().__init__(f'exit status {status}: {message}')
        self.status, self.message = status, message


class Api(http.client.HTTPConnection):
    """The API on the control socket, a fifth of what a posternctl costs; tests of it, and what waits
    in a loop, go this way, all else as an operator would."""
    def __init__(self, socket_path):
        super().__init__('localhost', timeout=PATIENCE_S)
        self.socket_path = str(socket_path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.socket_path)

    def ask(self, method, path, body=None):
        """The status and the answer."""
        self.request(method, path, None if body is None else json.dumps(body))
        answer = self.getresponse()
        return answer.status, json.loads(answer.read())


def notices(postern, count=1):
    """What postern.host got from nobody, once the queue is empty."""
    def found():
        return [message for message in postern.host.messages if message.sender == '']
    wait_until(lambda: len(found()) >= count, f'{count} notices')
    postern.wait_until_queue_is(0)
    assert len(found()) == count
    return found()


def last_of_each(options):
    chosen = {}
    for word in map(str, options):
        if word.startswith('--'):
            name = word
            chosen[name] = [word]
        else:
            chosen[name].append(word)
    return [word for words in chosen.values() for word in words]


class Posternd:
    def __init__(self, directory, *, config='', smtpd_processes=1, log_level='debug',
                 without_tls='loopback', auth='', **top):
        self.directory = pathlib.Path(directory)
        self.programs = {name: program(name) for name in ('posternd', 'posternctl')}
        self.config_path = self.directory / 'postern.conf'
        self.state_dir = self.directory / 'state'
        self.run_dir = self.directory / 'run'
        self.capture_dir = self.directory / 'capture'
        self.log_path = self.directory / 'log'
        self.socket_path = self.run_dir / 'control.sock'
        self.settings = {'hostname': 'relay.example', 'smtpd_processes': smtpd_processes, **top}
        self.without_tls, self.auth, self.log_level = without_tls, auth, log_level
        self.extra = config
        self.process = None
        # CI's build with sanitizers; the one without has the filter.
        self.expected_trouble = [re.compile(r'without a system call filter \(built with san')]
        self.environment = {}
        self.choose_ports()
        if IS_ROOT:
            make_accounts()

    def choose_ports(self):
        self.port, self.tls_port = free_ports(2)
        self.listeners = ', '.join(
            f'{{ address = "127.0.0.1"; ports = "{port}"; tls = "{tls}"; required = true; }}'
            for port, tls in ((self.port, 'starttls'), (self.tls_port, 'implicit')))

    # -- life --

    def write_config(self, extra=None):
        if extra is not None:
            self.extra = extra
        lines = [f'{key} = {json.dumps(value)};' for key, value in self.settings.items()]
        self.config_path.write_text('\n'.join(lines) + f'''
state_dir = "{self.state_dir}";
run_dir = "{self.run_dir}";
capture_dir = "{self.capture_dir}";
listeners = ( {self.listeners} );
auth = {{ without_tls = "{self.without_tls}"; {self.auth} }};
log = {{ target = "stderr"; level = "{self.log_level}"; }};
{self.extra}
''')

    def launch(self):
        self.write_config()
        with open(self.log_path, 'ab') as log:
            self.process = subprocess.Popen(
                [self.programs['posternd'], '-f', '-c', self.config_path],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory,
                env={**os.environ, **self.environment})
        wait_until(self.is_ready, 'posternd is ready')

    def start(self):
        """Another test may take a port between its choice and its use: then others are chosen."""
        for _ in range(3):
            try:
                self.launch()
                return self
            except PortTaken:
                self.choose_ports()
        raise RuntimeError(self.log())

    def is_ready(self):
        if self.process.poll() is not None:
            status, self.process = self.process.returncode, None
            taken = status == 71 and 'in use' in self.log()
            raise (PortTaken if taken else RuntimeError)(
                f'posternd ended with {status}:\n{self.log()}')
        try:
            return all(role['ready'] for role in self.get('/v1/status')['roles'])
        except CtlError:
            return False

    def stop(self, sig=signal.SIGTERM):
        """Ends it, and holds what the end and the log must look like."""
        if self.process is None:
            return
        process, self.process = self.process, None
        process.send_signal(sig)
        try:
            status = process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f'posternd did not end within {PATIENCE_S} s:\n{self.log()}')
        self.check_log()
        if sig != signal.SIGKILL:
            assert status == 0, f'posternd ended with {status}:\n{self.log()}'

    def tidy(self):
        """pytest keeps the directories of three runs; the reserve is most of what is in them."""
        (self.state_dir / 'reserve').unlink(missing_ok=True)

    def restart(self):
        self.stop()
        return self.start()

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
            self.tidy()
        elif self.process is not None:      # the test has failed already
            self.process.terminate()
            try:
                self.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            print(self.log()[-20000:])

    # -- the log --

    def log(self):
        return self.log_path.read_text('utf-8', 'replace') if self.log_path.exists() else ''

    def expect_trouble(self, pattern):
        """Lines of trouble that this test provokes."""
        self.expected_trouble.append(re.compile(pattern))

    def check_log(self):
        text = self.log()
        assert not SANITIZER_REPORT.search(text), text
        trouble = [line for line in text.splitlines() if TROUBLE.search(line)
                   and not any(pattern.search(line) for pattern in self.expected_trouble)]
        assert not trouble, '\n'.join(trouble)

    def settle_log(self):
        """The log's lines are written together, some milliseconds behind what they tell of."""
        if not self.log_path.exists():
            return
        until, size = time.monotonic() + 1, -1
        while size != (size := self.log_path.stat().st_size) and time.monotonic() < until:
            time.sleep(0.02)

    def matching(self, *parts):
        return [line for line in self.log().splitlines() if all(part in line for part in parts)]

    def log_lines(self, *parts):
        self.settle_log()
        return self.matching(*parts)

    def wait_for_log(self, *parts, count=1):
        return wait_until(lambda: len(found := self.matching(*parts)) >= count and found,
                          f'{count} lines of the log with {parts}')

    # -- posternctl --

    def run_ctl(self, *arguments, stdin=''):
        return subprocess.run(
            [self.programs['posternctl'], '-s', self.socket_path, *map(str, arguments)],
            input=stdin, capture_output=True, text=True, timeout=PATIENCE_S * 2)

    def ctl(self, *arguments, stdin=''):
        done = self.run_ctl('-j', *arguments, stdin=stdin)
        if done.returncode != 0:
            raise CtlError(done.returncode, done.stderr.strip())
        return json.loads(done.stdout)

    def get(self, path):
        """What the API answers; CtlError, too, where it doesn't."""
        try:
            with contextlib.closing(Api(self.socket_path)) as api:
                status, answer = api.ask('GET', path)
        except (OSError, http.client.HTTPException) as error:
            raise CtlError(None, str(error)) from error
        if status != 200:
            raise CtlError(None, answer['error']['message'])
        return answer

    def roles(self):
        """name → pid; several smtpds are smtpd0, smtpd1 …"""
        roles = self.get('/v1/status')['roles']
        return {f'smtpd{role["index"]}' if role['name'] == 'smtpd' else role['name']: role['pid']
                for role in roles}

    # -- accounts --

    def add_capture(self, name='capture', subdir='caught'):
        self.ctl('profile', 'add', name, '--capture', subdir, '--default')
        return self.capture_dir / subdir

    def add_upstream(self, host, name='upstream', *options, stdin=''):
        """A profile for a server of tests/lib/fakehost.py, the default one. Of an option that is there
        twice the last counts."""
        return self.ctl('profile', 'add', name, *last_of_each(
            ['--host', host.address, '--port', host.port, '--default', *options]), stdin=stdin)

    def add_user(self, login='shop', *options, list_name='web', stdin=''):
        """A user, with its list; the answer has the password."""
        if list_name not in [entry['name'] for entry in self.get('/v1/lists?limit=1000')]:
            self.ctl('list', 'add', list_name)
        return self.ctl('user', 'add', login, '--list', list_name, *options, stdin=stdin)

    # -- mail --

    def tls_context(self):
        """Trusts our CA, as a client that was set up with `posternctl tls ca`."""
        context = ssl.create_default_context(cadata=self.ctl('tls', 'ca')['certificate'])
        return context

    def client(self, user=None, *, tls='starttls', **options):
        """A smtplib client, logged in if a user is given."""
        if tls == 'implicit':
            client = smtplib.SMTP_SSL('localhost', self.tls_port, timeout=PATIENCE_S,
                                      context=self.tls_context(), **options)
        else:
            client = smtplib.SMTP('localhost', self.port, timeout=PATIENCE_S, **options)
            if tls == 'starttls':
                client.starttls(context=self.tls_context())
        if user is not None:
            client.login(user['login'], user['password'])
        return client

    def queued(self, *options):
        return self.ctl('queue', 'ls', *options)

    def wait_until_queue_is(self, count, *options):
        def is_so():
            if count >= 1000 or options:
                return len(self.queued(*options)) == count
            return len(self.get('/v1/messages?limit=1000')) == count
        return wait_until(is_so, f'{count} messages in the queue')

    def captured(self, directory, count=1):
        """Waits for so many files in a Maildir, and returns their bytes."""
        new = pathlib.Path(directory) / 'new'
        wait_until(lambda: new.is_dir() and len(list(new.iterdir())) >= count,
                   f'{count} messages in {new}')
        return [path.read_bytes() for path in sorted(new.iterdir())]
