"""A backlog of several users before an upstream that is slower, and single messages beside it."""
import random
import smtplib
import subprocess
import threading
import time

import rigs

USECS = 1_000_000


def now_us():
    """The clock of smtpsink's log."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def fill(build, rig, word, messages, size=1024, user=None, limit_s=300):
    """Their Message-IDs begin with the word."""
    words = [f"{build}/tests/bench/smtpgen", "--port", str(rig.port), "--run", word, "--sessions", "20",
             "--messages", str(messages), "--size", str(size), "--per-connection", "0", "--pipelining",
             "--seconds", str(limit_s)]
    if user is not None:
        words += ["--auth", "plain", "--user", user, "--password", rigs.PASSWORD]
    done = subprocess.run(words, capture_output=True, text=True)
    result = dict(line.split("=", 1) for line in done.stdout.splitlines())
    if int(result["accepted"]) != messages:
        raise RuntimeError(f"{rig.name} took {result['accepted']} of {messages}: {result.get('problem')}")
    return float(result["seconds"])


class Singles(threading.Thread):
    """Sends one message every so often, not by the beat, and knows when each was accepted."""

    def __init__(self, rig, word, every_s, seconds, user=None, header="", size=1024):
        super().__init__(daemon=True)
        self.rig, self.word, self.every_s, self.seconds = rig, word, every_s, seconds
        self.user, self.header = user, header
        self.body = (("x" * 76 + "\r\n") * (size // 78 + 1))[:size]
        self.accepted = {}      # Message-ID -> when
        self.start()

    def run(self):
        with smtplib.SMTP("127.0.0.1", self.rig.port, local_hostname="bench.example", timeout=60) as client:
            client.ehlo()
            if self.user is not None:
                client.login(self.user, rigs.PASSWORD)
            begun = time.monotonic()
            for number in range(int(self.seconds / self.every_s)):
                due = begun + (number + random.random() / 2) * self.every_s
                time.sleep(max(0, due - time.monotonic()))
                self.send(client, f"{self.word}.{number}@bench.example")

    def send(self, client, message_id):
        text = (f"From: <sender@bench.example>\r\nTo: <single@bench.example>\r\nSubject: single\r\n"
                f"Message-ID: <{message_id}>\r\n{self.header}\r\n{self.body}\r\n")
        client.sendmail("sender@bench.example", ["single@bench.example"], text)
        self.accepted[message_id] = now_us()


def taken(path):
    """What a sink's log has: (microseconds, Message-ID) in their order."""
    with open(path) as file:
        lines = [line.split() for line in file if line.endswith("\n")]
    return sorted((int(at), message_id) for at, message_id in lines)


def wait_for(path, message_ids, limit_s):
    """Until the sink has taken all of them, or the time is over."""
    until = time.monotonic() + limit_s
    while time.monotonic() < until and not set(message_ids) <= {name for _, name in taken(path)}:
        time.sleep(0.2)
    return dict((name, at) for at, name in taken(path))


def quantile(values, part):
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]
