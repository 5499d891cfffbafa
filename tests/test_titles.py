"""What sessions are called in lists that began without a message."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from perdure.temporal.app.dev_server.server import DevServer
from perdure.workflows.core.titles import LONGEST
from perdure.workflows.protocol.signals import BEHAVIOR
from tests.support.session_lab import Lab, Play, Talk, lab_on

pytestmark = pytest.mark.server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with lab_on(temporal_server, tmp_path_factory.mktemp("titles")) as running:
        yield running


async def described(talk: Talk) -> tuple[str, str | None]:
    """Its title as lists have it, and its run."""
    # Asked of the session first, so that what it told Temporal has been told.
    await talk.page()
    description = await talk.handle.describe()
    return await description.memo_value("title"), description.run_id


async def test_the_first_message_is_the_title_from_then_on(lab: Lab) -> None:
    talk = await lab.start("desk", behavior=BEHAVIOR, continue_as_new_after=50, title="")
    first = "Where is\n my order 1007?" + " Please tell me." * 10
    await talk.turn(first)
    title, run = await described(talk)
    assert title == " ".join(first.split())[:LONGEST]
    now = run
    for number in range(8):
        await talk.turn(f"turn {number}")
        title, now = await described(talk)
        assert title.startswith("Where is my order 1007?")
    assert now != run


async def test_a_title_that_there_is_stays(lab: Lab) -> None:
    talk = await lab.start("desk", behavior=BEHAVIOR)
    await talk.turn("hello")
    assert (await described(talk))[0] == "a test"


async def test_a_model_names_the_session_from_then_on(lab: Lab) -> None:
    talk = await lab.start("named", behavior=BEHAVIOR, continue_as_new_after=20)
    lab.stage.plays = [Play("In June."), Play('"Roses in June."')]
    await talk.turn("When do my roses bloom?")
    title, run = await described(talk)
    assert title == "Roses in June"
    now = run
    while now == run:
        await talk.turn("and then?")
        title, now = await described(talk)
    assert title == "Roses in June"


async def test_what_a_person_calls_a_session_stays(lab: Lab) -> None:
    talk = await lab.start("named", behavior=BEHAVIOR, continue_as_new_after=20)
    await talk.configure(title="My roses")
    title, run = await described(talk)
    assert title == "My roses"
    now = run
    # No model names it, and no run forgets it.
    while now == run:
        lab.stage.plays = [Play("In June.")]
        await talk.turn("When do my roses bloom?")
        title, now = await described(talk)
    assert title == "My roses"
    await talk.configure(title="Roses and lilies")
    assert (await described(talk))[0] == "Roses and lilies"


async def test_sessions_of_older_behavior_stay_without(lab: Lab) -> None:
    talk = await lab.start("desk", behavior=BEHAVIOR - 1, title="")
    await talk.turn("hello")
    assert (await described(talk))[0] == ""
