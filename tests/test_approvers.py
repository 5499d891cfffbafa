"""Who may allow a call: the roles that its definition names, and nobody who asked for it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from pydantic import ValidationError

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.live.protocols import Nowhere
from perdure.temporal.sessions.errors import Forbidden
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.requests import AnswerBody, CreateSession, EditMessageBody, RetryTurn, RewindSession
from perdure.temporal.sessions.scopes import EVERYTHING, OF_A_USER
from perdure.temporal.sessions.service import Sessions
from perdure.temporal.sessions.session import Session
from perdure.workflows.core.approvers import MOST_REQUESTERS, excluded, refusal, with_requester
from perdure.workflows.core.state.session import new_state
from perdure.workflows.definition.tools.options import Approval
from perdure.workflows.protocol.queries import SnapshotPage
from perdure.workflows.protocol.signals import BEHAVIOR, NewSession
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.parts import Text
from perdure.workflows.vocabulary.question_events import ApprovalRequested, ApprovalResolved
from perdure.workflows.vocabulary.questions import LOCAL, By, Question
from tests.support.session_lab import Lab, Play, Talk, ends, lab_on

ASKED = Question(question_id="q", kind="approval", roles=("finance", "boss"), not_by=("ann", "key:1"))
BACKEND = Principal("lab", None, EVERYTHING, actor="key:1")
ANN = Principal("lab", "ann", (*OF_A_USER, "finance"))
BOB = Principal("lab", "bob", (*EVERYTHING, "finance"))
EVE = Principal("lab", "eve", (*EVERYTHING, "sales"))
FOUR_EYES = "tools: [add: {approval: {by: [finance], not_by: requester}}]\nmodels: {main: {use: demo/stage}}"
FIRST = "t1.s1.c1.approval"


@pytest.mark.parametrize(
    ("by", "refused"),
    [
        (By(subject="bob", scopes=("session:approve", "boss")), None),
        (By(subject="bob", scopes=("session:approve:any",)), "roles may answer: finance, boss"),
        (By(subject="ann", scopes=("finance",)), "somebody else"),
        (By(subject="key:1", scopes=("finance",)), "somebody else"),
        (None, "somebody else"),
        (By(subject=LOCAL), None),
    ],
)
def test_who_may_answer(by: By | None, refused: str | None) -> None:
    found = refusal(ASKED, by)
    assert (found is None) if refused is None else (refused in (found or ""))
    assert refusal(Question(question_id="q", kind="approval"), by) is None


@pytest.mark.parametrize("user", ["user:42", "key:abc", "session:q", "local", "carl", "user:"])
def test_no_name_of_a_user_hides_who_asked(user: str) -> None:
    who = Principal("lab", user, (*OF_A_USER, "finance"), method="jwt")
    new = NewSession(tenant="lab", session_id="s", agent="teller", digest="d", user=user, behavior=BEHAVIOR)
    out = excluded(new_state(new, datetime(2026, 3, 1, tzinfo=UTC)), Approval(not_by="requester"))
    assert "somebody else" in (refusal(Question(question_id="q", kind="approval", not_by=out), who.by) or "")
    assert who.sender in out


def test_the_last_of_those_who_asked_are_known() -> None:
    known: tuple[str, ...] = ()
    for number in range(MOST_REQUESTERS + 1):
        known = with_requester(known, f"u{number}")
    known = with_requester(known, "u5")
    assert (len(known), known[0], known[-1], len(set(known))) == (MOST_REQUESTERS, "u1", "u5", MOST_REQUESTERS)


def test_nobody_cannot_stand_in_for_an_approver() -> None:
    for fields in ({"by": ["finance"]}, {"not_by": "requester"}):
        Approval.model_validate({**fields, "expires": "1h"})
        with pytest.raises(ValidationError, match="cannot be allowed by nobody"):
            Approval.model_validate({**fields, "expires": "1h", "default": "approve"})
    wrongs: list[dict[str, Any]] = [{"by": []}, {"by": ["a b"]}, {"not_by": "ann"}, {"by": "finance"}]
    for wrong in wrongs:
        with pytest.raises(ValidationError):
            Approval.model_validate(wrong)
    # So digests and what was allowed before stay as they are.
    assert Approval().model_dump().keys() == {"when", "expires", "default", "remember"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    folder, agents = tmp_path_factory.mktemp("approvers"), {"teller": FOUR_EYES}
    async with lab_on(temporal_server, folder, more_agents=agents) as running:
        yield running


@pytest.fixture
def service(lab: Lab) -> Sessions:
    parts = lab.parts
    lab.stage.plays = []
    return Sessions(lab.client, parts.settings, parts.blobs, parts.definitions, Nowhere())


async def asking(lab: Lab, service: Sessions, by: Principal, **body: Any) -> tuple[Talk, str]:
    """A session that waits until somebody allows `add`, on the word of `by`."""
    lab.stage.plays = [Play(calls=[("add", {"a": 1, "b": 2})])]
    made = await service.start(by, CreateSession.model_validate({"agent": "teller", "message": "add", **body}))
    talk = Talk(lab, lab.client.get_workflow_handle_for(SessionWorkflow.run, made.workflow_id))
    await talk.until(lambda events: any(isinstance(event, ApprovalRequested) for event in events))
    return talk, made.session_id


def yes(question_id: str = FIRST) -> AnswerBody:
    return AnswerBody(question_id=question_id, approved=True)


async def refused(session: Session, word: str, question_id: str = FIRST) -> None:
    with pytest.raises(Forbidden) as told:
        await session.answer(yes(question_id))
    assert word in told.value.detail


@pytest.mark.server
async def test_the_workflow_itself_takes_no_answer_of_who_may_not(lab: Lab, service: Sessions) -> None:
    talk, session_id = await asking(lab, service, BACKEND, user="ann")
    (asked,) = [event for event in await talk.events() if isinstance(event, ApprovalRequested)]
    assert (asked.roles, asked.not_by) == (("finance",), ("ann", "key:1"))
    for who, word in ((ANN, "somebody else"), (replace(BACKEND, scopes=(*EVERYTHING, "finance")), "somebody else")):
        await refused(service.open(who, session_id), word)
    await refused(service.open(EVE, session_id), "finance")
    # Whoever signals past the service.
    for by in (ANN.by, EVE.by, None):
        await talk.answer(FIRST, by=by)
    page: SnapshotPage = await service.open(BOB, session_id).facts()
    assert (page.status, [question.roles for question in page.questions]) == ("waiting", [("finance",)])
    await service.open(BOB, session_id).answer(yes())
    (resolved,) = [event for event in await talk.until(ends) if isinstance(event, ApprovalResolved)]
    assert resolved.by == By(subject="bob", scopes=(*EVERYTHING, "finance"))


@pytest.mark.server
async def test_whoever_puts_words_into_a_session_has_asked_for_what_follows(lab: Lab, service: Sessions) -> None:
    clerk = replace(BOB, user="clerk")
    talk, session_id = await asking(lab, service, BACKEND)
    await service.open(BOB, session_id).answer(yes())
    await talk.until(ends)
    theirs = service.open(clerk, session_id)
    first = next(message for message in await talk.transcript() if message.role == "user")
    lab.stage.plays = [Play(calls=[("add", {"a": 5, "b": 5})])]
    await theirs.rewind(RewindSession(message_id=first.id, text="add other numbers", undo=False))
    events = await talk.until(lambda events: sum(isinstance(event, ApprovalRequested) for event in events) == 2)
    again = [event for event in events if isinstance(event, ApprovalRequested)][-1]
    assert again.not_by == ("key:1", "clerk")
    await refused(theirs, "somebody else", again.question_id)
    await service.open(BOB, session_id).answer(yes(again.question_id))
    await talk.until(lambda events: ends(events, 2))


@pytest.mark.server
async def test_other_words_and_a_retry_count_as_asking(lab: Lab, service: Sessions) -> None:
    talk, session_id = await asking(lab, service, BACKEND)
    editor, again = (service.open(replace(BOB, user=name), session_id) for name in ("editor", "again"))
    sent = await service.open(BACKEND, session_id).send((Text(text="and then"),), busy="queue")
    await editor.edit(sent.message_id, EditMessageBody(text="and then pay me").neutral_parts())
    lab.stage.plays = [Play("fine"), Play(calls=[("add", {"a": 1, "b": 1})])]
    await service.open(BOB, session_id).answer(yes())
    events = await talk.until(lambda events: sum(isinstance(event, ApprovalRequested) for event in events) == 2)
    asked = [event for event in events if isinstance(event, ApprovalRequested)][-1]
    assert asked.not_by == ("key:1", "editor")
    await service.open(BOB, session_id).stop()
    await talk.until(lambda events: ends(events, 2))
    lab.stage.plays = [Play(calls=[("add", {"a": 1, "b": 1})])]
    await again.retry(RetryTurn())
    events = await talk.until(lambda events: sum(isinstance(event, ApprovalRequested) for event in events) == 3)
    asked = [event for event in events if isinstance(event, ApprovalRequested)][-1]
    assert asked.not_by == ("key:1", "editor", "again")
    await talk.close()


@pytest.mark.server
async def test_without_authentication_one_person_does_everything(lab: Lab, service: Sessions) -> None:
    local = Principal.trusted("lab")
    talk, session_id = await asking(lab, service, local)
    (asked,) = [event for event in await talk.events() if isinstance(event, ApprovalRequested)]
    assert asked.not_by == ()
    await service.open(local, session_id).answer(yes())
    await talk.until(ends)
