"""A session whose carried state is missing from the blob store: what its callers see, and that it can be erased."""

import uuid
from pathlib import Path

import httpx2
import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.workflows.protocol.signals import Stop
from perdure.workflows.session import SessionWorkflow
from tests.support.dev import Dev
from tests.support.session_client import Sessions, told

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def environment(provider: FakeProvider) -> dict[str, str]:
    """Sessions that continue as new after every few turns."""
    return {
        "ANTHROPIC_BASE_URL": provider.url,
        "ANTHROPIC_API_KEY": "sk-test-not-a-key",
        "PERDURE_CONTINUE_AS_NEW_AFTER": "50",
    }


def carried(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("x-*") if path.is_file()]


@pytest.mark.slow
@pytest.mark.parametrize("at_work", [False, True], ids=["at rest", "at work"])
async def test_a_lost_state_has_a_name_and_the_session_can_be_erased(
    dev: Dev, http: httpx2.AsyncClient, provider: FakeProvider, at_work: bool
) -> None:
    sessions, word = Sessions(http), uuid.uuid4().hex
    session = await sessions.create(metadata={"a": "x" * 30_000})
    folder = dev.data_dir / "blobs" / "default" / session
    for turn in range(3):
        await sessions.ask(session, f"{turn} {word}")
    # Messages that wait are carried over, and only large ones make that more than a history holds. They have their turns
    # in the run that begins so, and then the session rests in it.
    async with sessions.view(session) as viewer:
        stalled = Reply(text="one two three four five", fault="stall", fault_after=3)
        provider.script(*[stalled] * (2 if at_work else 1))
        await sessions.send(session, "count")
        for number in range(4):
            parts = [{"type": "text", "text": f"{number} {part} {word} " * 820} for part in range(2)]
            answer = await http.post(f"/v1/sessions/{session}/messages", json={"parts": parts})
            assert answer.status_code == 202, answer.text
        await sessions.stop(session)
        await viewer.until(*(("turn.started", 5) if at_work else ("turn.finished", 8)))
    await dev.stop()
    lost = carried(folder)
    assert lost
    for path in lost:
        path.unlink()
    await dev.start()

    if at_work:
        # As from a gateway that asked the session before its state was lost. The task for it cannot begin.
        temporal = await Client.connect(f"127.0.0.1:{dev.temporal_port}", data_converter=pydantic_data_converter)
        await temporal.get_workflow_handle(f"default/{session}").signal(SessionWorkflow.stop, Stop(id=word))

    async with httpx2.AsyncClient(base_url=dev.url, timeout=60) as again:
        for answer in (
            await again.get(f"/v1/sessions/{session}"),
            await again.post(f"/v1/sessions/{session}/messages", json={"text": "hi"}),
            await again.delete(f"/v1/sessions/{session}"),
        ):
            assert told(answer) == (500, "state_lost")
            assert "blob" in answer.json()["detail"]
        erased = await again.delete(f"/v1/sessions/{session}?erase=true")
        assert erased.status_code in (200, 202), erased.text
        assert not carried(folder)
        assert told(await again.get(f"/v1/sessions/{session}")) == (404, "session_not_found")
