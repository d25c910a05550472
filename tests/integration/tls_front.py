"""Speaks TLS to clients of PostgreSQL and hands on what is inside, a process of its own.

The server that comes along is built without TLS. `python -m tests.integration.tls_front PORT
SERVER_PORT CERTIFICATE KEY`.
"""

import asyncio
import contextlib
import ssl
import sys

from tradepulse.embedded.ports import HOST

_TLS_REQUEST = bytes.fromhex("0000000804d2162f")


async def serve(port: int, server_port: int, context: ssl.SSLContext) -> None:
    """Serve for ever."""

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            # who asks for anything else is a client without TLS
            if await reader.readexactly(len(_TLS_REQUEST)) == _TLS_REQUEST:
                writer.write(b"S")
                await writer.start_tls(context)
                inside, out = await asyncio.open_connection(HOST, server_port)
                await asyncio.gather(_pass_on(reader, out), _pass_on(inside, writer))
        writer.close()

    server = await asyncio.start_server(session, HOST, port)
    await server.serve_forever()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


if __name__ == "__main__":
    given = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    given.load_cert_chain(sys.argv[3], sys.argv[4])
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), given))
