"""The proxy of a deployment: the shipped Caddyfile, before gateways of this machine."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from tests.support.needs import missing
from tests.support.ports import free_port
from tests.support.until_ready import until_ready

_CADDYFILE: Final = Path(__file__).parents[2] / "temporal" / "app" / "deploy" / "Caddyfile"


class Proxy:
    """A Caddy of its own process that can be killed and started again."""

    def __init__(
        self, folder: Path, gateways: Sequence[str], instead: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """`instead`: what to write in place of words of the file."""
        self.url = f"http://127.0.0.1:{free_port()}"
        #: For people on its machine.
        self.inner_url = f"http://127.0.0.1:{free_port()}"
        ours = _CADDYFILE.read_text()
        head, found, _ = ours.partition("\n# Temporal's Web UI")
        upstreams = " ".join(urlsplit(url).netloc for url in gateways)
        file = head.replace("gateway-1:8000 gateway-2:8000", upstreams).replace("\n{$SITE::8000} {", f"\n{self.url} {{")
        file = file.replace("http://localhost:8081, http://127.0.0.1:8081 {", f"{self.inner_url} {{")
        assert found
        assert upstreams in file
        assert self.url in file
        assert self.inner_url in file
        for words, others in instead.items():
            assert words in file
            file = file.replace(words, others)
        self._file = folder / "Caddyfile"
        self._file.write_text(file)
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Returns once it serves."""
        program = caddy()
        self._process = await asyncio.create_subprocess_exec(
            *(program, "run", "--config", str(self._file), "--adapter", "caddyfile"),
            env={"HOME": str(self._folder)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._reading = await until_ready(self._process, b"serving initial configuration")

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
            await self._reading


def caddy() -> str:
    """The program; skips the test where there is none."""
    program = shutil.which("caddy")
    if program is None:
        missing("caddy")
    assert program is not None
    return program


@asynccontextmanager
async def proxy(
    folder: Path, gateways: Sequence[str], instead: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[Proxy]:
    server = Proxy(folder, gateways, instead)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()
