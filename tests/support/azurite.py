"""Azure's blob storage for tests: Azurite, Microsoft's server for that, as a process of its own."""

import asyncio
import base64
import hashlib
import hmac
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Final

import httpx2

from tests.support.needs import missing
from tests.support.ports import free_ports

#: Azurite's own, known to everybody.
ACCOUNT: Final = "devstoreaccount1"
KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_PROGRAM: Final = Path(__file__).parent.parent / "clients" / "node_modules" / ".bin" / "azurite-blob"
_VERSION: Final = "2021-08-06"


@asynccontextmanager
async def azurite(folder: Path) -> AsyncIterator[str]:
    """Its endpoint."""
    if not _PROGRAM.exists() or shutil.which("node") is None:
        missing("azurite (npm install --prefix tests/clients)")
    (port,) = free_ports(1)
    process = await asyncio.create_subprocess_exec(
        *(_PROGRAM, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", folder, "--skipApiVersionCheck"),
        "--disableTelemetry",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            async for line in process.stdout:
                if b"successfully listen" in line:
                    break
            else:
                raise AssertionError("azurite did not start")
        reading = asyncio.create_task(process.stdout.read())
        yield f"http://127.0.0.1:{port}/{ACCOUNT}"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    await reading


async def make_container(endpoint: str, name: str) -> None:
    date = format_datetime(datetime.now(UTC), usegmt=True)
    # https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key: what is empty here is not sent.
    signed = (
        "PUT" + "\n" * 12 + f"x-ms-date:{date}\nx-ms-version:{_VERSION}\n/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
    )
    signature = base64.b64encode(hmac.digest(base64.b64decode(KEY), signed.encode(), hashlib.sha256)).decode()
    headers = {"x-ms-date": date, "x-ms-version": _VERSION, "Authorization": f"SharedKey {ACCOUNT}:{signature}"}
    async with httpx2.AsyncClient() as http:
        made = await http.put(f"{endpoint}/{name}?restype=container", headers={**headers, "Content-Length": "0"})
    made.raise_for_status()
