"""Clients of every protocol whose connections drop at random bytes, again and again: each ends with what an undisturbed
client has, and no event comes twice, or not at all."""

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from perdure.gateway.app import create_app
from perdure.gateway.http.connections import Bounds, protocol
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.server.client import connect
from perdure.temporal.settings import Settings
from tests.support.cut_lines import Frame, Line, Refused
from tests.support.cut_readers import AgUiReader, AiSdkReader, NativeReader, OpenAiReader, Reader
from tests.support.fitful_model import FitfulModel
from tests.support.serving import serve
from tests.support.session_lab import Lab, open_lab

pytestmark = [pytest.mark.server, pytest.mark.slow]

READERS: tuple[type[Reader], ...] = (NativeReader, AiSdkReader, AgUiReader, OpenAiReader)
BOUNDS = Bounds(head_s=30, body_s=30, body_rate=1024, connections=1000)
#: Of each protocol; and how many of them at least while the answer streams.
DROPS, LIVE_DROPS = 1000, 400
#: Drops after which the gateway is another one, which knows of nobody.
RESTART_EACH = 60


class Gateway:
    """One that is replaced by another again and again."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._app = self._new()

    def _new(self) -> FastAPI:
        parts = self._lab.parts
        return create_app(
            client=self._lab.client,
            live=self._lab.live,
            blobs=parts.blobs,
            definitions=parts.definitions,
            settings=parts.settings,
        )

    def restart(self) -> None:
        """Whoever reads is cut off."""
        self._app.state.watches.cut()
        self._app = self._new()

    def stop(self) -> None:
        self._app.state.watches.cut()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


class Drops:
    """Counts them, and lets the model go on with each."""

    def __init__(self, model: FitfulModel, gateway: Gateway, port: int) -> None:
        self.all: Counter[type[Reader]] = Counter()
        self.live: Counter[type[Reader]] = Counter()
        self._model = model
        self._gateway = gateway
        self._port = port

    @property
    def enough(self) -> bool:
        return all(self.all[one] >= DROPS and self.live[one] >= LIVE_DROPS for one in READERS)

    async def read(self, reader: Reader, goes_on: asyncio.Event, seed: str) -> None:
        """Drops `reader`'s connections until one of them brings the end. `goes_on` is set while the answer streams."""
        chance, longest = random.Random(f"{seed} {type(reader).__name__}"), 600
        while not reader.over:
            line = Line()
            far = 14_000 if chance.random() < 0.2 else 1_000
            cut, still = chance.randrange(int(longest * 1.3) if reader.replays else far), chance.uniform(0.01, 0.15)
            reset = chance.random() < 0.3
            try:
                await listen(reader, line.frames(self._port, reader.request, cut, still=still, reset=reset))
            except Refused as refused:
                if refused.is_for_now:
                    # Its gateway or worker cannot keep up with so many who come again.
                    await asyncio.sleep(0.2)
                    continue
                reader.refused(refused)
            reader.ended(line)
            longest = max(longest, line.came)
            if not reader.over:
                self._count(type(reader), live=goes_on.is_set())

    def _count(self, kind: type[Reader], *, live: bool) -> None:
        self._model.go_on()
        self.all[kind] += 1
        self.live[kind] += live
        if sum(self.all.values()) % (RESTART_EACH * len(READERS)) == 0:
            self._gateway.restart()


async def listen(reader: Reader, frames: AsyncGenerator[Frame]) -> None:
    async with aclosing(frames):
        async for frame in frames:
            reader.take(frame)
            if reader.over and reader.endless:
                break


async def undisturbed(port: int, reader: Reader) -> Reader:
    while not reader.over:
        line = Line()
        try:
            await listen(reader, line.frames(port, reader.request))
        except Refused as refused:
            if not refused.is_for_now:
                reader.refused(refused)
            await asyncio.sleep(0.05)
            continue
        reader.ended(line)
        assert reader.over
    return reader


def reader(kind: type[Reader], session: str, *, made: bool, breaks: bool) -> Reader:
    return OpenAiReader(session, made=made, whole=not breaks) if kind is OpenAiReader else kind(session, made=made)


async def an_answer(drops: Drops, steady: int, number: int, *, breaks: bool) -> None:
    """A session that a client of one protocol begins, and clients of all of them read."""
    first = READERS[number // 2 % len(READERS)]
    goes_on = asyncio.Event()
    goes_on.set()
    begins = reader(first, f"s{uuid.uuid4().hex}", made=False, breaks=breaks)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(drops.read(begins, goes_on, f"{number} begins"))
        await begins.heard.wait()
        session = begins.session
        there = [
            tasks.create_task(undisturbed(steady, reader(kind, session, made=True, breaks=breaks))) for kind in READERS
        ]
        readers = [reader(kind, session, made=True, breaks=breaks) for kind in READERS]
        for one in readers:
            tasks.create_task(drops.read(one, goes_on, f"{number} live"))
        await asyncio.wait(there)
        goes_on.clear()
    late = [reader(kind, session, made=True, breaks=breaks) for kind in READERS]
    for one in late:
        await drops.read(one, goes_on, f"{number} late")
    for task, *others in zip(there, readers, late, strict=True):
        whole = task.result()
        if type(whole) is first:
            others.append(begins)
        for other in others:
            assert other.told == whole.told


async def test_whoever_is_dropped_anywhere_has_everything_once(temporal_server: DevServer, tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path, graceful_shutdown_s=0)
    client = await connect(settings, address=temporal_server.address)
    model = FitfulModel()
    async with (
        open_lab(client, tmp_path, settings, model) as lab,
        served(lab) as (_, steady),
        served(lab) as (gateway, port),
    ):
        drops = Drops(model, gateway, port)
        while not drops.enough:
            # In every other answer attempts of the model break off, and others follow.
            model.breaks = model.seed % 2 == 1
            await an_answer(drops, steady, model.seed, breaks=model.breaks)
            model.seed += 1


@asynccontextmanager
async def served(lab: Lab) -> AsyncIterator[tuple[Gateway, int]]:
    gateway = Gateway(lab)
    async with serve(gateway, http=protocol(BOUNDS)) as port:
        yield gateway, port
        gateway.stop()
