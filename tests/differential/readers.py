"""Other people's readers of addresses, and what is common to the comparisons with them."""

import email
import email.policy
import email.utils
import re
import subprocess


def run(program, values):
    """What a program of ours says to values that end in NUL, cut at `\\0` or at line ends."""
    done = subprocess.run([program], input=b"".join(v + b"\0" for v in values),
                          stdout=subprocess.PIPE, check=True, timeout=120)
    return done.stdout


def plain(address):
    """Without quotes, the domain as A-labels in lower case."""
    local, _, domain = address.rpartition("@")
    if local.startswith('"'):
        local = re.sub(r"\\(.)", r"\1", local[1:-1])
    domain = domain.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    try:
        domain = domain.encode("idna").decode()
    except UnicodeError:
        pass
    return local + "@" + domain.lower()


def addresses_of(field):
    """Of a header object of Python's newer parser."""
    try:
        return {plain(a.addr_spec) for a in field.addresses if "@" in a.addr_spec}
    except (AttributeError, IndexError, TypeError, ValueError):
        return set()


def read_by_registry(value):
    """Python's newer parser, which follows the grammar and keeps what doesn't fit as defects."""
    try:
        message = email.message_from_bytes(b"From: " + value + b"\r\n\r\n",
                                           policy=email.policy.default)
        return addresses_of(message["From"])
    except (AttributeError, IndexError, TypeError, ValueError, email.errors.MessageError):
        return set()  # it gave up: no other address


def read_by_utils(value):
    """Python's older one, which scans for what looks like an address."""
    text = value.decode("utf-8", "surrogateescape")
    return {plain(a) for _, a in email.utils.getaddresses([text]) if "@" in a}


def read_by_pattern(value):
    """The kind of pattern that scripts use."""
    text = value.decode("utf-8", "surrogateescape")
    return {plain(a) for a in re.findall(r"<([^<>\s]+@[^<>\s]+)>", text)}


READERS = (read_by_registry, read_by_utils, read_by_pattern)


class Table:
    """Kinds of differences: rows of name, test and reason; each must come up."""

    def __init__(self, rows):
        self.rows, self.seen = rows, {name: 0 for name, _, _ in rows}

    def explains(self, *case):
        for name, test, _ in self.rows:
            if test(*case):
                self.seen[name] += 1
                return True
        return False

    def report(self):
        """Prints the table; the number of rows that nothing fits any more."""
        for name, _, reason in self.rows:
            print(f"{self.seen[name]:7} {name}: {reason}")
        return sum(count == 0 for count in self.seen.values())
