"""What is refused leaves nothing in the blob store: no file of it, and no long part."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.sessions.errors import IdConflict, SessionError, TooMany, TooManyTurns
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.requests import CreateSession, ForkSession, MessageBody, RewindSession
from perdure.temporal.sessions.scopes import EVERYTHING
from perdure.temporal.sessions.service import Sessions
from perdure.workflows.core.state.inbox import MAX_QUEUED
from perdure.workflows.session import SessionWorkflow
from tests.support.pictures import picture
from tests.support.session_lab import Lab, Play, Talk, ends, lab_on

pytestmark = pytest.mark.server

ANN = Principal("lab", "ann", EVERYTHING)


def bulky(word: str) -> list[dict[str, Any]]:
    """Parts of which both are stored, other ones for each word."""
    data = base64.b64encode(picture("PNG", (len(word), 1))).decode()
    return [
        {"type": "text", "text": word * 50_000},
        {"type": "file", "uri": f"data:image/png;base64,{data}", "media_type": "image/png", "name": "a.png"},
    ]


def create(session_id: str, word: str) -> CreateSession:
    body = {"agent": "helper", "session_id": session_id, "message": {"message_id": "m1", "parts": bulky(word)}}
    return CreateSession.model_validate(body)


@asynccontextmanager
async def serving(server: DevServer, folder: Path, **settings: Any) -> AsyncIterator[tuple[Lab, Sessions]]:
    async with lab_on(server, folder, **settings) as lab:
        parts = lab.parts
        yield (
            lab,
            Sessions(lab.client, parts.settings, parts.blobs, parts.definitions, lab.live, limits=lab.limits),
        )


def talk(lab: Lab, workflow_id: str) -> Talk:
    return Talk(lab, lab.client.get_workflow_handle_for(SessionWorkflow.run, workflow_id))


async def stored(lab: Lab) -> set[str]:
    """What sessions keep, whichever they are."""
    return set(await lab.parts.blobs.keys("lab"))


async def test_an_id_that_is_taken(temporal_server: DevServer, tmp_path: Path) -> None:
    async with serving(temporal_server, tmp_path) as (lab, service):
        made = await service.start(ANN, create("taken", "one"))
        await talk(lab, made.workflow_id).until(ends)
        before = await stored(lab)
        # The long text and the picture, at least.
        assert len([key for key in before if key.startswith("lab/taken/")]) >= 2
        with pytest.raises(IdConflict):
            await service.start(ANN, create("taken", "other"))
        with pytest.raises(IdConflict):
            await service.start(Principal("lab", "bob", EVERYTHING), create("taken", "third"))
        again = await service.start(ANN, create("taken", "one"))
        assert (again.is_new, await stored(lab)) == (False, before)

        session, said = service.open(ANN, "taken"), MessageBody.model_validate({"parts": bulky("fourth")})
        with pytest.raises(IdConflict):
            await session.send(said.neutral_parts(), "m1")
        assert await stored(lab) == before


async def test_a_queue_that_is_full(temporal_server: DevServer, tmp_path: Path) -> None:
    async with serving(temporal_server, tmp_path) as (lab, service):
        gate = asyncio.Event()
        lab.stage.plays = [Play("one", gate=gate)]
        made = await service.start(ANN, CreateSession.model_validate({"agent": "helper", "message": "hello"}))
        running = talk(lab, made.workflow_id)
        await running.streamed("one")
        for number in range(MAX_QUEUED):
            await running.send(f"{number}", f"q{number}")
        await running.until(lambda events: sum(one.type == "message.queued" for one in events) >= MAX_QUEUED)
        before = await stored(lab)
        with pytest.raises(TooMany):
            await service.open(ANN, made.session_id).send(
                MessageBody.model_validate({"parts": bulky("word")}).neutral_parts(), "late"
            )
        assert await stored(lab) == before
        gate.set()
        await running.close()


async def test_a_turn_too_many(temporal_server: DevServer, tmp_path: Path) -> None:
    async with serving(temporal_server, tmp_path, turns_per_tenant=1) as (lab, service):
        idle = await service.start(ANN, create("idle", "one"))
        await talk(lab, idle.workflow_id).until(ends)
        gate = asyncio.Event()
        lab.stage.plays = [Play("one", gate=gate)]
        async with asyncio.timeout(30):
            # The place of the turn that has ended is free a moment later.
            while (busy := await busy_one(service)) is None:
                pass
        await talk(lab, busy).streamed("one")
        session, before = service.open(ANN, "idle"), await stored(lab)
        said = MessageBody.model_validate({"parts": bulky("other")})
        for refused in (
            service.start(ANN, create("new", "other")),
            session.send(said.neutral_parts(), "m2"),
            session.rewind(RewindSession.model_validate({"message_id": "m1", "parts": bulky("other")})),
            session.fork(ForkSession(turn_id="t1", text="x" * 100_000)),
        ):
            with pytest.raises(TooManyTurns):
                await refused
        assert await stored(lab) == before
        gate.set()
        await talk(lab, busy).close()


async def busy_one(service: Sessions) -> str | None:
    try:
        made = await service.start(ANN, CreateSession.model_validate({"agent": "helper", "message": "hello"}))
    except SessionError:
        return None
    return made.workflow_id
