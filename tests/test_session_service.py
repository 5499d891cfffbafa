"""The session service without HTTP, as shared by the gateway, the command line and schedules."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.live.protocols import Nowhere
from perdure.temporal.sessions.content import content_sha256
from perdure.temporal.sessions.errors import (
    AlreadyAnswered,
    IdConflict,
    InvalidRequest,
    SessionClosed,
    SessionError,
    SessionNotFound,
    TimerNotFound,
)
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.requests import AnswerBody, ConfigureSession, CreateSession, ForkSession
from perdure.temporal.sessions.service import Sessions
from perdure.workflows.definition.agent import Limits
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.parts import Text
from tests.support.session_lab import Lab, Play, Talk, ends, lab_on

pytestmark = pytest.mark.server

ANN, BOB = Principal.trusted("lab", "ann"), Principal.trusted("other", "bob")
HI = (Text(text="hi"),)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with lab_on(temporal_server, tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def service(lab: Lab) -> Sessions:
    parts = lab.parts
    return Sessions(lab.client, parts.settings, parts.blobs, parts.definitions, Nowhere())


def talk(lab: Lab, workflow_id: str) -> Talk:
    return Talk(lab, lab.client.get_workflow_handle_for(SessionWorkflow.run, workflow_id))


async def test_a_session_from_its_start_to_its_end(lab: Lab, service: Sessions) -> None:
    lab.stage.plays = [Play("Hello."), Play("Again."), Play("Forked.")]
    created = await service.start(ANN, CreateSession.model_validate({"agent": "helper", "message": "hello"}))
    assert created.is_new
    await talk(lab, created.workflow_id).until(ends)

    session = service.open(ANN, created.session_id)
    sent = await session.send(HI)
    assert (sent.status, sent.position, sent.sha256) == ("working", None, content_sha256(HI))
    events = await talk(lab, created.workflow_id).until(lambda events: ends(events, 2))
    assert (await session.events(sent.cursor)).events == tuple(events[sent.cursor :])

    await session.configure(ConfigureSession(metadata={"ticket": 7}))
    await session.limit(Limits.model_validate({"turn": {"steps": 3}}))
    snapshot, said = await session.snapshot(), (await session.pages())[1]
    assert (snapshot.page.user, snapshot.page.metadata, snapshot.page.limits.turn.steps) == ("ann", {"ticket": 7}, 3)
    assert snapshot.messages == said
    assert [message.role for message in said] == ["user", "assistant"] * 2
    assert [step.record.turn_id async for step in session.steps()] == ["t1", "t2"]

    forked = await session.fork(ForkSession(turn_id="t2", text="or not"))
    _, said = await service.open(ANN, forked.session_id).pages()
    assert [message.parts for message in said if message.role == "user"] == [
        (Text(text="hello"),),
        (Text(text="or not"),),
    ]

    assert [await session.close(), await session.close()] == [True, False]
    for refused in (session.send(HI), session.stop(), session.limit(Limits())):
        with pytest.raises(SessionClosed):
            await refused
    assert (await session.erase()).complete
    with pytest.raises(SessionNotFound):
        await session.receipt()


async def test_a_repeat_finds_what_was_made_and_other_content_is_refused(lab: Lab, service: Sessions) -> None:
    request = CreateSession(agent="plain", session_id="twice")
    assert [(await service.start(ANN, request)).is_new for _ in range(2)] == [True, False]
    with pytest.raises(IdConflict):
        await service.start(ANN, CreateSession(agent="plain", session_id="twice", user="eve"))
    with pytest.raises(InvalidRequest, match="agent: is not known; there are: "):
        await service.start(ANN, CreateSession(agent="nobody"))

    session = service.open(ANN, "twice")
    first = await session.send(HI, "m1")
    assert (await session.send(HI, "m1")).cursor == first.cursor
    with pytest.raises(IdConflict):
        await session.send((Text(text="other"),), "m1")


async def test_nobody_reaches_another_tenant_s_session(lab: Lab, service: Sessions) -> None:
    created = await service.start(ANN, CreateSession(agent="plain"))
    theirs = service.open(BOB, created.session_id)
    for reached in (
        theirs.receipt(),
        theirs.send(HI),
        theirs.stop(),
        theirs.answer(AnswerBody(question_id="q", approved=True)),
        theirs.configure(ConfigureSession(metadata={})),
        theirs.limit(Limits()),
        theirs.fork(ForkSession(turn_id="t1")),
        theirs.close(),
        theirs.events(),
        theirs.snapshot(),
        theirs.timers(),
        theirs.cancel_timer("t"),
        theirs.look(),
    ):
        with pytest.raises(SessionNotFound):
            await reached
    # Erasing a missing session succeeds, and affects no other session.
    assert (await theirs.erase()).runs == 0
    assert (await service.open(ANN, created.session_id).receipt()).status == "idle"


async def test_the_first_answer_counts(lab: Lab, service: Sessions) -> None:
    lab.stage.plays = [Play("", [("book", {"size": 2})]), Play("Booked.")]
    created = await service.start(ANN, CreateSession.model_validate({"agent": "helper", "message": "book it"}))
    session = service.open(ANN, created.session_id)
    await talk(lab, created.workflow_id).until(lambda events: events[-1].type == "approval.requested")
    (question,) = await session.questions()

    with pytest.raises(InvalidRequest, match="approved: is required"):
        await session.answer(AnswerBody(question_id=question.question_id))
    outcomes = await asyncio.gather(
        *(service.open(ANN, created.session_id).answer(_no(question.question_id)) for _ in range(2)),
        return_exceptions=True,
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, SessionError)]
    assert [type(one) for one in refused] == [AlreadyAnswered]
    events = await talk(lab, created.workflow_id).until(ends)
    (resolved,) = [event for event in events if event.type == "approval.resolved"]
    assert resolved.by is not None
    assert (resolved.approved, resolved.by.subject) == (False, "ann")
    with pytest.raises(InvalidRequest, match="question_id: is no question"):
        await session.answer(_no("never"))
    with pytest.raises(TimerNotFound):
        await session.cancel_timer("never")


def _no(question_id: str) -> AnswerBody:
    return AnswerBody(question_id=question_id, approved=False)


async def test_a_single_user_lists_no_budget_but_its_own(service: Sessions) -> None:
    single = Principal("lab", "ann", ("session:read",))
    assert [(one["scope"], one["id"]) for one in await service.budgets.newest(single, 10)] == [("user", "ann")]
