"""A raw HTTP server on loopback that records the heads of requests."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field


@dataclass
class Catcher:
    """Records the head of each request, and answers with an error, or with a redirect."""

    heads: list[str] = field(default_factory=list)
    to: str | None = None
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            length = next(
                (int(line[15:]) for line in head.lower().split("\r\n") if line.startswith("content-length:")), 0
            )
            await reader.readexactly(length)
            there = f"307 Temporary Redirect\r\nLocation: {self.to}/v1/elsewhere" if self.to else "400 Bad Request"
            writer.write(f"HTTP/1.1 {there}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
        writer.close()
