"""A real Redis for tests: a process of its own that can be killed, frozen and started again."""

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis.asyncio import Redis as Client

from tests.support.freezing import freeze
from tests.support.needs import missing
from tests.support.ports import free_port
from tests.support.until_ready import until_ready


class Redis:
    """A `redis-server` on a free port of loopback, which keeps nothing on disk."""

    def __init__(self, folder: Path, *options: str) -> None:
        """`options` are the server's own, as in `--requirepass x`."""
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._options = options
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self.client = Client.from_url(self.url)

    async def start(self) -> None:
        """Returns once it serves."""
        program = shutil.which("redis-server")
        if program is None:
            missing("redis-server")
        assert program is not None
        self._process = await asyncio.create_subprocess_exec(
            program,
            *("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self._folder)),
            *("--save", "", "--appendonly", "no", "--enable-debug-command", "local", *self._options),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._reading = await until_ready(self._process, b"Ready to accept connections")

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            # Also ends one that is frozen.
            self._process.kill()
            await self._process.wait()
            await self._reading
            await self.client.connection_pool.disconnect()

    def freeze(self) -> None:
        assert self._process is not None
        freeze(self._process.pid)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def ask(self, *command: str | int) -> Any:
        return await self.client.execute_command(*command)  # type: ignore[no-untyped-call]


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for `localhost` that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "server.pem", folder / "server.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return files


@asynccontextmanager
async def redis_server(folder: Path, *options: str) -> AsyncIterator[Redis]:
    server = Redis(folder, *options)
    await server.start()
    try:
        yield server
    finally:
        await server.client.aclose()
        await server.kill()
