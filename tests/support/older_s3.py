"""An S3 server that does not know conditional puts, as older ones do not: a relay before a real one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.s3 import S3

_REFUSED = b"<Error><Code>NotImplemented</Code><Message>A header you provided is not known</Message></Error>"


@asynccontextmanager
async def older_s3(s3: S3) -> AsyncIterator[tuple[str, list[str]]]:
    """Its endpoint, and the requests that it has passed on, as in `PUT /bucket/key`."""
    host, _, port = s3.endpoint.removeprefix("http://").partition(":")
    passed: list[str] = []

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # One request a connection: the relay then needs to know no lengths.
            head = await reader.readuntil(b"\r\n\r\n")
            if b"if-none-match:" in head.lower():
                writer.write(b"HTTP/1.1 501 Not Implemented\r\nconnection: close\r\n")
                writer.write(b"content-length: %d\r\n\r\n%s" % (len(_REFUSED), _REFUSED))
                await writer.drain()
                return
            passed.append(head.partition(b" HTTP/")[0].decode())
            there_reader, there_writer = await asyncio.open_connection(host, int(port))
            there_writer.write(head.replace(b"\r\n", b"\r\nconnection: close\r\n", 1))
            up = asyncio.create_task(_pump(reader, there_writer))
            await _pump(there_reader, writer)
            up.cancel()
            there_writer.close()
        finally:
            writer.close()

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", passed
    finally:
        server.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
