"""Two workers and two gateways under load, while each process in turn is restarted or killed: nothing is lost or doubled."""

from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio

from perdure.temporal.app.bench.rig.person import talking, turns
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.topology import Topology, topology

pytestmark = [pytest.mark.server, pytest.mark.slow]

ANSWER: Final = " ".join(f"word{n}" for n in range(40))
PEOPLE: Final = 8


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Topology]:
    """Each test leaves everything running."""
    async with FakeProvider() as provider, topology(tmp_path_factory.mktemp("topology"), provider) as everything:
        provider.default(Reply(text=ANSWER, gap=0.02))
        yield everything


async def test_a_rolling_restart_loses_nothing(running: Topology) -> None:
    async with talking(PEOPLE, [running.proxy.url], "assistant") as people:
        await turns(people)
        for process in running.processes:
            assert await process.stop() == 0
            await turns(people)
            await process.start()
            await turns(people)
    assert [person.faults(ANSWER) for person in people] == [[]] * PEOPLE


async def test_each_process_is_killed_in_turn(running: Topology) -> None:
    async with talking(PEOPLE, [running.proxy.url], "assistant") as people:
        await turns(people)
        for process in running.processes:
            await process.kill()
            await turns(people)
            await process.start()
            await turns(people)
        await running.redis.kill()
        await turns(people)
        await running.redis.start()
        await turns(people)
        await running.store.kill()
        await running.store.start()
        await turns(people)
        await running.proxy.kill()
        await running.proxy.start()
        await turns(people)
    assert [person.faults(ANSWER) for person in people] == [[]] * PEOPLE
