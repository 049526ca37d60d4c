"""Whom our header scan finds as senders, nobody else may find others in what we send on.

Thousands of headers are put together from lines that readers disagree on: fields in odd cases,
blanks before the colon, folds, lines that are no fields, fields that come twice. PROGRAM
(print_headers) says what smtpd makes of each and writes it as it would leave. In what was written,
Python's two parsers and a plain reading by lines must find no sender that smtpd didn't find; what
smtpd found and they didn't, a row of DIFFERENCES explains.

    headers.py PROGRAM
"""

import email
import email.policy
import random
import re
import sys

from readers import Table, addresses_of, plain, read_by_utils, run

COUNT = 10000
SEED = 20260302
FIELDS = ("from", "sender")
LINES = [
    b"From: a@b.example", b"From: <a@b.example>", b"From: x@y.example", b"FROM: x@y.example",
    b"From : x@y.example", b"From\t:x@y.example", b"From:x@y.example", b"From:",
    b"From:\r\n x@y.example", b"From: a@b.example,\r\n\tx@y.example", b"From: T: a@b.example;",
    b"From: \r\n \r\n x@y.example", b"From\r\n : x@y.example", b"From x: y@z.example",
    b"From a@b.example Mon Mar  1 00:00:00 2026", b">From: x@y.example", b"From\xa0: x@y.example",
    b"From;: x@y.example", b"\xe2\x80\x8bFrom: x@y.example", b"From: J\xc3\xb6rg <a@b.example>",
    b"From: =?utf-8?Q?x=40y.example?= <a@b.example>", b"From: \"x@y.example\" <a@b.example>",
    b"Sender: a@b.example", b"Sender: x@y.example", b"SENDER : x@y.example", b"Sender:",
    b"Resent-From: a@b.example", b"Resent-Sender: x@y.example", b"resent-from: x@y.example",
    b"Subject: x", b"Subject: x\r\n From: x@y.example", b"X:\r\n\tFrom: x@y.example", b"X: y",
    b"X: a\x0bFrom: x@y.example", b"X: a\x0cFrom: x@y.example", b"X: a\x85From: x@y.example",
    b"X: a\xe2\x80\xa8From: x@y.example", b"X: a\x1cFrom: x@y.example", b"X-From: x@y.example",
    b" From: x@y.example", b"\tx@y.example", b" ", b"\t ", b"no colon", b": nothing", b":",
    b"X Y: z", b"Content-Type: message/rfc822", b"Content-Type: multipart/mixed; boundary=\"b\"",
    b"--b", b"MIME-Version: 1.0", b"", b"Received: from x by y; From: x@y.example",
]


def random_messages(rng):
    bodies = (b"", b"From: x@y.example\r\n\r\n", b"text\r\n", b"--b\r\nFrom: x@y.example\r\n\r\n")
    return [b"\r\n".join(rng.choice(LINES) for _ in range(rng.randint(1, 7))) + b"\r\n" +
            rng.choice((b"\r\n", b"")) + rng.choice(bodies) for _ in range(COUNT)]


def ours_of(text):
    """Outcome and addresses for senders of both kinds."""
    kinds = [kind.split("\t") for kind in text.split("|")]
    return [(kind[0], {plain(a) for a in kind[1:]}) for kind in kinds]


def read_by_us(program, messages):
    answers = run(program, messages).split(b"\0")[:-1]
    assert len(answers) == len(messages)
    pairs = [answer.split(b"\n", 1) for answer in answers]
    return [(ours_of(line.decode()), written) for line, written in pairs]


def by_kind(fields):
    """Addresses by the name of the field → From:, Sender:."""
    found = {name: set() for name in FIELDS}
    for name, addresses in fields:
        found[name] |= addresses
    return [found["from"], found["sender"]]


def read_by_old_parser(written):
    message = email.message_from_bytes(written)
    return by_kind((name.lower(), read_by_utils(str(value).encode("utf-8", "surrogateescape")))
                   for name, value in message.items() if name.lower() in FIELDS)


def read_by_new_parser(written):
    message = email.message_from_bytes(written, policy=email.policy.default)
    found = []
    for name, value in message.raw_items():
        if name.lower() not in FIELDS:
            continue
        try:
            found.append((name.lower(), addresses_of(
                email.policy.default.header_fetch_parse(name, value))))
        except (AttributeError, IndexError, TypeError, ValueError, email.errors.MessageError):
            pass        # it gave up: no other address
    return by_kind(found)


def read_by_lines(written):
    """Up to the first line without anything, folds undone, blanks before the colon allowed."""
    header = re.sub(rb"\r\n(?=[ \t])", b"", written.split(b"\r\n\r\n", 1)[0])
    found = []
    for line in header.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        name = name.rstrip(b" \t").lower().decode("latin-1")
        if colon and name in FIELDS:
            found.append((name, read_by_utils(value)))
    return by_kind(found)


READERS = (read_by_old_parser, read_by_new_parser, read_by_lines)

DIFFERENCES = [
    ("blank before the colon",
     lambda reader, written: reader is not read_by_lines and
     re.search(rb"(?mi)^(from|sender)[ \t]+:", written),
     "obsolete (RFC 5322 4.5), and no field to Python; smtpd holds it against the rules as one"),
]


def check(table, written, ours, reader, theirs):
    """The number of differences that nothing explains."""
    wrong = 0
    for (outcome, addresses), others in zip(ours, theirs):
        if outcome in ("unparsable", "several"):
            continue                    # a restricted user's message ends here
        extra, missing = others - addresses, addresses - others
        if not extra and (not missing or table.explains(reader, written)):
            continue
        wrong += 1
        print(f"{written!r}: we read {outcome} {addresses}, {reader.__name__} {others}")
    return wrong


def main(program):
    rng = random.Random(SEED)
    table, wrong, parsed = Table(DIFFERENCES), 0, 0
    for ours, written in read_by_us(program, random_messages(rng)):
        parsed += ours[0][0] == "parsed"
        for reader in READERS:
            if wrong < 20:
                wrong += check(table, written, ours, reader, reader(written))
    print(f"{COUNT} headers, {parsed} with one From: that was read, {wrong} read differently; "
          "explained:")
    return 0 if table.report() == 0 and wrong == 0 and parsed > COUNT // 10 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
