"""How a session starts if two commands coincide, or if its definition is gone: on the real dev server."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from perdure.temporal.app.dev_server.server import DevServer
from perdure.workflows.vocabulary.events import TurnFinished
from tests.support.session_lab import ONE_STEP, Lab, ends, kinds, lab_on, message

pytestmark = pytest.mark.server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with lab_on(temporal_server, tmp_path_factory.mktemp("lab")) as opened:
        yield opened


async def test_a_session_begins_with_its_start_whatever_came_at_once(lab: Lab) -> None:
    """A signal can arrive before the workflow's first line runs."""
    talk = await lab.start(first="first", signal=message("second", "m2"))
    events = await talk.until(lambda found: ends(found, 2))
    assert kinds(events)[:3] == ["session.started", "message.queued", "turn.started"]
    assert [one.id for one in await talk.transcript() if one.role == "user"] == ["first", "m2"]


async def test_a_definition_that_nobody_knows_fails_the_turn_and_not_the_session(lab: Lab) -> None:
    talk = await lab.start("plain", digest="0" * 64)
    last = (await talk.turn("hi"))[-1]
    assert isinstance(last, TurnFinished)
    assert last.error is not None
    assert (last.reason, last.error.type) == ("failed", "agent_unavailable")
    assert last.error.message == "The definition 000000000000 of agent 'plain' is not known to this worker."
    known = lab.parts.definitions.current("plain")
    assert known is not None
    assert kinds(await talk.turn("again", digest=known.digest)) == ONE_STEP
