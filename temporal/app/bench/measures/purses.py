"""One user's purse, and many sessions that draw on it: how often they ask it, and whether more is ever spent than it allows,
though all processes are killed while the sessions spend its last dollars.
"""

import asyncio
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from perdure.temporal.app.bench.report.report import Group, Row, Target
from perdure.temporal.app.bench.rig.failure import BenchFailed
from perdure.temporal.app.bench.rig.rig import AGENT, Provider, Rig
from perdure.temporal.app.bench.rig.wire import request
from perdure.workflows.protocol.amounts import nano_usd
from perdure.workflows.protocol.purses import HolderReport, Scope
from perdure.workflows.session import SessionWorkflow

GROUP: Final[Group] = "purses"
_DEFINITION: Final = f"""\
name: {AGENT}
models:
  only:
    use: anthropic/claude-haiku-5-5
    max_output_tokens: 256
    price: {{input: 1, output: 5, cache_write: 1.25}}
model: only
instructions: Answer.
limits: {{on_limit: stop}}
"""
_SCOPE: Final[Scope] = "user"
_TURNS: Final = 10
_RICH, _POOR = "rich", "poor"
_ENOUGH_USD: Final = 10_000
#: What the purse of the poor has for each session: some five answers.
_LITTLE_USD: Final = 0.004
#: Half a second for each answer, so that calls are open when everything is killed.
_ANSWER: Final = {"text": "word " * 10, "gap": 0.05, "input_tokens": 100, "output_tokens": 100}
_AGAIN_S: Final = 0.2
_PATIENCE_S: Final = 300.0


async def measure(folder: Path, provider: Provider, quick: bool, step: Callable[[], None]) -> list[Row]:
    count = 20 if quick else 200
    await provider.answer(**_ANSWER)
    async with Rig(folder, provider, _DEFINITION) as rig, asyncio.timeout(_PATIENCE_S + count * 3):
        await _set_total(rig, _RICH, _ENOUGH_USD)
        rich = await _sessions(rig, _RICH, count)
        await asyncio.gather(*(_talk(rig, session) for session in rich))
        calls, trips = await _asked(rig, rich)
        step()
        cap = round(_LITTLE_USD * count, 3)
        await _set_total(rig, _POOR, cap)
        poor = await _sessions(rig, _POOR, count)
        talking = asyncio.gather(*(_until_refused(rig, session) for session in poor))
        await _spent(rig, cap / 3)
        was_open = not talking.done()
        await rig.kill(everything=True)
        await rig.start()
        answered = sum(await talking)
        costs = [(await request(rig.at(session, "")))["cost_usd"] for session in poor]
        found = await _budget(rig, _POOR)
        if _over(found, cap):
            raise BenchFailed(await _books(rig, poor, costs, found))
        step()
    return [
        Row(
            group=GROUP,
            name=f"round trips to the purse for 10 model calls, {count} sessions of one user",
            value=round(10 * trips / calls, 2),
            unit="requests",
            target=Target(bound="at most", value=1),
            details={"model_calls": calls, "round_trips": trips},
        ),
        Row(
            group=GROUP,
            name=f"spent, of the cap, {count} sessions and a SIGKILL of everything",
            value=round(100 * sum(costs) / cap, 2),
            unit="%",
            better="more",
            target=Target(bound="at most", value=100),
            details={
                "cap_usd": cap,
                "spent_usd": round(sum(costs), 6),
                "charged_usd": found["spent"]["total"]["cost_usd"],
                "leased_usd": found["leased"]["total"]["cost_usd"],
                "turns": answered,
                "killed_while_spending": was_open,
            },
        ),
    ]


async def _sessions(rig: Rig, user: str, count: int) -> list[str]:
    return [await rig.create(user) for _ in range(count)]


async def _set_total(rig: Rig, user: str, cost_usd: float) -> None:
    await request(f"{rig.url}/v1/budgets/user/{user}", "PUT", {"total": {"cost_usd": cost_usd}})


async def _budget(rig: Rig, user: str) -> dict[str, Any]:
    found: dict[str, Any] = await request(f"{rig.url}/v1/budgets/user/{user}")
    return found


async def _spent(rig: Rig, cost_usd: float) -> None:
    """Returns once the poor have spent so much."""
    while True:
        if (await _budget(rig, _POOR))["spent"]["total"]["cost_usd"] >= cost_usd:
            return
        await asyncio.sleep(_AGAIN_S)


async def _talk(rig: Rig, session: str) -> None:
    for _ in range(_TURNS):
        await _turn(rig, session)


async def _until_refused(rig: Rig, session: str) -> int:
    """Talks until the purse gives no more; the number of turns until then."""
    turns = 0
    while (await _turn(rig, session))["reason"] != "budget":
        turns += 1
    return turns


async def _turn(rig: Rig, session: str) -> dict[str, Any]:
    """One turn, whose message is sent again, as the same, where nobody answered."""
    body = {"message_id": uuid.uuid4().hex, "text": "Go on."}
    while True:
        with suppress(BenchFailed, OSError, asyncio.IncompleteReadError):
            answer = await request(rig.at(session, "messages?wait=60"), "POST", body)
            if answer.get("turn") is not None:
                turn: dict[str, Any] = answer["turn"]
                return turn
        await asyncio.sleep(_AGAIN_S)


def _over(found: dict[str, Any], cap: float) -> bool:
    return sum(nano_usd(found[what]["total"]["cost_usd"]) for what in ("spent", "leased")) > nano_usd(cap)


async def _books(rig: Rig, sessions: list[str], costs: list[float], found: dict[str, Any]) -> str:
    """What a purse that has promised more than its cap knows, and what each of its sessions does."""
    lines = [f"the purse has charged and leased more than its cap: {found}"]
    for session, cost in zip(sessions, costs, strict=True):
        held: HolderReport = await rig.session(session).query(SessionWorkflow.lease, _SCOPE)
        lines.append(f"{session}: cost {cost}, {held.model_dump_json()}")
        history = await rig.session(session).fetch_history()
        for event in history.events:
            scheduled = event.activity_task_scheduled_event_attributes
            if scheduled.activity_type.name == "draw_leases":
                lines.append(f"  event {event.event_id}: {scheduled.input.payloads[0].data.decode()}")
    return "\n".join(lines)


async def _asked(rig: Rig, sessions: list[str]) -> tuple[int, int]:
    """Model calls of the sessions, and their round trips to the purse."""
    calls = trips = 0
    for session in sessions:
        history = await rig.session(session).fetch_history()
        for event in history.events:
            kind = event.activity_task_scheduled_event_attributes.activity_type.name
            calls += kind == "call_model"
            trips += kind == "draw_leases"
    return calls, trips
