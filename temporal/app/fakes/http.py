"""HTTP as the fake provider writes it."""

import asyncio
import json
from typing import Any


def parted(target: str, host: str) -> tuple[str, str]:
    """The host and the path of a request's target."""
    if target.startswith("/"):
        return host, target
    address = target.partition("://")[2]
    named, _, path = address.partition("/")
    return named, f"/{path}"


def chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(b"%x\r\n%b\r\n" % (len(data), data))


async def respond(
    writer: asyncio.StreamWriter, status: int, body: Any, headers: tuple[tuple[str, str], ...] = ()
) -> bool:
    data = json.dumps(body).encode()
    lines = [("content-type", "application/json"), ("content-length", str(len(data))), *headers]
    head = "".join(f"{name}: {value}\r\n" for name, value in lines)
    writer.write(f"HTTP/1.1 {status} -\r\n{head}\r\n".encode() + data)
    await writer.drain()
    return True
