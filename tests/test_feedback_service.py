"""Feedback in real sessions: repeats, refusals, further runs, sealed parts, a fork and the end."""

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
import pytest_asyncio
from pydantic import ValidationError

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.live.protocols import Nowhere
from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.errors import Forbidden, InvalidRequest, NoWorker, SessionClosed, SessionNotFound
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.requests import CreateSession, FeedbackBody, ForkSession
from perdure.temporal.sessions.service import Sessions
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.events import FeedbackGiven
from tests.support.session_lab import Lab, Play, Talk, ends, lab_on

pytestmark = pytest.mark.server

ANN = Principal.trusted("lab", "ann")
#: Of which a few turns are worth sealing.
LONG = "word " * 3_000


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with lab_on(temporal_server, tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def service(lab: Lab) -> Sessions:
    parts = lab.parts
    return Sessions(lab.client, parts.settings, parts.blobs, parts.definitions, Nowhere(), continue_as_new_after=50)


def body(turn_id: str, score: float, text: str | None = None) -> FeedbackBody:
    return FeedbackBody(turn_id=turn_id, score=score, text=text)


async def test_feedback_stays_with_its_turn_whatever_becomes_of_the_session(lab: Lab, service: Sessions) -> None:
    lab.stage.plays = [Play(LONG) for _ in range(8)]
    created = await service.start(ANN, CreateSession.model_validate({"agent": "helper", "message": "hello"}))
    talk = Talk(lab, lab.client.get_workflow_handle_for(SessionWorkflow.run, created.workflow_id))
    session = service.open(ANN, created.session_id)
    first_run = (await talk.handle.describe()).run_id
    await talk.until(ends)

    cursor = await session.give_feedback(body("t1", -1, "It says too much."))
    (told,) = (await session.events(cursor)).events
    assert isinstance(told, FeedbackGiven)
    assert (told.turn_id, told.score, told.text, told.by) == ("t1", -1, "It says too much.", ANN.by)
    assert await session.give_feedback(body("t1", -1, "It says too much.")) == told.seq
    for turn_id in ("t2", "m1"):
        with pytest.raises(InvalidRequest, match="turn_id: is no turn"):
            await session.give_feedback(body(turn_id, 1))

    for number in range(2, 9):
        await talk.turn(f"again {number}")
    await session.give_feedback(body("t8", 1))
    page = await session.events(0)
    assert page.sealed and page.sealed[0].last > told.seq
    assert (await talk.handle.describe()).run_id != first_run
    assert {one.turn_id: one.score for one in (await session.facts()).feedback} == {"t1": -1, "t8": 1}
    # What was given in a part that is sealed by now is still known.
    seq = (await session.facts()).seq
    assert await session.give_feedback(body("t1", -1, "It says too much.")) == seq
    given = [event async for event in session.all_events() if isinstance(event, FeedbackGiven)]
    assert [(event.turn_id, event.score) for event in given] == [("t1", -1), ("t8", 1)]

    forked = service.open(ANN, (await session.fork(ForkSession(turn_id="t2"))).session_id)
    assert [one.turn_id for one in (await forked.facts()).feedback] == ["t1"]
    await forked.give_feedback(body("t2", 1))
    with pytest.raises(InvalidRequest):
        await forked.give_feedback(body("t3", 1))

    assert await session.close()
    await talk.handle.result()
    with pytest.raises(SessionClosed):
        await session.give_feedback(body("t1", 1))
    assert {one.turn_id: one.score for one in (await session.facts()).feedback} == {"t1": -1, "t8": 1}


async def test_only_whoever_may_write_gives_feedback(lab: Lab, service: Sessions) -> None:
    lab.stage.plays = [Play("Hello.")]
    created = await service.start(ANN, CreateSession.model_validate({"agent": "helper", "message": "hello"}))
    talk = Talk(lab, lab.client.get_workflow_handle_for(SessionWorkflow.run, created.workflow_id))
    await talk.until(ends)
    reader = Principal("lab", "ann", ("session:read",))
    with pytest.raises(Forbidden):
        await service.open(reader, created.session_id).give_feedback(body("t1", 1))
    with pytest.raises(SessionNotFound):
        await service.open(Principal.trusted("other", "bob"), created.session_id).give_feedback(body("t1", 1))

    # As where a worker is older than the gateway.
    backend, newer = Backend(lab.client, lab.parts.settings), cast(Any, "of_a_newer_version")
    with pytest.raises(NoWorker, match="older version"):
        await backend.query(created.workflow_id, newer, "t1")


@pytest.mark.parametrize("score", [float("nan"), float("inf"), True, "1", None, 10**400])
def test_a_score_is_a_finite_number(score: object) -> None:
    with pytest.raises(ValidationError) as refused:
        FeedbackBody.model_validate({"turn_id": "t1", "score": score})
    assert {error["loc"] for error in refused.value.errors()} == {("score",)}


@pytest.mark.parametrize("text", ["", " \n", "x" * 4_001, 7])
def test_a_text_says_something_and_is_not_too_long(text: object) -> None:
    with pytest.raises(ValidationError) as refused:
        FeedbackBody.model_validate({"turn_id": "t1", "score": 1, "text": text})
    assert {error["loc"] for error in refused.value.errors()} == {("text",)}
