"""What our parser reads in From:, others must read as well.

Thousands of values are put together from the pieces that parsers trip over. For each value that
PROGRAM accepts (print_addresses: the parser of smtpd), Python's two parsers and a pattern of the kind that
scripts use must find the same addresses or none: a value in which they find another one would let a
user past the sender authorization.

    addresses.py PROGRAM
"""

import email
import email.policy
import email.utils
import random
import re
import subprocess
import sys

COUNT = 100000
SEED = 20260301
PIECES = [
    b"a", b"b", b"a@b.example", b"x@y.example", b"c.example", b"<a@b.example>", b"<x@y.example>",
    b"@", b"<", b">", b'"', b" ", b"\t", b"\r\n ", b"(", b")", b"\\", b",", b";", b":", b".",
    b"[", b"]", b"[192.0.2.1]", b'"a b"', b'"x@y.example"', b'"Doe, John"', b"John", b"(c)",
    b"(x@y)", b"=?utf-8?Q?J=C3=B6rg?=", b"=?utf-8?B?PHhAeT4=?=",
    b"=?utf-8?Q?=3Cx=40y.example=3E?=", b"=?", b"?=", b"\xe9", b"\xc3\xb6", b"@c.example:",
    b"T:", b"'", b"|",
]


def random_values():
    rng = random.Random(SEED)
    return [b"".join(rng.choice(PIECES) for _ in range(rng.randint(1, 9))) for _ in range(COUNT)]


def read_by_us(program, values):
    done = subprocess.run([program], input=b"".join(v + b"\0" for v in values),
                          stdout=subprocess.PIPE, check=True, timeout=120)
    lines = done.stdout.decode().split("\n")[:-1]
    assert len(lines) == len(values)
    return [{plain(a) for a in line.split("\t")} if line else set() for line in lines]


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


def read_by_registry(value):
    try:
        message = email.message_from_bytes(b"From: " + value + b"\r\n\r\n",
                                           policy=email.policy.default)
        return {plain(a.addr_spec) for a in message["From"].addresses if "@" in a.addr_spec}
    except (AttributeError, IndexError, TypeError, ValueError, email.errors.MessageError):
        return set()  # it gave up: no other address


def read_by_utils(value):
    text = value.decode("utf-8", "surrogateescape")
    return {plain(a) for _, a in email.utils.getaddresses([text]) if "@" in a}


def read_by_pattern(value):
    text = value.decode("utf-8", "surrogateescape")
    return {plain(a) for a in re.findall(r"<([^<>\s]+@[^<>\s]+)>", text)}


def main(program):
    values = random_values()
    accepted = [(v, ours) for v, ours in zip(values, read_by_us(program, values)) if ours]
    different = 0
    for value, ours in accepted:
        for reader in (read_by_registry, read_by_utils, read_by_pattern):
            theirs = reader(value)
            if theirs - ours:
                print(f"{value!r}: we read {ours}, {reader.__name__} {theirs}")
                different += 1
    print(f"{len(values)} values, {len(accepted)} accepted, {different} read differently")
    # too few accepted values would show nothing
    return 0 if different == 0 and len(accepted) > COUNT // 100 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
