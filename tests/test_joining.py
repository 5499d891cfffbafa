"""Streams that begin while workers are slow: who asks its session when, tested without sessions."""

import asyncio

from perdure.gateway.live.joining import AT_ONCE, OF_TENANT, Joining
from perdure.temporal.sessions.errors import Overloaded
from perdure.workflows.protocol.queries import EventsPage


class Slow:
    """Sessions that answer when they are told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.vain: set[str] = set()
        self._answers: dict[str, asyncio.Event] = {}

    async def ask(self, session: str, _after: int) -> EventsPage:
        self.asked.append(session)
        await self._answers.setdefault(session, asyncio.Event()).wait()
        if session in self.vain:
            raise Overloaded
        return EventsPage(
            events=(), seq=0, oldest=1, closed=False, working=False, last_step="", step_open=False, more=False
        )

    async def answer(self, *sessions: str) -> None:
        for session in sessions:
            self._answers[session].set()
        await settled()


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_hundreds_of_one_tenant_leave_the_worker_to_others() -> None:
    slow = Slow()
    joining = Joining(slow.ask)
    hot = [f"hot/{number}" for number in range(200)]
    asking = [asyncio.create_task(joining.ask(session, 0)) for session in hot]
    await settled()
    assert slow.asked == hot[:OF_TENANT]
    quiet = asyncio.create_task(joining.ask("quiet/1", 0))
    await settled()
    assert slow.asked[OF_TENANT:] == ["quiet/1"]
    await slow.answer("quiet/1", *hot[:3])
    assert (quiet.done(), slow.asked[OF_TENANT + 1 :]) == (True, hot[OF_TENANT : OF_TENANT + 3])
    # Streams whose readers have left ask nothing.
    for task in asking[OF_TENANT + 3 :]:
        task.cancel()
    await slow.answer(*hot[3 : OF_TENANT + 3])
    assert len(slow.asked) == OF_TENANT + 4


async def test_many_tenants_together_ask_only_so_much() -> None:
    slow = Slow()
    joining = Joining(slow.ask)
    many = [f"{tenant}/{number}" for tenant in range(AT_ONCE) for number in range(2)]
    asking = [asyncio.create_task(joining.ask(session, 0)) for session in many]
    await settled()
    assert len(slow.asked) == AT_ONCE
    for task in asking:
        task.cancel()
    await settled()


async def test_what_was_asked_in_vain_holds_up_nothing_new() -> None:
    slow = Slow()
    joining = Joining(slow.ask)
    stuck = [f"a/stuck-{number}" for number in range(2 * OF_TENANT)]
    asking = [asyncio.create_task(joining.ask(session, 0, again=True)) for session in stuck]
    await settled()
    fresh = asyncio.create_task(joining.ask("a/fresh", 0))
    await settled()
    assert slow.asked == [*stuck[:OF_TENANT], "a/fresh"]
    await slow.answer("a/fresh")
    assert (await fresh).seq == 0
    slow.vain = {stuck[0]}
    await slow.answer(stuck[0])
    assert isinstance(asking[0].exception(), Overloaded)
    assert slow.asked[-1] == stuck[OF_TENANT]
    for task in asking:
        task.cancel()
    await settled()
