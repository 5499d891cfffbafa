"""The embedded Temporal server: the real dev server on a SQLite file, as a child of this process.

It lives in a session of its own, so that Ctrl-C in a terminal reaches only us, and we stop it last. If we are killed,
it stays behind; the next start on the same data directory ends it. Its output is in `temporal.log`.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Final, Self

import structlog
from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, UpdateNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from perdure.temporal.app.dev_server.database import check_database, truncate_log
from perdure.temporal.app.dev_server.leftover import end_leftovers
from perdure.temporal.app.dev_server.lock import DirectoryLock
from perdure.temporal.app.dev_server.ports import PortTaken, any_port, check_port, listen
from perdure.temporal.app.dev_server.program import HOST, ServerFailed, arguments, inherited, temporal_binary
from perdure.temporal.app.dev_server.web_ui import guarded_web_ui
from perdure.temporal.server.client import ensure_search_attributes
from perdure.temporal.settings import environment
from perdure.temporal.stores.private import FOLDER, opener, tighten
from perdure.temporal.telemetry.hidden_address import Address, hidden_address

log = structlog.get_logger(__name__)

NAMESPACE: Final = "default"

_START_S = 30.0
_STOP_S = 5.0
_PORT_S = 5.0
_LOG_LIMIT = 10 * 1024 * 1024
#: What a start needs at least for the database and its log.
_TRIAL_BYTES = 1024 * 1024
#: Seconds between one look at the database's log after an erase and the next.
_SCRUB_AGAIN_S = (1.0, 4.0, 15.0, 40.0)


class DevServer:
    """`async with DevServer(data_dir, port, ui_port) as server:` starts it, and returns once it answers.

    A port of 0 means any free one; `ui_port` None leaves the Web UI out, which else answers to localhost, IP addresses and
    `allowed_hosts`. `extra` goes to the server's command line.
    Entering raises `AlreadyRunning`, `PortTaken` or `ServerFailed`.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int = 7233,
        ui_port: int | None = 8233,
        *,
        retention_days: int = 30,
        allowed_hosts: Sequence[str] = (),
        extra: Sequence[str] = (),
    ) -> None:
        self._data_dir = data_dir.resolve()
        self._port = port
        self._ui_port = ui_port
        self._retention_days = retention_days
        self._allowed_hosts = tuple(allowed_hosts)
        self._extra = tuple(extra)
        self._held = ExitStack()
        self._hidden_ui: Address | None = None
        self._web_ui = AsyncExitStack()
        self._process: asyncio.subprocess.Process | None = None
        self._ended: asyncio.Task[int] | None = None
        self._stopping = False
        self._scrubbing: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        return f"{HOST}:{self._port}"

    @property
    def ui_url(self) -> str | None:
        return None if self._ui_port is None else f"http://{HOST}:{self._ui_port}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self._ended is not None and self._ended.done()

    @property
    def killed(self) -> bool:
        """Whether a signal has ended the process."""
        return self._ended is not None and self._ended.done() and self._ended.result() < 0

    async def died(self) -> int:
        """Returns the exit code when the server has ended by itself; while it is stopped by us, never."""
        assert self._ended is not None, "the server was not started"
        code = await asyncio.shield(self._ended)
        if self._stopping:
            await asyncio.get_running_loop().create_future()
        return code

    async def start_again(self) -> None:
        """After it has died: on the same data and ports. Raises `PortTaken` or `ServerFailed`."""
        # The Web UI's own port is held by the guard before it, which goes on.
        await self._free_ports(_PORT_S, ui=False)
        await self._spawn()
        await self._ready()

    async def __aenter__(self) -> Self:
        try:
            self._held.enter_context(DirectoryLock(self._data_dir))
            await asyncio.to_thread(self._prepare_directory)
        except OSError as error:
            self._held.close()
            raise ServerFailed(
                f"the data directory {self._data_dir} cannot be used: {error.strerror or error}; make room or let this "
                "user write there, or give another --data-dir"
            ) from error
        except BaseException:
            self._held.close()
            raise
        try:
            ended = await end_leftovers(self._database)
            await asyncio.to_thread(check_database, self._database)
            self._port = self._port or any_port(HOST)
            self._ui_port = any_port(HOST) if self._ui_port == 0 else self._ui_port
            await self._free_ports(_PORT_S if ended else 0)
            if self._ui_port is not None:
                await self._serve_ui(self._ui_port)
            await self._spawn()
            await self._ready()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._stop()

    @property
    def _database(self) -> Path:
        return self._data_dir / "temporal.db"

    @property
    def log_file(self) -> Path:
        return self._data_dir / "temporal.log"

    def _prepare_directory(self) -> None:
        """Takes away what an earlier version left open to others, of what is ours: the directory may hold other things,
        too. Raises OSError where it cannot be written."""
        if self._data_dir not in (Path.cwd(), Path.home()):
            self._data_dir.chmod(FOLDER)
        ours = ("lock", "addresses.json", "identity.json", "schedules.json", "blobs")
        for path in (*map(self._data_dir.joinpath, ours), *self._data_dir.glob("temporal.*")):
            tighten(path)
        trial = self._data_dir / "trial"
        try:
            with open(trial, "wb", opener=opener) as file:
                file.write(b"\0" * _TRIAL_BYTES)
        finally:
            trial.unlink(missing_ok=True)

    async def scrub(self) -> None:
        """Takes what was deleted out of the database's log: now, and again when the server is done with deletions that
        it has only put down so far."""
        await truncate_log(self._database)
        if self._scrubbing is not None:
            self._scrubbing.cancel()
        self._scrubbing = asyncio.create_task(self._scrub_later())

    async def _scrub_later(self) -> None:
        for wait in _SCRUB_AGAIN_S:
            await asyncio.sleep(wait)
            try:
                await truncate_log(self._database)
            except sqlite3.Error as error:
                log.warning("database.not_scrubbed", problem=str(error))

    async def _free_ports(self, within_s: float, *, ui: bool = True) -> None:
        # A server that was just killed may hold its ports for another moment.
        deadline = time.monotonic() + within_s
        while True:
            try:
                check_port(HOST, self._port, "--temporal-port")
                if ui and self._ui_port is not None:
                    check_port(HOST, self._ui_port, "--ui-port")
                return
            except PortTaken:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.05)

    async def _serve_ui(self, port: int) -> None:
        self._hidden_ui = hidden_address()
        if self._hidden_ui is None:
            raise ServerFailed("the Temporal Web UI finds no free port; end a `perdure dev` that you do not need")
        listener = self._web_ui.enter_context(listen(HOST, port, "--ui-port"))
        await self._web_ui.enter_async_context(guarded_web_ui(self._hidden_ui, listener, self._allowed_hosts))

    async def _spawn(self) -> None:
        if self.log_file.exists() and self.log_file.stat().st_size > _LOG_LIMIT:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        with open(self.log_file, "ab", opener=opener) as file:  # noqa: ASYNC230 - as quick as a file of this machine is
            # The server makes files of its own, and takes this over. What others make in this moment is private, too.
            before = os.umask(0o077)
            try:
                self._process = await asyncio.create_subprocess_exec(
                    str(temporal_binary()),
                    *arguments(self._database, self._port, self._hidden_ui, self._extra),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    env=inherited(environment()),
                    start_new_session=True,
                )
            finally:
                os.umask(before)
        self._ended = asyncio.create_task(self._process.wait())

    async def _ready(self) -> None:
        """Waits until the server answers, then gives its namespace our retention."""
        assert self._ended is not None
        deadline = time.monotonic() + _START_S
        while True:
            try:
                client = await Client.connect(self.address, namespace=NAMESPACE)
                await self._prepare(client)
                return
            except (RuntimeError, RPCError) as error:
                if self._ended.done():
                    raise ServerFailed(
                        f"the Temporal server ended with code {self._ended.result()} at its start:\n{self._log_end()}"
                    ) from None
                if time.monotonic() > deadline:
                    raise ServerFailed(
                        f"the Temporal server at {self.address} did not get ready within {_START_S:g} s: {error}\n"
                        f"{self._log_end()}"
                    ) from error
            await asyncio.sleep(0.02)

    async def _prepare(self, client: Client) -> None:
        service = client.workflow_service
        wanted = Duration(seconds=self._retention_days * 24 * 3600)
        described = await service.describe_namespace(DescribeNamespaceRequest(namespace=NAMESPACE))
        if described.config.workflow_execution_retention_ttl != wanted:
            update = UpdateNamespaceRequest(namespace=NAMESPACE)
            update.config.workflow_execution_retention_ttl.CopyFrom(wanted)
            await service.update_namespace(update)
        await ensure_search_attributes(client)

    def _log_end(self) -> str:
        return self.log_file.read_bytes()[-2000:].decode(errors="replace").strip()

    async def _stop(self) -> None:
        self._stopping = True
        if self._scrubbing is not None:
            self._scrubbing.cancel()
        try:
            if self._process is not None and self._ended is not None:
                await self._end(self._process, self._ended)
            # After the server, whose end is the end of what pages of the UI wait for.
            await self._web_ui.aclose()
        finally:
            self._held.close()

    async def _end(self, process: asyncio.subprocess.Process, ended: asyncio.Task[int]) -> None:
        try:
            if not ended.done():
                process.terminate()
            async with asyncio.timeout(_STOP_S):
                await asyncio.shield(ended)
        except TimeoutError:
            process.kill()
            await ended
        except BaseException:
            # Whoever cancels us in the middle must not leave a server behind.
            if not ended.done():
                process.kill()
            raise
