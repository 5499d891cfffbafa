"""Any order of commands and outcomes, played on the pure core: what always holds of a session.

`Tiny` carries out actions as `workflows/session.py` does, only that outcomes are drawn and nothing is awaited.
"""

from collections import Counter
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from temporalio.exceptions import ActivityError, ApplicationError

from perdure.workflows.core.approvals import UNKNOWN, plan_calls
from perdure.workflows.core.plan import Plan
from perdure.workflows.core.private_changes import (
    AgentFailed,
    AgentLoaded,
    CallsPlanned,
    CloseRequested,
    Configured,
    Note,
    StepOpened,
    StopRequested,
    ToolsChanged,
    TurnBroken,
)
from perdure.workflows.core.state import SessionState
from perdure.workflows.core.step import finished_step, opened_step
from perdure.workflows.core.turn import (
    AbandonTools,
    Ask,
    CallModel,
    CloseSession,
    Exit,
    FinishTurn,
    LoadAgent,
    PlanCalls,
    Rest,
    RunTools,
    StartTurn,
    Wait,
    next_action,
)
from perdure.workflows.definition.agent import Limits, SessionLimits, TurnLimits
from perdure.workflows.protocol.activities import StepOutput, ToolOutput
from perdure.workflows.protocol.commands import Answer, StepRecord
from perdure.workflows.running.questions import Questions
from perdure.workflows.running.sub_agents import SubAgents
from perdure.workflows.running.toolbox import Toolbox
from perdure.workflows.vocabulary.events import Event
from perdure.workflows.vocabulary.parts import Part, Text, Timing, ToolCall, ToolResult, Usage
from tests.support.core import AT, Story, agent, failed

DIGESTS = ("d1", "d2", "broken")
COMMANDS = ["send"] * 4 + ["conflict", "conflict", "newer", "stop", "stop", "configure", "capped", "pin", "close"]
OUTCOMES = st.sampled_from(
    [
        "text",
        "tools",
        "asks",
        "asks",
        "once",
        "once",
        "both",
        "nothing",
        "pause",
        "stopped",
        "empty",
        "fail",
        "other tools",
    ]
)
ANSWERS = ["approve", "deny", "edit", "remember", "give", "decline", "late", "time passes"]
#: None: whatever is open goes on. `finish`: a tool that runs does, whatever else there is to do.
MOVES = st.lists(st.sampled_from([None] * 25 + COMMANDS + ANSWERS + ["finish"] * 3), min_size=20, max_size=60)
AN_HOUR = timedelta(hours=1)
TOOLS: list[Any] = [
    "add",
    {"pay": {"approval": {"expires": "90m"}}},
    {"check": {"approval": {"when": "{{ args.n > 1 }}", "expires": "30m", "default": "approve"}, "parallel": 1}},
    {"send": {"side_effects": "once", "on_unknown": "ask"}},
    {"break": {"side_effects": "once", "on_unknown": "stop"}},
    {"client": {"name": "pick", "description": "x", "expires": "2h"}},
]
#: What a step asks for, by its outcome. A step may ask for five.
CALLED = {
    "tools": ("add", "add"),
    "both": ("add", "add"),
    "asks": ("pay", "check", "add", "check", "pick", "add"),
    "once": ("send", "break", "send", "nowhere"),
}
LIMITS = Limits(turn=TurnLimits(calls_per_step=5), session=SessionLimits(parallel_calls=2))


class Tiny:
    def __init__(self) -> None:
        self.story = Story.new()
        self.events: list[Event] = list(self.story.state.events)
        self.sent: list[str] = []
        self.record: StepRecord | None = None
        #: Those that run.
        self.calls: dict[str, ToolCall] = {}
        self.load: str | None = None
        self.now = AT
        self.tools = Toolbox(
            lambda: self.state,
            self.event,
            self._note,
            SubAgents(lambda: self.state, self._note),
        )
        self.questions = Questions(lambda: self.state, self.event, self._note, self.tools, lambda: self.now)
        #: Every question that was asked.
        self.asked: list[str] = []

    @property
    def state(self) -> SessionState:
        return self.story.state

    def event(self, kind: str, /, **fields: Any) -> None:
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
            case "finish":
                if self.calls:
                    self._finish(next(iter(self.calls)), "text")
            case "time passes":
                # The main loop may be busy elsewhere for as long.
                self.now += AN_HOUR
            case _:
                self._reply(name)

    def _reply(self, name: str) -> None:
        open_now = self.state.questions
        if name == "late":
            settled = self.state.answered[:1]
            command = Answer(id=f"a{self.state.seq}", question_id=settled[0].question_id if settled else "none")
        elif not open_now:
            return
        else:
            # Whatever kind it is: what does not fit is kept out by the gateway, and must do no harm here.
            command = Answer(
                id=f"a{self.state.seq}",
                question_id=open_now[len(self.events) % len(open_now)].question_id,
                approved=name not in ("deny", "decline"),
                args={"n": 9} if name == "edit" else None,
                remember=name == "remember",
                result="given" if name == "give" else None,
            )
        before = self.state
        self.questions.answer(command)
        self.questions.answer(command.model_copy(update={"id": "again"}))
        if name == "late":
            assert self.state == before

    def go_on(self, outcome: str) -> bool:
        """Finishes what is open, or else does what comes next; False when there is nothing to do."""
        if self.record is not None:
            self._answer(self.record, outcome)
        elif self.load is not None:
            known = self.load != "broken"
            loaded = agent(self.load, tools=TOOLS, limits=LIMITS)
            self.story.note(AgentLoaded(agent=loaded) if known else AgentFailed(error=failed()))
            self.load = None
        else:
            return self._act(outcome)
        return True

    def _act(self, outcome: str) -> bool:
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
            case PlanCalls(calls=calls):
                self._note(CallsPlanned(plans=plan_calls(state, calls)))
            case Ask(calls=calls):
                self.questions.ask(calls)
                self.asked += [question.question_id for question in self.state.questions]
            case RunTools(calls=calls):
                for call in calls:
                    if not self._plan(call.call_id).started:
                        self.event("tool.started", call_id=call.call_id, name=call.name, args=call.args)
                    self.calls[call.call_id] = call
                assert len(self.calls) <= max(2, state.effective_limits.session.parallel_calls)
                assert sum(call.name == "check" for call in self.calls.values()) <= 1
            case Wait(running=running, cancel=True):
                assert running == frozenset(self.calls)
                for call_id in list(self.calls):
                    self._finish(call_id, outcome)
            case Wait(running=running, until=until):
                assert running == frozenset(self.calls)
                if until is not None and until <= self.now:
                    self.questions.expire(self.now)
                elif self.calls:
                    # The last called is the first to answer.
                    self._finish(list(self.calls)[-1], outcome)
                else:
                    return False
            case AbandonTools(calls=calls):
                self.questions.withdraw(calls)
                self.tools.abandon(calls)
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
        self.record = opened_step(state, action)
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

    def _finish(self, call_id: str, outcome: str) -> None:
        """A call that runs ends as `workflows/running/toolbox.py` has it; what fails is lost."""
        call = self.calls.pop(call_id)
        turn = self.state.turn
        assert turn is not None
        goes_on = not turn.stopping and turn.error is None
        if outcome not in ("fail", "once"):
            self.tools.settle(call, ToolOutput(output=3))
        elif goes_on and call.name == "send":
            plan = turn.plans[call_id].model_copy(update={"do": "ask", "asks": "outcome"})
            self._note(CallsPlanned(plans={call_id: plan}))
        else:
            if goes_on and call.name == "break":
                self._note(TurnBroken(error=UNKNOWN))
            self.tools.settle(call, UNKNOWN)

    def _plan(self, call_id: str) -> Plan:
        assert self.state.turn is not None
        return self.state.turn.plans[call_id]

    def _note(self, note: Note) -> None:
        self.story.note(note)


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
    calls = tuple(
        ToolCall(call_id=f"{record.step_id}.c{number}", name=tool, args={"n": number})
        for number, tool in enumerate(CALLED.get(name, ()), 1)
    )
    text = (Text(text=name),)
    known: dict[str, tuple[Part, ...]] = {"both": (*text, *calls), "empty": (), "nothing": ()}
    stop = {
        **dict.fromkeys(CALLED, "tool_calls"),
        "nothing": "tool_calls",
        "pause": "pause",
        "stopped": "stopped",
    }
    return StepOutput.model_validate(
        {
            "parts": known.get(name, calls or text),
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
    for number in range(1000):
        if tiny.go_on("text"):
            continue
        if not tiny.state.questions:
            break
        assert tiny.state.status == "waiting"
        tiny.command(ANSWERS[number % len(ANSWERS)])
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
    asked = once(count(events, "approval.requested", "question_id"))
    assert asked == once(count(events, "approval.resolved", "question_id"))
    wanted = once(count(events, "input.requested", "question_id"))
    assert once(count(events, "input.received", "question_id")) <= wanted
    assert once(Counter(one.question_id for one in tiny.state.answered)) == asked | wanted
    assert set(tiny.asked) == asked | wanted
    started_at = {event.call_id: event for event in events if event.type == "tool.started"}
    for event in events:
        if event.type == "approval.resolved" and not event.approved:
            # What was not allowed did not run: it is told as started and finished in one go.
            assert started_at[event.call_id].seq > event.seq
    assert tiny.state.events == tuple(events[tiny.state.oldest - 1 :])
