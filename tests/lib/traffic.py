#!/usr/bin/env python3
"""traffic - load for tests that break things: clients that note what they were promised, and an
upstream that notes what it took.

Both run as processes of their own, so that a test can go on beside them:

    with Upstream(directory) as upstream, Clients(directory, port, …) as clients:
        …                                   # break something
        clients.finish()
        account = Account(clients, upstream)

Each message has a Message-ID of its own. A client that is refused for the moment or loses its
connection begins a new message; it never sends one a second time. So what was promised (250 to
the final dot) must reach the upstream once for each recipient, and what was not may.
"""
import argparse
import asyncio
import base64
import hashlib
import json
import pathlib
import random
import re
import signal
import subprocess
import sys
import time

SENDER = 'sender@load.example'
TRUSTED_ADDRESS = '127.0.0.2'       # where the sessions without AUTH come from
REPLY_WITHIN_S = 60                 # longer than any deadline between the roles
STREAM_LIMIT = 64 << 20
LATER = 'later'                     # a recipient that the upstream takes at the second attempt
NEVER = 'never'                     # one that it refuses: its sender gets a failure notice
DELAYED = re.compile(rb'^Action: *delayed', re.M | re.I)
NOTICE = re.compile(rb'^Final-Recipient: *rfc822; *(\S+)', re.M | re.I)


def make_body(mid, size):
    """Lines that differ from message to message, some of which begin with a dot."""
    line = f'{mid} {"x" * 58}\r\n'.encode()
    block = line * 15 + b'.' + line
    return (block * (size // len(block) + 1))[:max(size, 2) - 2].replace(b'\r', b'').replace(
        b'\n', b'\r\n') + b'\r\n'


# ---- the upstream's process ----

class Sink:
    def __init__(self, record):
        self.record = record
        self.put_off = set()
        self.connections = 0

    async def data(self, reader):
        wire = await reader.readuntil(b'\r\n.\r\n')
        return (b'\r\n' + wire[:-3]).replace(b'\r\n.', b'\r\n')[2:]

    def take(self, content, recipients):
        """Records a message: its id, its body's digest, whom it served, and its From."""
        taken = self.describe(content, recipients)
        self.record.write(json.dumps([time.monotonic(), *taken]) + '\n')

    def describe(self, content, recipients):
        header, _, body = content.partition(b'\r\n\r\n')
        if recipients == [SENDER]:
            kind = 'delay' if DELAYED.search(body) else 'notice'
            return None, None, [f'{kind}.{name.decode()}' for name in NOTICE.findall(body)], ''
        fields = dict(line.partition(b':')[::2] for line in header.split(b'\r\n'))
        mid = fields[b'Message-ID'].strip(b' <>').decode()
        return mid, hashlib.sha1(body).hexdigest(), recipients, fields[b'From'].decode()

    def answer_rcpt(self, address, recipients):
        if address.startswith(NEVER):
            return b'550 5.1.1 Nobody\r\n'
        if address.startswith(LATER) and address not in self.put_off:
            self.put_off.add(address)
            return b'451 4.7.1 Later\r\n'
        recipients.append(address)
        return b'250 2.1.5 Ok\r\n'

    async def session(self, reader, writer):
        """Every second one takes chunks."""
        recipients, content = [], bytearray()
        self.connections += 1
        chunking = b'250-CHUNKING\r\n' if self.connections % 2 else b''
        writer.write(b'220 sink.example ESMTP\r\n')
        while line := await reader.readline():
            verb = line[:4].upper()
            reply = b'250 2.0.0 Ok\r\n'
            if verb == b'EHLO':
                reply = (b'250-sink.example\r\n250-PIPELINING\r\n250-SIZE 0\r\n'
                         b'250-ENHANCEDSTATUSCODES\r\n' + chunking + b'250 8BITMIME\r\n')
            elif verb in (b'MAIL', b'RSET'):
                recipients, content = [], bytearray()
            elif verb == b'RCPT':
                reply = self.answer_rcpt(line[line.index(b'<') + 1:line.index(b'>')].decode(),
                                         recipients)
            elif verb == b'DATA' and not recipients:
                reply = b'554 5.5.1 No valid recipients\r\n'
            elif verb == b'DATA':
                writer.write(b'354 Go on\r\n')
                self.take(await self.data(reader), recipients)
            elif verb == b'BDAT':
                size, *last = line.split()[1:]
                content += await reader.readexactly(int(size))
                if not recipients:
                    reply = b'503 5.5.1 No valid recipients\r\n'
                elif last:
                    self.take(bytes(content), recipients)
                if last or not recipients:
                    content = bytearray()
            elif verb == b'QUIT':
                writer.write(b'221 2.0.0 Bye\r\n')
                return
            writer.write(reply)

    async def serve(self, reader, writer):
        try:
            await self.session(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def run_sink(options):
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    with open(options.record, 'w', buffering=1) as record:
        sink = Sink(record)
        server = await asyncio.start_server(sink.serve, '127.0.0.1', 0, limit=STREAM_LIMIT)
        print(server.sockets[0].getsockname()[1], flush=True)
        await stop.wait()


# ---- the clients' process ----

class Refused(Exception):
    pass


class Session:
    """One client: connects, sends some messages, leaves, connects again."""

    def __init__(self, load, number):
        self.load, self.number, self.count = load, number, 0
        self.is_trusted = number % 2 == 1
        self.random = random.Random(f'{load.options.seed} {number}')

    async def reply(self):
        code = None
        while True:
            line = await asyncio.wait_for(self.reader.readline(), REPLY_WITHIN_S)
            if not line:
                raise ConnectionError
            code = int(line[:3])
            if line[3:4] != b'-':
                self.load.longest_s = max(self.load.longest_s, time.monotonic() - self.asked_at)
                if code >= 400:
                    raise Refused(line.decode().strip())
                return code

    async def command(self, line):
        self.asked_at = time.monotonic()
        self.writer.write(line + b'\r\n')
        return await self.reply()

    async def connect(self):
        source = (TRUSTED_ADDRESS, 0) if self.is_trusted else None
        self.asked_at = time.monotonic()
        self.reader, self.writer = await asyncio.open_connection(
            '127.0.0.1', self.load.options.port, local_addr=source)
        await self.reply()
        await self.command(b'EHLO client.example')
        if not self.is_trusted:
            token = base64.b64encode(
                f'\0{self.load.options.user}\0{self.load.options.password}'.encode())
            await self.command(b'AUTH PLAIN ' + token)

    def make_message(self):
        self.count += 1
        mid = f'{self.number}.{self.count}@load.example'
        sizes = self.load.sizes
        low, high = sizes[1 if self.random.random() < self.load.options.large else 0]
        body = make_body(mid, self.random.randint(low, high))
        recipients = [f'a.{mid}']
        if self.random.random() < 0.5:
            kind = self.random.choices(['b', LATER, NEVER], [8, 2, 1])[0]
            recipients.append(f'{kind}.{mid}')
        return mid, body, recipients

    async def transaction(self):
        mid, body, recipients = self.make_message()
        await self.command(f'MAIL FROM:<{SENDER}>'.encode())
        for address in recipients:
            await self.command(b'RCPT TO:<' + address.encode() + b'>')
        await self.command(b'DATA')
        self.load.note('sent', mid, hashlib.sha1(body).hexdigest(), recipients)
        header = f'Message-ID: <{mid}>\r\nFrom: <{SENDER}>\r\n\r\n'.encode()
        self.writer.write((header + body).replace(b'\r\n.', b'\r\n..') + b'.\r\n')
        await self.writer.drain()
        self.asked_at = time.monotonic()
        await self.reply()
        self.load.note('promised', mid)

    async def visit(self):
        await self.connect()
        try:
            for _ in range(self.random.randint(1, 30)):
                if self.load.is_stopping:
                    break
                await self.transaction()
                await asyncio.sleep(self.random.uniform(0, self.load.options.pause))
            await self.command(b'QUIT')
        finally:
            self.writer.close()

    async def run(self):
        while not self.load.is_stopping:
            try:
                await self.visit()
            except Refused as refusal:
                self.load.refuse(str(refusal))
            except (ConnectionError, asyncio.IncompleteReadError):
                self.load.refuse('lost')
            except asyncio.TimeoutError:
                self.load.refuse('000 no reply in time')
            else:
                continue
            await asyncio.sleep(0.02)


class Load:
    def __init__(self, options, record):
        self.options, self.record = options, record
        small, large = options.small.split('-'), options.sizes.split('-')
        self.sizes = [tuple(int(number) for number in pair) for pair in (small, large)]
        self.is_stopping = False
        self.longest_s = 0.0
        self.refusals = {}

    def note(self, *what):
        self.record.write(json.dumps([time.monotonic(), *what]) + '\n')

    def refuse(self, text):
        self.note('refused', text)
        self.refusals[text] = self.refusals.get(text, 0) + 1

    def stop(self):
        self.is_stopping = True


async def run_clients(options):
    with open(options.record, 'w', buffering=1) as record:
        load = Load(options, record)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, load.stop)
        await asyncio.gather(*(Session(load, i).run() for i in range(options.sessions)))
    print(json.dumps({'refusals': load.refusals, 'longest_s': load.longest_s}), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('part', choices=['sink', 'clients'])
    parser.add_argument('--record', required=True)
    parser.add_argument('--port', type=int)
    parser.add_argument('--seed', default='')
    parser.add_argument('--sessions', type=int, default=6)
    parser.add_argument('--pause', type=float, default=0.03, help='at most, between messages')
    parser.add_argument('--small', default='1024-10240')
    parser.add_argument('--sizes', default='102400-1048576', help='of large messages')
    parser.add_argument('--large', type=float, default=0.05, help='share of large messages')
    parser.add_argument('--user')
    parser.add_argument('--password')
    options = parser.parse_args()
    asyncio.run(run_sink(options) if options.part == 'sink' else run_clients(options))


# ---- the test's side ----

class Process:
    def __init__(self, directory, part, *arguments):
        self.path = pathlib.Path(directory) / part
        self.process = subprocess.Popen(
            [sys.executable, __file__, part, '--record', self.path, *map(str, arguments)],
            stdout=subprocess.PIPE, text=True)
        self.offset, self.lines = 0, []

    def events(self):
        """All that was recorded so far."""
        if self.path.exists():
            with open(self.path) as file:
                file.seek(self.offset)
                for line in file:
                    if not line.endswith('\n'):
                        break
                    self.lines.append(json.loads(line))
                    self.offset += len(line)
        return self.lines

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
        output, _ = self.process.communicate(timeout=REPLY_WITHIN_S * 2)
        return output

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


class Upstream(Process):
    def __init__(self, directory):
        super().__init__(directory, 'sink')
        self.address = '127.0.0.1'
        self.port = int(self.process.stdout.readline())


class Clients(Process):
    def __init__(self, directory, port, user, seed, **settings):
        options = [part for key, value in settings.items() for part in (f'--{key}', value)]
        super().__init__(directory, 'clients', '--port', port, '--seed', seed,
                         '--user', user['login'], '--password', user['password'], *options)
        self.result = None

    def promised(self):
        return sum(event[1] == 'promised' for event in self.events())

    def refused(self, beginning):
        return sum(event[1] == 'refused' and event[2].startswith(beginning)
                   for event in self.events())

    def finish(self):
        self.result = json.loads(self.end())
        return self.result


class Account:
    """What was promised held against what arrived."""

    def __init__(self, clients, upstream):
        self.promised = set()
        self.digests, recipients = {}, {}
        for event in clients.events():
            if event[1] == 'sent':
                self.digests[event[2]], recipients[event[2]] = event[3:]
            elif event[1] == 'promised':
                self.promised.add(event[2])
        self.wanted = {f'notice.{address}' if address.startswith(NEVER) else address
                       for mid in self.promised for address in recipients[mid]}
        # Address → times; an address has its message's id in it, also that of a failure notice.
        self.taken = {}
        self.damaged = []
        self.senders = set()    # what stood in From
        for at, mid, digest, addresses, sender in upstream.events():
            if mid is not None:
                self.senders.add(sender.strip())
            if mid is not None and self.digests.get(mid) != digest:
                self.damaged.append(mid)
            for address in addresses:
                self.taken.setdefault(address, []).append(at)

    def lost(self):
        return sorted(self.wanted - set(self.taken))

    def duplicates(self):
        """(address, first time, second time)"""
        return [(address, first, second) for address, times in self.taken.items()
                for first, second in zip(times, times[1:])]


if __name__ == '__main__':
    main()
