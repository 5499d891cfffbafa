"""Any order of commands and outcomes, played by the driver over the pure core: the invariants of a session."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perdure.workflows.core.actions import Exit, Rest, StartTurn, Wait
from perdure.workflows.core.calls.results import UNKNOWN
from perdure.workflows.core.changes import Change, CommandSeen
from perdure.workflows.core.effects import AskModel, Effect, LoadDefinition, RunActivity
from perdure.workflows.core.next_action import next_action
from perdure.workflows.core.outcomes import DefinitionLoaded, ModelEnded, TimePassed, ToolEnded
from perdure.workflows.core.state.session import SessionState, dump_state, new_state, read_state
from perdure.workflows.core.step import StepFailure
from perdure.workflows.definition.agent import Limits, SessionLimits, TurnLimits
from perdure.workflows.protocol.activities import Partial, StepOutput, ToolOutput
from perdure.workflows.protocol.signals import (
    Answer,
    Close,
    Configure,
    EditMessage,
    NewSession,
    SendMessage,
    Stop,
    WithdrawMessage,
)
from perdure.workflows.protocol.steps import StepRecord
from perdure.workflows.running.driver import Driver
from perdure.workflows.vocabulary.busy import Busy
from perdure.workflows.vocabulary.events import Event, TurnFinished
from perdure.workflows.vocabulary.parts import Part, Text, Timing, ToolCall, ToolResult, Usage
from tests.support.core import AT, agent, failed
from tests.support.plain_world import PlainWorld

pytestmark = pytest.mark.pure

DIGESTS = ("d1", "d2", "broken")
BUSY: tuple[Busy, ...] = ("queue", "steer", "interrupt", "reject")
CHANGES = ["edit", "withdraw"]
COMMANDS = (
    [*BUSY, "steer", "interrupt", *CHANGES]
    + ["send"] * 4
    + ["conflict", "conflict", "newer", "stop", "stop", "configure", "capped", "pin", "close"]
)
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
OUTCOME_LISTS = st.lists(OUTCOMES, min_size=1, max_size=20)
ANSWERS = ["approve", "deny", "edit", "remember", "give", "decline", "late", "time passes"]
#: None: continue what is open. `finish`: a running tool finishes, whatever else there is to do.
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
#: The calls that a step requests, by its outcome. A step may request five.
CALLED = {
    "tools": ("add", "add"),
    "both": ("add", "add"),
    "asks": ("pay", "check", "add", "check", "pick", "add"),
    "once": ("send", "break", "send", "nowhere"),
}
LIMITS = Limits(turn=TurnLimits(calls_per_step=5), session=SessionLimits(parallel_calls=2))


class Tiny(PlainWorld):
    """A session, driven as the session workflow drives it; outcomes of its effects are drawn."""

    def __init__(self) -> None:
        new = NewSession(tenant="acme", session_id="s1", agent="plain", digest="d1")
        self.events: list[Event] = []
        self.sent: list[str] = []
        #: Every question that was asked.
        self.asked: list[str] = []
        #: The open effects, by key.
        self.open: dict[str, Effect] = {}
        self.time = AT
        self.driver = Driver(new_state(new, AT), self)
        self.driver.open(None)

    # The session's surroundings.

    def now(self) -> datetime:
        return self.time

    def tell(self, key: str) -> None:
        assert key in self.open

    def took(self, before: SessionState, change: Change, after: SessionState) -> None:
        super().took(before, change, after)
        self.asked += [one.question_id for one in after.questions.open if one not in before.questions.open]

    # What happens to the session.

    def command(self, name: str) -> None:
        if self.state.closed:
            return
        number = f"x{len(self.state.inbox.command_ids)}.{len(self.events)}"
        match name:
            case "send" | "newer":
                digest = DIGESTS[len(self.sent) % 3] if name == "newer" else None
                self.sent.append(f"m{len(self.sent) + 1}")
                self.driver.receive(said(self.sent[-1], digest=digest))
            case "queue" | "steer" | "interrupt" | "reject":
                self.sent.append(f"m{len(self.sent) + 1}")
                self.driver.receive(said(self.sent[-1], busy=name))
                # A repeat changes nothing, whatever it says now, unless the first one was not taken.
                if self.sent[-1] in self.state.inbox.seen:
                    assert self.driver.receive(said(self.sent[-1], busy="interrupt")) == ()
            case "edit" | "withdraw":
                self._change(name, number)
            case "conflict":
                if self.sent and self.sent[-1] in self.state.inbox.seen:
                    self.driver.receive(said(self.sent[-1], sha256="other"))
            case "stop":
                self.driver.receive(Stop(id=number))
            case "close":
                self.driver.receive(Close(id=number, reason="bye"))
            case "configure":
                self.driver.receive(Configure(id=number, model="other", limits=Limits(turn=TurnLimits(steps=2))))
            case "capped":
                self.driver.receive(Configure(id=number, limits=Limits(turn=TurnLimits(cost_usd=0.0021))))
            case "pin":
                self.driver.receive(Configure(id=number, digest="d2"))
            case "finish":
                calls = [key for key, effect in self.open.items() if isinstance(effect, RunActivity)]
                if calls:
                    self._settle(calls[0], "text")
            case "time passes":
                # The main loop may be busy elsewhere for that long.
                self.time += AN_HOUR
            case _:
                self._reply(name, number)

    def _change(self, name: str, command_id: str) -> None:
        """Of a message that waits, if one does."""
        waiting = [message.id for message in self.state.inbox.messages]
        wanted = waiting[len(self.events) % len(waiting)] if waiting else "m1"
        command: EditMessage | WithdrawMessage
        if name == "edit":
            command = EditMessage(id=command_id, message_id=wanted, parts=(Text(text="edited"),))
        else:
            command = WithdrawMessage(id=command_id, message_id=wanted)
        changes = self.driver.receive(command)
        assert (len(changes) > 1) is bool(waiting)
        assert self.driver.receive(command) == ()

    def _reply(self, name: str, answer_id: str) -> None:
        open_now = self.state.questions.open
        if name == "late":
            settled = self.state.questions.settled[:1]
            command = Answer(id=answer_id, question_id=settled[0].question_id if settled else "none")
        elif not open_now:
            return
        else:
            # Of any kind: the gateway rejects an answer that does not fit, and here it must do no harm.
            command = Answer(
                id=answer_id,
                question_id=open_now[len(self.events) % len(open_now)].question_id,
                approved=name not in ("deny", "decline"),
                args={"n": 9} if name == "edit" else None,
                remember=name == "remember",
                result="given" if name == "give" else None,
            )
        changes = self.driver.receive(command)
        assert (changes == (CommandSeen(id=command.id),)) is (name == "late")
        assert self.driver.receive(command) == ()
        again = command.model_copy(update={"id": f"{answer_id}.again"})
        assert self.driver.receive(again) == (CommandSeen(id=again.id),)

    def go_on(self, outcome: str) -> bool:
        """Does what comes next, or else ends what is open; returns False if there is nothing to do."""
        action = next_action(self.state)
        if not isinstance(action, Wait | Rest | Exit):
            self.driver.carry_out(action)
            self._check_room()
            return True
        assert self.open.keys() == (action.running if isinstance(action, Wait) else frozenset())
        if not isinstance(action, Exit) and action.until is not None and action.until <= self.time:
            self.driver.settle(TimePassed())
        elif self.open:
            # The effect that began last ends first.
            self._settle(list(self.open)[-1], outcome)
        else:
            return False
        return True

    def _check_room(self) -> None:
        running = [effect.call.name for effect in self.open.values() if isinstance(effect, RunActivity)]
        assert len(running) <= max(2, self.state.effective_limits.session.parallel_calls)
        assert running.count("check") <= 1

    def _settle(self, key: str, outcome: str) -> None:
        effect = self.open[key]
        match effect:
            case AskModel(record=record):
                self.driver.settle(ModelEnded(record.step_id, _outcome(record, outcome)))
            case LoadDefinition(request=request):
                loaded = agent(request.digest, tools=TOOLS, limits=LIMITS)
                self.driver.settle(DefinitionLoaded(failed() if request.digest == "broken" else loaded))
            case RunActivity(call=call, use=use):
                lost = UNKNOWN if use.side_effects == "once" else failed()
                ended = lost if outcome in ("fail", "once") else ToolOutput(output=3)
                self.driver.settle(ToolEnded(call.call_id, ended))
            case _:
                raise AssertionError(f"nobody wants {effect}")
        assert key not in self.open


def said(message_id: str, *, sha256: str = "x", digest: str | None = None, busy: Busy | None = None) -> SendMessage:
    return SendMessage(
        message_id=message_id, parts=(Text(text="hi"),), content_sha256=sha256, cursor=0, digest=digest, busy=busy
    )


def _outcome(record: StepRecord, name: str) -> StepOutput | StepFailure:
    if name == "fail":
        return StepFailure(failed("model_overloaded"), Partial(attempt=1, lost=0, streaming=False))
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
            "tools_digest": "other" if name == "other tools" else "",
            "attempt": 1,
            "request_sha256": "x",
        }
    )


def survives(state: SessionState) -> None:
    again = read_state(dump_state(state))
    assert again == state
    assert next_action(again) == next_action(state)


def count(events: list[Event], kind: str, key: str) -> Counter[Any]:
    return Counter(getattr(event, key) for event in events if event.type == kind)


def once(counted: Counter[Any]) -> set[Any]:
    assert set(counted.values()) <= {1}, counted
    return set(counted)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(moves=MOVES, outcomes=OUTCOME_LISTS)
def test_what_always_holds(moves: list[str | None], outcomes: list[str]) -> None:
    holds(moves, outcomes)


@pytest.mark.slow
@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(moves=MOVES, outcomes=OUTCOME_LISTS)
def test_what_always_holds_in_a_thousand_orders(moves: list[str | None], outcomes: list[str]) -> None:
    holds(moves, outcomes)


def holds(moves: list[str | None], outcomes: list[str]) -> None:
    tiny = Tiny()
    survives(tiny.state)
    for number, move in enumerate(moves):
        if move is None:
            tiny.go_on(outcomes[number % len(outcomes)])
        else:
            tiny.command(move)
        survives(tiny.state)
    # Whatever happened, the session comes to rest, and every message that was not refused has had its turn.
    for number in range(1000):
        if tiny.go_on("text"):
            continue
        if not tiny.state.questions.open:
            break
        assert tiny.state.status == "waiting"
        tiny.command(ANSWERS[number % len(ANSWERS)])
    else:
        raise AssertionError("never at rest")
    added = once(Counter(event.message.id for event in tiny.events if event.type == "message.added"))
    rejected = [e for e in tiny.events if e.type == "message.rejected" and e.reason != "conflict"]
    refused = once(Counter(e.message_id for e in rejected))
    assert {e.reason for e in rejected} <= {"session_closed", "busy", "withdrawn"}
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
    messages = tiny.state.transcript.messages
    parts = [part for message in messages for part in message.parts]
    called = once(Counter(part.call_id for part in parts if isinstance(part, ToolCall)))
    assert called == once(Counter(part.call_id for part in parts if isinstance(part, ToolResult))) == set(finished)
    once(Counter(message.id for message in messages))
    asked = once(count(events, "approval.requested", "question_id"))
    assert asked == once(count(events, "approval.resolved", "question_id"))
    wanted = once(count(events, "input.requested", "question_id"))
    assert once(count(events, "input.received", "question_id")) <= wanted
    assert once(Counter(one.question_id for one in tiny.state.questions.settled)) == asked | wanted
    assert set(tiny.asked) == asked | wanted
    started_at = {event.call_id: event for event in events if event.type == "tool.started"}
    _check_steering(tiny)
    for event in events:
        if event.type == "approval.resolved" and not event.approved:
            # A call that was not allowed did not run: its start and end are published together.
            assert started_at[event.call_id].seq > event.seq
    assert tiny.state.log.events == tuple(events[tiny.state.log.oldest - 1 :])


def _check_steering(tiny: Tiny) -> None:
    """Whatever joins a turn does so between its steps, after the results of all calls; and the model answers it."""
    open_now: set[str] = set()
    unanswered: set[str] = set()
    for event in tiny.events:
        match event.type:
            case "step.started" | "tool.started":
                open_now.add(event.call_id if event.type == "tool.started" else event.step_id)
                unanswered -= {"joined"} if event.type == "step.started" else set()
            case "step.finished" | "tool.finished":
                open_now.discard(event.call_id if event.type == "tool.finished" else event.step_id)
            case "message.added":
                assert not open_now
                unanswered.add("joined")
            case "turn.finished":
                # One that nobody came to answer was stopped, or failed, or had too little left.
                assert not unanswered or event.reason != "done"
                unanswered.clear()


def test_a_message_between_a_turn_without_a_definition_and_its_end_harms_nothing() -> None:
    """A run may end between any two actions, and signals come in first in the next one."""
    tiny = Tiny()
    tiny.driver.receive(said("m1"))
    tiny.driver.advance()
    tiny.driver.settle(DefinitionLoaded(failed()))
    action = next_action(tiny.state)
    assert isinstance(action, StartTurn)
    tiny.driver.carry_out(action)
    tiny.driver.receive(said("m2"))
    tiny.driver.advance()
    ends = [event.reason for event in tiny.events if isinstance(event, TurnFinished)]
    assert ends[0] == "failed"
    assert tiny.state.turn is None or tiny.state.turn.turn_id == "t2"
