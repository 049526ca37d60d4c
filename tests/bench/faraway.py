"""An upstream that is far away: each byte takes half of the round trip, and the way begins with one
that it takes to connect. What arrives is TLS; behind it stands the sink. It counts what it sees.

    faraway.py SINK_PORT ROUND_TRIP_MS CERTIFICATE KEY

It prints `port=N`, and answers each line of stdin with `connections=N handshakes=N full=N`. Behind TLS it is
a sink for any relay; it runs in a process of its own.
"""
import asyncio
import ssl
import sys


class Far:
    def __init__(self, sink_port, round_trip_ms):
        self.sink_port, self.half_s = sink_port, round_trip_ms / 2000
        self.connections = self.handshakes = self.full = 0
        self.inner_port = None

    async def carry(self, reader, writer):
        """In order, each piece later by half of the round trip."""
        loop = asyncio.get_running_loop()
        pieces = asyncio.Queue()

        async def write():
            while (piece := await pieces.get()) is not None:
                await asyncio.sleep(piece[0] + self.half_s - loop.time())
                if not piece[1]:
                    break
                writer.write(piece[1])
            writer.close()
        task = asyncio.create_task(write())
        try:
            while data := await reader.read(65536):
                pieces.put_nowait((loop.time(), data))
        except OSError:
            pass
        pieces.put_nowait((loop.time(), b""))
        await asyncio.gather(task, return_exceptions=True)

    async def on_far(self, reader, writer):
        self.connections += 1
        await asyncio.sleep(2 * self.half_s)
        inner = await asyncio.open_connection("127.0.0.1", self.inner_port)
        await asyncio.gather(self.carry(reader, inner[1]), self.carry(inner[0], writer))

    async def copy(self, reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
        except OSError:
            pass
        writer.close()

    async def on_secured(self, reader, writer):
        self.handshakes += 1
        self.full += not writer.get_extra_info("ssl_object").session_reused
        sink = await asyncio.open_connection("127.0.0.1", self.sink_port)
        await asyncio.gather(self.copy(reader, sink[1]), self.copy(sink[0], writer))

    async def run(self, certificate, key):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        inner = await asyncio.start_server(self.on_secured, "127.0.0.1", 0, ssl=context)
        self.inner_port = inner.sockets[0].getsockname()[1]
        outer = await asyncio.start_server(self.on_far, "127.0.0.1", 0)
        print(f"port={outer.sockets[0].getsockname()[1]}", flush=True)
        loop = asyncio.get_running_loop()
        while await loop.run_in_executor(None, sys.stdin.readline):
            print(f"connections={self.connections} handshakes={self.handshakes} full={self.full}",
                  flush=True)


async def main():
    sink_port, round_trip_ms, certificate, key = sys.argv[1:]
    await Far(int(sink_port), float(round_trip_ms)).run(certificate, key)


if __name__ == "__main__":
    asyncio.run(main())
