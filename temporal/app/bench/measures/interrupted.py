"""Thousands of tool calls interrupted by SIGKILL: what happened twice, and what the sessions reported.

Rule 1: every call that counts was under way when the kill came: its tool had begun, and it waited before or after its
effect. Kills differ in that point, in what is killed, and in how many calls a session makes at the same time.
Rule 2: effects are read from what the tools recorded, reports from the sessions' events, as users see them. The two
sources are independent.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from perdure.temporal.app.bench.report.figures import percentile
from perdure.temporal.app.bench.report.report import Group, Row, Target
from perdure.temporal.app.bench.rig.effects import GO, TOOLS, Entry, entries
from perdure.temporal.app.bench.rig.failure import BenchFailed
from perdure.temporal.app.bench.rig.rig import AGENT, Provider, Rig
from perdure.temporal.app.bench.rig.wire import events_until, request
from perdure.temporal.app.fakes.provider import Call, FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.workflows.vocabulary.errors import OUTCOME_UNKNOWN

GROUP: Final[Group] = "interrupted"
#: The tools that the agent of an `interrupt` must have.
TOOL_LINES: Final = """\
  - pay: {side_effects: once}
  - mark: {side_effects: idempotent}
"""
_DEFINITION: Final = f"""\
name: {AGENT}
models:
  only: {{use: anthropic/claude-haiku-5-5, max_output_tokens: 4096}}
model: only
instructions: Do as you are told.
tools:
{TOOL_LINES}"""
_PATIENCE_S: Final = 60.0
_LOOK_S: Final = 0.02


@dataclass(frozen=True)
class Victim:
    """A `perdure dev` with the tools above, whose model makes the calls that its message requests (`as_told`)."""

    url: str
    agent: str
    #: Sends SIGKILL, to all processes or to the main one only.
    kill: Callable[[bool], Awaitable[object]]
    #: Starts it again on the same data; returns when it is ready.
    start: Callable[[], Awaitable[object]]


@dataclass
class Tally:
    """The outcomes of interrupted calls."""

    calls: int = 0
    #: Of `once` calls: those reported as `outcome_unknown`, and those that took effect more than once.
    unknown: int = 0
    effects_twice: int = 0
    #: Calls that ran under more than one id.
    two_ids: int = 0
    not_one_result: int = 0
    #: Calls whose result differs from what happened.
    untrue: int = 0
    #: For each kill, from ready to the last result of the calls that it interrupted.
    seconds: list[float] = field(default_factory=list, compare=False)


@dataclass(frozen=True)
class _Interrupted:
    """One call, and the point at which the kill interrupts it."""

    name: str
    key: str
    wait: str

    @property
    def under_way(self) -> tuple[str, str]:
        return self.key, "begun" if self.wait == "before" else "effect"


def as_told(call: Call) -> Reply:
    """A model that makes the calls in the last message: JSON, a list of names and arguments."""
    content = call.body["messages"][-1]["content"]
    said = content if isinstance(content, str) else next((part.get("text", "") for part in content), "")
    if not said.startswith("["):
        return Reply(text="done")
    return Reply(tools=tuple((name, args) for name, args in json.loads(said)))


async def interrupt(
    victim: Victim, folder: Path, *, kills: int, in_flight: int, step: Callable[[], None] = lambda: None
) -> Tally:
    """Kills `victim` `kills` times with `in_flight` calls under way, half of them of a `once` tool.

    Ledgers go below `folder`; `step` is called after each kill. Raises `BenchFailed` if calls do not begin or end.
    """
    tally = Tally()
    ended: list[tuple[Path, list[list[_Interrupted]], list[list[dict[str, Any]]]]] = []
    for number in range(kills):
        ledger = folder / f"kill{number}"
        ledger.mkdir()
        plan = _plan(number, in_flight)
        sessions = await asyncio.gather(*(_begin(victim, ledger, calls) for calls in plan))
        await _under_way(ledger, [call for calls in plan for call in calls])
        await victim.kill(number % 2 == 0)
        (ledger / GO).touch()
        await victim.start()
        ready = time.monotonic()
        reports = await asyncio.gather(*(_first_turn(victim, session) for session in sessions))
        tally.seconds.append(time.monotonic() - ready)
        ended.append((ledger, plan, reports))
        step()
    # At the very end, so that late effects, after their call's result, count as well.
    for ledger, plan, reports in ended:
        written = entries(ledger)
        for calls, events in zip(plan, reports, strict=True):
            for call in calls:
                _count(tally, call, [entry for entry in written if entry.key == call.key], events)
    return tally


def _plan(number: int, in_flight: int) -> list[list[_Interrupted]]:
    """The calls of each session, for kill number `number`."""
    calls = []
    for n in range(in_flight):
        # All before their effect, all after it, or half and half.
        wait = ("before", "after", ("before", "after")[n // 2 % 2])[number % 3]
        calls.append(_Interrupted(("pay", "mark")[n % 2], f"k{number}c{n}", wait))
    each = (1, 2, max(in_flight // 2, 1))[(number + number // 3) % 3]
    return [calls[at : at + each] for at in range(0, in_flight, each)]


async def _begin(victim: Victim, ledger: Path, calls: list[_Interrupted]) -> str:
    """Starts a session whose first turn makes these calls."""
    asked = [(call.name, {"ledger": str(ledger), "key": call.key, "wait": call.wait}) for call in calls]
    body = {"agent": victim.agent, "message": json.dumps(asked)}
    return str((await request(f"{victim.url}/v1/sessions", "POST", body))["session_id"])


async def _under_way(ledger: Path, calls: list[_Interrupted]) -> None:
    wanted = {call.under_way for call in calls}
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while not wanted <= {(entry.key, entry.word) for entry in entries(ledger)}:  # noqa: ASYNC110 - a file
                await asyncio.sleep(_LOOK_S)
    except TimeoutError:
        raise BenchFailed(f"calls did not begin within {_PATIENCE_S:g} s") from None


async def _first_turn(victim: Victim, session: str) -> list[dict[str, Any]]:
    """The events of the session's first turn, as a new viewer gets them."""
    found = await events_until(f"{victim.url}/v1/sessions/{session}/events", "turn.finished", _PATIENCE_S)
    return [event for event in found if event["type"] in ("tool.started", "tool.finished")]


def _count(tally: Tally, call: _Interrupted, written: list[Entry], events: list[dict[str, Any]]) -> None:
    asked = {e["call_id"] for e in events if e["type"] == "tool.started" and e["args"].get("key") == call.key}
    results = [e["result"] for e in events if e["type"] == "tool.finished" and e["call_id"] in asked]
    happened = sum(entry.word == "effect" for entry in written)
    tally.calls += 1
    tally.two_ids += len(asked | {entry.call_id for entry in written}) != 1
    tally.not_one_result += len(results) != 1
    unknown = [isinstance(one["output"], dict) and one["output"].get("type") == OUTCOME_UNKNOWN for one in results]
    if call.name == "pay":
        tally.unknown += any(unknown)
        tally.effects_twice += happened > 1
    # An unknown outcome is correct only for a call that may not be retried.
    right = [one["output"] == "done" and happened > 0 for one in results]
    tally.untrue += not all(r or (u and call.name == "pay") for r, u in zip(right, unknown, strict=True))


async def measure(folder: Path, quick: bool, step: Callable[[], None]) -> list[Row]:
    kills, in_flight = (3, 6) if quick else (50, 20)
    folder.mkdir()  # noqa: ASYNC240 - a moment
    async with FakeProvider() as provider:
        provider.default(as_told)
        async with Rig(folder, Provider(provider.url), _DEFINITION, TOOLS) as rig:
            victim = Victim(rig.url, AGENT, lambda everything: rig.kill(everything=everything), rig.start)
            return rows_of(await interrupt(victim, folder, kills=kills, in_flight=in_flight, step=step), in_flight)


def rows_of(tally: Tally, in_flight: int) -> list[Row]:
    none = Target(bound="at most", value=0)
    interrupted = Row(
        group=GROUP,
        name=f"interrupted, {len(tally.seconds)} kills × {in_flight} in flight",
        value=tally.calls,
        unit="calls",
        better="more",
        details={"once": tally.calls // 2, "idempotent": tally.calls - tally.calls // 2},
    )
    counts = {
        "`once`, took effect twice": tally.effects_twice,
        "ran under two ids": tally.two_ids,
        "without exactly one result": tally.not_one_result,
        "with a result that is not what happened": tally.untrue,
    }
    return [
        interrupted,
        *(Row(group=GROUP, name=name, value=count, unit="calls", target=none) for name, count in counts.items()),
        Row(group=GROUP, name="`once`, told outcome_unknown", value=tally.unknown, unit="calls"),
        Row(
            group=GROUP,
            name="from ready to the last result, p50",
            value=round(percentile(tally.seconds, 50), 2),
            unit="s",
            details={"max": round(max(tally.seconds), 2), "each": [round(seconds, 2) for seconds in tally.seconds]},
        ),
    ]
