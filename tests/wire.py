"""A wire to the database that can be cut: then nothing comes through, and nobody is told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit


class Wire:
    """Forwards connections on this machine to a database.

    Args:
        database_url: where it is; by a Unix socket, too.
    """

    def __init__(self, database_url: str) -> None:
        self._there = urlsplit(database_url)
        self._whole = asyncio.Event()
        self._whole.set()
        self._ends: set[asyncio.StreamWriter] = set()
        self.url = ""
        """Address of the database by this wire."""

    def cut(self) -> None:
        """Let nothing through; connections stay, and new ones are taken and not answered."""
        self._whole.clear()

    def mend(self) -> None:
        """Let through again, what waited first."""
        self._whole.set()

    @contextlib.asynccontextmanager
    async def laid(self) -> AsyncIterator["Wire"]:
        """Lay the wire meanwhile."""
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        login = self._there.netloc.rpartition("@")[0]
        self.url = self._there._replace(netloc=f"{login}@127.0.0.1:{port}", query="").geturl()
        try:
            yield self
        finally:
            server.close()
            for end in self._ends:
                end.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ends.add(writer)
        await self._whole.wait()
        query = parse_qs(self._there.query)
        if "host" in query:
            path = f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}"
            there = await asyncio.open_unix_connection(path)
        else:
            there = await asyncio.open_connection(self._there.hostname, self._there.port or 5432)
        self._ends.add(there[1])
        await asyncio.gather(self._forward(reader, there[1]), self._forward(there[0], writer))

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while some := await reader.read(65_536):
                await self._whole.wait()
                writer.write(some)
                await writer.drain()
            await self._whole.wait()
        writer.close()
