"""A mail server that takes everything and keeps nothing: `python -m bench.sink PORT`."""

from __future__ import annotations

import asyncio
import sys

REPLIES = {
    b"EHLO": b"250-sink\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 PIPELINING\r\n",
    b"HELO": b"250 sink\r\n",
    b"QUIT": b"221 bye\r\n",
}


class Sink(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.waiting, self.takes_text = transport, b"", False
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        while self.take():
            pass

    def take(self) -> bool:
        """Take one command, or one text to its end; False where more must come first."""
        end = b"\r\n.\r\n" if self.takes_text else b"\r\n"
        line, found, rest = self.waiting.partition(end)
        if not found:
            return False
        self.waiting = rest
        if self.takes_text:
            self.takes_text = False
            self.transport.write(b"250 taken\r\n")
            return True
        command = line[:4].upper()
        self.takes_text = command == b"DATA"
        self.transport.write(b"354 go on\r\n" if self.takes_text else REPLIES.get(command, OK))
        if command == b"QUIT":
            self.transport.close()
        return True


OK = b"250 ok\r\n"


async def serve(port: int) -> None:
    """Take mail until stopped."""
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
