"""Processes killed at every point of a call: no `once` effect happens twice, and each call has exactly one result."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from perdure.temporal.app.bench.measures.interrupted import Tally, Victim, interrupt
from perdure.temporal.app.fakes.provider import FakeProvider
from tests.support.dev import Dev
from tests.support.session_client import Sessions
from tests.support.shop_dev import answer, call, ended, results, shop
from tests.support.tool_shop import entries, words, written

pytestmark = pytest.mark.server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def dev(
    tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str], provider: FakeProvider
) -> AsyncIterator[Dev]:
    quick = {**environment, "PERDURE_GRACEFUL_SHUTDOWN_S": "0.5"}
    running = shop(tmp_path_factory.mktemp("dev"), quick, provider)
    await running.start()
    yield running
    await running.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def sessions(http: httpx2.AsyncClient) -> Sessions:
    return Sessions(http)


@pytest.mark.slow
async def test_killed_at_each_point_of_many_calls(dev: Dev, tmp_path: Path) -> None:
    victim = Victim(dev.url, "shop", lambda everything: dev.kill(group=everything), dev.start)
    tally = await interrupt(victim, tmp_path, kills=3, in_flight=6)
    assert tally == Tally(calls=18, unknown=9)


@pytest.mark.slow
async def test_killed_before_it_starts_it_runs_once(dev: Dev, sessions: Sessions, tmp_path: Path) -> None:
    """The model has requested both, and the second waits for its place: it runs after the restart."""
    ledger = str(tmp_path)
    session = await call(sessions, ("launch", {"ledger": ledger, "after": "go"}), ("launch", {"ledger": ledger}))
    await written(tmp_path, "effect")
    await dev.kill(group=True)
    (tmp_path / "go").touch()
    await dev.start()
    found = results(await ended(sessions, session))
    assert found["t1.s1.c1"]["type"] == "outcome_unknown"
    assert found["t1.s1.c2"] == "done"
    effects = [made for made, _, word in entries(tmp_path) if word == "effect"]
    assert effects == ["t1.s1.c1", "t1.s1.c2"]


@pytest.mark.slow
async def test_shut_down_in_mid_call(dev: Dev, sessions: Sessions, tmp_path: Path) -> None:
    args: dict[str, Any] = {"ledger": str(tmp_path), "after": "go"}
    session = await call(sessions, ("charge", args), ("record", args))
    await written(tmp_path, "effect", 2)
    await dev.stop()
    (tmp_path / "go").touch()
    await dev.start()
    found = results(await ended(sessions, session))
    assert found["t1.s1.c1"]["type"] == "outcome_unknown"
    assert found["t1.s1.c2"] == "done"
    assert words(tmp_path)["effect"] == 3


@pytest.mark.slow
async def test_killed_and_a_person_says_what_became_of_it(
    dev: Dev, http: httpx2.AsyncClient, sessions: Sessions, tmp_path: Path
) -> None:
    session = await call(sessions, ("ship", {"ledger": str(tmp_path), "after": "go"}))
    await written(tmp_path, "effect")
    await dev.kill()
    await dev.start()
    async with sessions.view(session) as viewer:
        await viewer.until("input.requested")
    given = await answer(http, session, "t1.s1.c1.outcome", result="sent on Monday")
    assert given.status_code == 202, given.text
    assert results(await ended(sessions, session)) == {"t1.s1.c1": "sent on Monday"}
    assert words(tmp_path)["effect"] == 1


@pytest.mark.slow
async def test_killed_while_another_call_waits_for_a_person(
    dev: Dev, http: httpx2.AsyncClient, sessions: Sessions, tmp_path: Path
) -> None:
    session = await call(sessions, ("measure", {"text": "abc"}), ("charge", {"ledger": str(tmp_path), "after": "go"}))
    await written(tmp_path, "effect")
    await asyncio.gather(dev.kill(group=True))
    await dev.start()
    assert (await answer(http, session, "t1.s1.c1.approval", approved=True)).status_code == 202
    found = results(await ended(sessions, session))
    assert (found["t1.s1.c1"], found["t1.s1.c2"]["type"]) == (3, "outcome_unknown")
    assert words(tmp_path)["effect"] == 1
