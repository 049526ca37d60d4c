"""The sink, and the two relays that are put before it: postern, and Debian's Postfix."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import procs

# What a relay's environment has in addition, so that its flushes take longer.
SLOW_DISK = {}


def slow_disk(build, flush_ms):
    """For the relays that are started from now on."""
    library = f"{build}/tests/bench/slowsync.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library,
                    os.path.join(os.path.dirname(os.path.abspath(__file__)), "slowsync.c")], check=True)
    disk = f"{build}/tests/bench/slowsync.disk"
    with open(disk, "wb") as file:
        file.write(bytes(8))
    os.chmod(disk, 0o666)
    SLOW_DISK.update({"LD_PRELOAD": library, "SLOWSYNC_MS": str(flush_ms), "SLOWSYNC_DISK": disk})


USER, PASSWORD = "bench", "a long password for the bench"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_banner(port, limit_s=20):
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as conn:
                if conn.recv(512).startswith(b"220"):
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"nothing answers on port {port}")


def run_quietly(words, **more):
    """Into a file: a daemon that stays would hold a pipe open."""
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(words, stdout=output, stderr=output, text=True, timeout=60, **more)
        if done.returncode != 0:
            output.seek(0)
            raise RuntimeError(f"{' '.join(words)}: {output.read()}")


class Sink:
    def __init__(self, build, *options):
        self.process = subprocess.Popen(
            [f"{build}/tests/bench/smtpsink", *map(str, options)], stdout=subprocess.PIPE, text=True,
            env={**os.environ, **(SLOW_DISK if "--flush" in options else {})})
        self.port = int(self.process.stdout.readline().partition("=")[2])
        self.conn = socket.create_connection(("127.0.0.1", self.port))
        self.file = self.conn.makefile("rw", newline="")
        self.file.readline()

    def ask(self, verb):
        self.file.write(verb + "\r\n")
        self.file.flush()
        return self.file.readline()

    def reset(self):
        self.ask("XRESET")

    def counts(self):
        words = self.ask("XSTAT").split()[1:]
        return {key: int(value) for key, value in (word.split("=") for word in words)}

    def wait_for(self, unique, limit_s):
        until = time.monotonic() + limit_s
        counts = self.counts()
        while counts["unique"] < unique and time.monotonic() < until:
            time.sleep(0.02)
            counts = self.counts()
        return counts

    def close(self):
        self.process.terminate()
        self.process.wait(10)


class Postern:
    name = "postern"

    # all clients come from one address and are one user
    LIMITS = "limits = { connections_per_client = 0; connections_per_user = 0; };"

    def __init__(self, build, directory, sink_port, connections=20, ports=None, more=LIMITS, profile=()):
        """`ports` on all addresses instead of one that is free on loopback, `more` options, those of
        the `profile`."""
        self.directory = directory
        self.port = int(ports.split("-")[-1]) if ports else free_port()
        address = "*" if ports else "127.0.0.1"
        os.makedirs(directory)
        self.socket = f"{directory}/run/control.sock"
        self.words = [f"{build}/posternctl", "-s", self.socket]
        config = f"{directory}/postern.conf"
        with open(config, "w") as file:
            file.write(f'''hostname = "relay.bench.example";
state_dir = "{directory}/state";
run_dir = "{directory}/run";
capture_dir = "{directory}/capture";
listeners = ( {{ address = "{address}"; ports = "{ports or self.port}"; tls = "starttls"; }} );
trusted = ( {{ network = "127.0.0.0/8"; user = "{USER}"; }} );
log = {{ target = "stderr"; level = "info"; }};
{more}
''')
        self.log = open(f"{directory}/log", "w")
        self.command = [f"{build}/posternd", "-f", "-c", config]
        if os.geteuid() == 0:
            self.command = self.as_nobody(self.command)
        self.start()
        wait_for_banner(self.port)
        self.ctl("list", "add", "bench")
        self.add_user(USER)
        if "--tls" not in profile:
            profile = ("--tls", "none", *profile)
        self.ctl("profile", "add", "sink", "--host", "127.0.0.1", "--port", sink_port,
                 "--auth", "none", "--connections", connections, "--default", *profile)

    def ctl(self, *words, **more):
        run_quietly(self.words + [str(word) for word in words], **more)

    def add_user(self, login, *options):
        self.ctl("user", "add", login, "--list", "bench", "--password-stdin", *options,
                 input=PASSWORD + "\n")

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log,
                                        env={**os.environ, **SLOW_DISK})

    def as_nobody(self, words):
        """Root would need the accounts of an installation."""
        shutil.chown(self.directory, "nobody")
        return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                "--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service"] + words

    def roots(self):
        return [self.process.pid]

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def close(self):
        self.stop()
        self.log.close()


MAIN_CF = '''compatibility_level = 3.6
myhostname = relay.bench.example
mydestination =
local_recipient_maps =
inet_interfaces = loopback-only
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
queue_directory = {dir}/queue
data_directory = {dir}/data
relayhost = [127.0.0.1]:{sink_port}
default_process_limit = 200
default_destination_concurrency_limit = {connections}
initial_destination_concurrency = {connections}
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_message_rate_limit = 0
smtpd_client_recipient_rate_limit = 0
smtpd_client_new_tls_session_rate_limit = 0
smtpd_client_auth_rate_limit = 0
in_flow_delay = 0
message_size_limit = 104857600
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject
smtpd_tls_security_level = may
smtpd_tls_cert_file = {dir}/cert.pem
smtpd_tls_key_file = {dir}/key.pem
smtpd_tls_auth_only = yes
smtp_tls_security_level = none
smtpd_sasl_auth_enable = {has_sasl}
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtputf8_enable = no
alias_maps =
alias_database =
import_environment = MAIL_CONFIG MAIL_LOGTAG TZ LANG=C {environment}
'''

MASTER_CF = '''127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - {connections} smtp
relay unix - - n - {connections} smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
'''

DOVECOT_CONF = '''base_dir = {dir}/dovecot
log_path = {dir}/dovecot.log
ssl = no
protocols =
auth_mechanisms = plain login
auth_cache_size = 1M
disable_plaintext_auth = no
passdb {{
  driver = passwd-file
  args = {dir}/passwd
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}}
service auth {{
  unix_listener {dir}/queue/private/auth {{
    mode = 0666
  }}
}}
'''


class Postfix:
    name = "postfix"

    def __init__(self, build, directory, sink_port, connections=20, ports=None, more="", services=""):
        """`ports` on all addresses instead of one that is free on loopback, `more` options, and
        `services` of master.cf."""
        self.directory = directory
        self.port = int(ports.split("-")[-1]) if ports else free_port()
        address = "*" if ports else "127.0.0.1"
        for part in ("queue/private", "data", "conf", "dovecot"):
            os.makedirs(f"{directory}/{part}", exist_ok=True)
        shutil.chown(f"{directory}/data", "postfix")
        shutil.chown(f"{directory}/queue/private", "postfix")
        self.make_certificate()
        self.has_sasl = shutil.which("dovecot") is not None
        values = {"dir": directory, "port": self.port, "sink_port": sink_port,
                  "connections": connections, "has_sasl": "yes" if self.has_sasl else "no",
                  "environment": " ".join(f"{name}={value}" for name, value in SLOW_DISK.items())}
        for name, text, last in (("conf/main.cf", MAIN_CF, more), ("conf/master.cf", MASTER_CF, services),
                                 ("dovecot.conf", DOVECOT_CONF, "")):
            with open(f"{directory}/{name}", "w") as file:
                file.write(text.format(**values) + last)
        with open(f"{directory}/passwd", "w") as file:
            file.write(f"{USER}:{{PLAIN}}{PASSWORD}\n")
        run_quietly(["postfix", "-c", f"{directory}/conf", "check"])
        if self.has_sasl:
            run_quietly(["dovecot", "-c", f"{directory}/dovecot.conf"])
        run_quietly(["postfix", "-c", f"{directory}/conf", "start"])
        wait_for_banner(self.port)

    def make_certificate(self):
        run_quietly(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-nodes", "-subj", "/CN=relay.bench.example", "-days", "2",
                     "-keyout", f"{self.directory}/key.pem", "-out", f"{self.directory}/cert.pem"])

    def pid_in(self, path):
        with open(f"{self.directory}/{path}") as file:
            return int(file.read())

    def roots(self):
        pids = [self.pid_in("queue/pid/master.pid")]
        if self.has_sasl:
            pids.append(self.pid_in("dovecot/master.pid"))
        return pids

    def close(self):
        pids = procs.tree(self.roots())
        for root in self.roots():
            os.kill(root, signal.SIGTERM)
        until = time.monotonic() + 15
        while any(os.path.exists(f"/proc/{pid}") for pid in pids) and time.monotonic() < until:
            time.sleep(0.05)
