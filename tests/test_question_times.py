"""Questions that wait for days, and until they expire, on a server with a skippable clock.

No session here continues as new: a query that meets the end of a run can stop this server's clock for good.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from perdure.workflows.protocol.queries import PageRequest
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.question_events import ApprovalRequested, ApprovalResolved
from tests.support.session_lab import Lab, Talk
from tests.support.tool_lab import begin, end, error, results, skipping_lab, whole

pytestmark = pytest.mark.server

ADD = ("add", {"a": 1, "b": 2})
ASKED = "t1.s1.c1.approval"
Later = Callable[[timedelta], Awaitable[None]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Later, Lab]]:
    async with skipping_lab(tmp_path_factory.mktemp("lab")) as found:
        yield found


@pytest.fixture
def later(place: tuple[Later, Lab]) -> Later:
    return place[0]


@pytest_asyncio.fixture(loop_scope="session")
async def talk(place: tuple[Later, Lab]) -> AsyncIterator[Talk]:
    talk = await place[1].start("asking")
    yield talk
    await whole(talk)


async def open_questions(talk: Talk) -> int:
    page = await talk.ask(SessionWorkflow.snapshot, PageRequest())
    assert page.status == ("waiting" if page.questions else "idle")
    return len(page.questions)


@pytest.mark.parametrize(
    ("call", "kind"), [(("charge", {"ledger": "/nowhere"}), "expired"), (("rescue", {"kinds": []}), None)]
)
async def test_a_question_expires_with_its_default(later: Later, talk: Talk, call: Any, kind: str | None) -> None:
    events = await begin(talk, call, done="approval.requested")
    (asked,) = [event for event in events if isinstance(event, ApprovalRequested)]
    assert asked.expires_at is not None
    days = 3 if kind else 2
    assert asked.expires_at - asked.at == timedelta(days=days)
    await later(timedelta(days=days, seconds=-60))
    assert await open_questions(talk) == 1
    await later(timedelta(seconds=120))
    (found,) = results(await end(talk)).values()
    assert (error(found).type if kind else found.output) == (kind or "rescued")
    (resolved,) = [event for event in await talk.events() if isinstance(event, ApprovalResolved)]
    assert (resolved.approved, resolved.reason, resolved.by) == (kind is None, "expired", None)


async def test_it_waits_for_days(later: Later, talk: Talk) -> None:
    await begin(talk, ADD, done="approval.requested")
    await later(timedelta(days=60))
    await talk.answer(ASKED)
    assert [one.output for one in results(await end(talk)).values()] == [3]


async def test_an_app_that_is_not_there_is_not_waited_for(later: Later, talk: Talk) -> None:
    await begin(talk, ("hurry", {}), done="input.requested")
    await later(timedelta(hours=1, minutes=1))
    (found,) = results(await end(talk)).values()
    failed = error(found)
    assert (failed.type, failed.message) == ("expired", "No answer came in time, so this call has no result.")
