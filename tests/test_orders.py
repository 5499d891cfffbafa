"""Any order of commands and outcomes, played on the pure core: what always holds of a session.

`Tiny` carries out actions as `workflows/session.py` does, only that outcomes are drawn and nothing is awaited.
"""

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from temporalio.exceptions import ActivityError, ApplicationError

from tests.core import AT, Story, agent, failed
from workflows.commands import StepRecord
from workflows.contract import StepOutput
from workflows.definition import Limits, TurnLimits
from workflows.events import Event
from workflows.state import (
    AgentFailed,
    AgentLoaded,
    CloseRequested,
    Configured,
    SessionState,
    StepOpened,
    StopRequested,
    ToolsChanged,
    TurnBroken,
)
from workflows.step import finished_step
from workflows.turn import (
    AbandonTools,
    CallModel,
    CloseSession,
    Exit,
    FinishTurn,
    LoadAgent,
    Rest,
    RunTools,
    StartTurn,
    next_action,
)
from workflows.types import Part, Text, Timing, ToolCall, ToolResult, Usage

DIGESTS = ("d1", "d2", "broken")
COMMANDS = ["send"] * 4 + ["conflict", "conflict", "newer", "stop", "stop", "configure", "capped", "pin", "close"]
OUTCOMES = st.sampled_from(
    ["text", "text", "tools", "tools", "both", "nothing", "pause", "stopped", "empty", "fail", "other tools"]
)
#: None: whatever is open goes on.
MOVES = st.lists(st.sampled_from([None] * 25 + COMMANDS), min_size=20, max_size=60)


class Tiny:
    def __init__(self) -> None:
        self.story = Story.new()
        self.events: list[Event] = list(self.story.state.events)
        self.sent: list[str] = []
        self.record: StepRecord | None = None
        self.calls: tuple[ToolCall, ...] = ()
        self.load: str | None = None

    @property
    def state(self) -> SessionState:
        return self.story.state

    def event(self, kind: str, **fields: Any) -> None:
        self.events.append(self.story.event(kind, **fields))

    def command(self, name: str) -> None:
        state = self.state
        if state.closed:
            return
        match name:
            case "send" | "newer":
                self.sent.append(f"m{len(self.sent) + 1}")
                if state.closing is not None:
                    self.event("message.rejected", message_id=self.sent[-1], reason="session_closed")
                    return
                busy = bool(state.turn or state.inbox)
                digest = DIGESTS[len(self.sent) % 3] if name == "newer" else None
                self.story.accepted(id=self.sent[-1], digest=digest)
                if busy:
                    self.event("message.queued", message_id=self.sent[-1], position=len(self.state.inbox))
            case "conflict":
                if self.sent:
                    self.event("message.rejected", message_id=self.sent[-1], reason="conflict")
            case "stop":
                self.story.note(StopRequested())
            case "close":
                self.story.note(CloseRequested(reason="bye"))
            case "configure":
                self.story.note(Configured(model="other", limits=Limits(turn=TurnLimits(steps=2))))
            case "capped":
                self.story.note(Configured(limits=Limits(turn=TurnLimits(cost_usd=0.0021))))
            case "pin":
                self.story.note(Configured(digest="d2"))

    def go_on(self, outcome: str) -> bool:
        """Finishes what is open, or else does what comes next; False when there is nothing to do."""
        if self.record is not None:
            self._answer(self.record, outcome)
        elif self.calls:
            # The last called is the first to answer.
            self._result(self.calls[-1], stopped=outcome == "fail")
            self.calls = self.calls[:-1]
        elif self.load is not None:
            known = self.load != "broken"
            self.story.note(AgentLoaded(agent=agent(self.load)) if known else AgentFailed(error=failed()))
            self.load = None
        else:
            return self._act()
        return True

    def _act(self) -> bool:
        state = self.state
        match next_action(state):
            case Rest() | Exit():
                return False
            case LoadAgent(digest=digest):
                self.load = digest
            case StartTurn(message=message):
                turn_id = f"t{state.turns + 1}"
                self.event("turn.started", turn_id=turn_id, cause="message")
                self.event("message.added", message=message.model_copy(update={"turn_id": turn_id}))
            case CallModel() as action:
                self._open(action)
            case RunTools(calls=calls):
                for call in calls:
                    self.event("tool.started", call_id=call.call_id, name=call.name, args=call.args)
                self.calls = calls
            case AbandonTools(calls=calls):
                for call in calls:
                    self.event("tool.started", call_id=call.call_id, name=call.name, args=call.args)
                    self._result(call, stopped=True)
            case FinishTurn(reason=reason, error=error):
                assert state.turn is not None
                turn = state.turn
                self.event("turn.finished", reason=reason, error=error, usage=turn.usage, cost_usd=turn.cost_usd)
            case CloseSession(reason=reason):
                for message in state.inbox:
                    self.event("message.rejected", message_id=message.id, reason="session_closed")
                self.event("session.closed", reason=reason)
        return True

    def _open(self, action: CallModel) -> None:
        state = self.state
        assert state.turn is not None
        assert state.loaded is not None
        self.record = StepRecord(
            step_id=action.step_id,
            turn_id=state.turn.turn_id,
            digest=state.loaded.digest,
            role=action.role,
            model=state.loaded.definition.models[action.role].use,
            view=state.view,
            reserved_usd=action.reserved_usd,
        )
        self.story.note(StepOpened(record=self.record))
        self.event("step.started", step_id=action.step_id, model=self.record.model)

    def _answer(self, record: StepRecord, outcome: str) -> None:
        self.record = None
        turn = self.state.turn
        assert turn is not None
        step = finished_step(record, _outcome(record, outcome), turn.stopping, AT)
        self.event("step.finished", **step.event)
        if step.error is not None:
            self.story.note(TurnBroken(error=step.error))
        if step.stopped and not turn.stopping:
            self.story.note(StopRequested())
        if outcome == "other tools":
            self.story.note(ToolsChanged())

    def _result(self, call: ToolCall, *, stopped: bool) -> None:
        output = failed("stopped").model_dump() if stopped else 3
        result = ToolResult(call_id=call.call_id, name=call.name, output=output, is_error=stopped)
        self.event("tool.finished", call_id=call.call_id, name=call.name, result=result, duration_ms=1)


def _outcome(record: StepRecord, name: str) -> StepOutput | ActivityError:
    if name == "fail":
        error = ActivityError(
            "failed",
            scheduled_event_id=1,
            started_event_id=2,
            identity="w",
            activity_type="call_model",
            activity_id=record.step_id,
            retry_state=None,
        )
        error.__cause__ = ApplicationError("down", type="model_overloaded")
        return error
    calls = tuple(ToolCall(call_id=f"{record.step_id}.c{number}", name="add", args={"n": number}) for number in (1, 2))
    text = (Text(text=name),)
    known: dict[str, tuple[Part, ...]] = {"tools": calls, "both": (*text, *calls), "empty": (), "nothing": ()}
    stop = {
        "tools": "tool_calls",
        "both": "tool_calls",
        "nothing": "tool_calls",
        "pause": "pause",
        "stopped": "stopped",
    }
    return StepOutput.model_validate(
        {
            "parts": known.get(name, text),
            "model": "demo",
            "usage": Usage(input_tokens=1, output_tokens=1),
            "cost_usd": 0.001,
            "timing": Timing(total_ms=1),
            "stop": "pause" if name == "other tools" else stop.get(name, "end"),
            "attempt": 1,
            "request_sha256": "x",
        }
    )


def survives(state: SessionState) -> None:
    again = SessionState.model_validate_json(state.model_dump_json())
    assert again == state
    assert next_action(again) == next_action(state)


def count(events: list[Event], kind: str, key: str) -> Counter[Any]:
    return Counter(getattr(event, key) for event in events if event.type == kind)


def once(counted: Counter[Any]) -> set[Any]:
    assert set(counted.values()) <= {1}, counted
    return set(counted)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(moves=MOVES, outcomes=st.lists(OUTCOMES, min_size=1, max_size=20))
def test_what_always_holds(moves: list[str | None], outcomes: list[str]) -> None:
    tiny = Tiny()
    survives(tiny.state)
    for number, move in enumerate(moves):
        if move is None:
            tiny.go_on(outcomes[number % len(outcomes)])
        else:
            tiny.command(move)
        survives(tiny.state)
    # Whatever has happened, the session comes to rest, and every message that was not refused has had its turn.
    for _ in range(1000):
        if not tiny.go_on("text"):
            break
    else:
        raise AssertionError("never at rest")
    added = once(Counter(event.message.id for event in tiny.events if event.type == "message.added"))
    refused = {e.message_id for e in tiny.events if e.type == "message.rejected" and e.reason == "session_closed"}
    assert not added & refused
    assert added | refused == set(tiny.sent)
    tiny.command("close")
    while tiny.go_on("text"):
        pass
    survives(tiny.state)
    check(tiny)


def check(tiny: Tiny) -> None:
    events = tiny.events
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert events[-1].type == "session.closed"
    assert [event.type for event in events].count("session.closed") == 1
    assert once(count(events, "turn.started", "turn_id")) == once(count(events, "turn.finished", "turn_id"))
    assert once(count(events, "step.started", "step_id")) == once(count(events, "step.finished", "step_id"))
    started, finished = count(events, "tool.started", "call_id"), count(events, "tool.finished", "call_id")
    assert once(started) == once(finished)
    messages = tiny.state.transcript
    parts = [part for message in messages for part in message.parts]
    called = once(Counter(part.call_id for part in parts if isinstance(part, ToolCall)))
    assert called == once(Counter(part.call_id for part in parts if isinstance(part, ToolResult))) == set(finished)
    once(Counter(message.id for message in messages))
    assert tiny.state.events == tuple(events[tiny.state.oldest - 1 :])
