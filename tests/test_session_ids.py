"""Session ids reserved for sub-agents: nobody can take one in advance, and erasing a session erases no other's."""

from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio
from pydantic import JsonValue, ValidationError

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.requests import CreateSession
from perdure.temporal.sessions.runs import children_of, runs_of
from perdure.workflows.core.runs import SessionInput
from perdure.workflows.definition.schedules import Schedule
from perdure.workflows.protocol.activities import TASK_QUEUE
from perdure.workflows.protocol.signals import NewSession
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.events import ToolFinished
from perdure.workflows.vocabulary.ids import sub_session_id
from tests.support.session_client import told
from tests.support.session_lab import Lab, Play, Talk, lab_on

LONG = "x" * 199


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with lab_on(temporal_server, tmp_path_factory.mktemp("ids")) as opened:
        yield opened


@pytest.mark.parametrize("parent", ["a", "a~b", "a~t1.s1.c1", "x" * 150, "x" * 190, LONG])
@pytest.mark.parametrize("call", ["t1.s1.c1", "t12.s3.c45"])
def test_the_id_of_a_sub_session_cannot_be_chosen(parent: str, call: str) -> None:
    with pytest.raises(ValidationError, match="the form of a sub-agent's session's id"):
        CreateSession(agent="a", session_id=sub_session_id(parent, call))


@pytest.mark.parametrize(
    "session_id", ["a~b", "~", "a~t1", "a~t1.s1", "a~t1.s1.c1.x", "t1.s1.c1", "a~tx.s1.c1", f"a~{'0' * 32}", "x" * 200]
)
def test_other_ids_stay_free(session_id: str) -> None:
    assert CreateSession(agent="a", session_id=session_id).session_id == session_id


def test_a_schedule_chooses_none_either() -> None:
    with pytest.raises(ValidationError):
        Schedule(cron="0 9 * * *", session="a~t1.s1.c1", message="hi")


@pytest.mark.parametrize("tenant", ["definitions", "perdure", "~"])
def test_no_tenant_lies_among_other_blobs(tenant: str) -> None:
    with pytest.raises(ValueError, match="reserved"):
        Principal(tenant)


@pytest.mark.server
async def test_creating_one_names_the_field(http: httpx2.AsyncClient) -> None:
    answer = await http.post("/v1/sessions", json={"agent": "assistant", "session_id": "parent~t1.s1.c1"})
    assert told(answer) == (422, "validation")
    assert [error["field"] for error in answer.json()["errors"]] == ["session_id"]


@pytest.mark.server
async def test_a_stranger_at_the_id_of_a_child_is_neither_adopted_nor_erased(lab: Lab) -> None:
    talk = await lab.start("boss")
    taken = talk.child("t1.s1.c1").handle.id
    known = lab.parts.definitions.current("helper")
    assert known is not None
    new = NewSession(tenant="lab", session_id=taken.partition("/")[2], agent="helper", digest=known.digest)
    await lab.client.start_workflow(SessionWorkflow.run, SessionInput(new=new), id=taken, task_queue=TASK_QUEUE)
    calls: list[tuple[str, dict[str, JsonValue]]] = [
        ("helper", {"message": "Count."}),
        ("helper", {"message": "Count again."}),
    ]
    lab.stage.plays = [Play("", calls), Play("Two."), Play("done")]
    events = await talk.turn("let it count")
    refused, answered = sorted(
        (event.result for event in events if isinstance(event, ToolFinished)), key=lambda result: result.call_id
    )
    assert refused.is_error
    assert isinstance(refused.output, dict)
    assert refused.output["type"] == "agent_failed"
    assert not answered.is_error
    runs = await runs_of(lab.client, talk.handle.id)
    assert await children_of(lab.client, talk.handle.id, runs) == [talk.child("t1.s1.c2").handle.id]
    # It was neither closed nor sent any other command.
    assert (await Talk(lab, talk.child("t1.s1.c1").handle).page()).closed is False
