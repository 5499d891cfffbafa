"""Whatever of a turn is lost on the way, tried again, or read in pieces: AG-UI's clients end with the same messages."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perdure.gateway.live.items import Frame
from perdure.gateway.projections.ag_ui import Run
from perdure.gateway.projections.ag_ui_messages import Conversation, native
from perdure.gateway.projections.ag_ui_run_of import RunOf
from perdure.gateway.projections.ag_ui_state import State
from perdure.temporal.live.frames import StepDelta, StepProgress
from perdure.temporal.live.streamed import follow_step
from perdure.temporal.sessions.snapshot import Snapshot
from perdure.workflows.core import answers
from perdure.workflows.protocol.queries import EndedTurn, PageRequest
from perdure.workflows.protocol.segments import said_in
from perdure.workflows.vocabulary.events import Event, Events, StepFinished, StepStarted, ToolFinished, TurnFinished
from tests.support.ag_ui import Client, verify
from tests.support.core import AT, Story
from tests.support.lost_frames import seen

WORDS = st.sampled_from(["a", " b", "c ", "\n", "{", "é"])
PARTS = st.one_of(
    st.tuples(st.just("text"), st.lists(WORDS, min_size=1, max_size=4)),
    st.tuples(st.just("reasoning"), st.lists(WORDS, min_size=1, max_size=3)),
    st.tuples(st.just("tool_input"), st.sampled_from([['{"a"', ":1}"], ["{}"], ['{ "b" : ', "[2] }"]])),
)
STEP = st.lists(PARTS, min_size=1, max_size=4)


@dataclass
class Told:
    """Everything that happens in a turn: events and frames, in order."""

    items: list[Event | Frame] = field(default_factory=list)
    seq: int = 0

    def event(self, kind: str, **fields: Any) -> None:
        self.seq += 1
        told = {"type": kind, "seq": self.seq, "at": AT, "turn_id": "t1", **fields}
        self.items.append(Events.validate_python(told))


def turn(steps: list[tuple[Any, Any]]) -> list[Event | Frame]:
    """A turn of these steps. Each is what a first attempt streams before it is lost, None where it is not, and the
    answer."""
    told = Told()
    told.event("turn.started", cause="message")
    message = {"id": "m1", "role": "user", "turn_id": "t1", "at": AT, "parts": [{"type": "text", "text": "hi"}]}
    told.event("message.added", message=message)
    for number, (lost, answer) in enumerate(steps, 1):
        step_id = f"t1.s{number}"
        told.event("step.started", step_id=step_id, model="demo/x")
        attempt = 1
        if lost is not None:
            told.items += deltas(step_id, 1, lost)
            told.items.append(StepProgress(step_id, 2))
            attempt = 2
        told.items += deltas(step_id, attempt, answer)
        parts, calls = said(step_id, answer)
        message = {"id": step_id, "role": "assistant", "turn_id": "t1", "at": AT, "parts": parts}
        told.event(
            "step.finished",
            step_id=step_id,
            message=message,
            model="demo/x",
            usage={},
            cost_usd=0.0,
            timing={"first_token_ms": 1, "total_ms": 1},
            stop="end",
            attempt=attempt,
            request_sha256=None,
        )
        for call in calls:
            told.event("tool.started", call_id=call, name="add", args={})
        for call in reversed(calls):
            result = {"type": "tool_result", "call_id": call, "name": "add", "output": call}
            told.event("tool.finished", call_id=call, name="add", result=result, duration_ms=1)
    told.event("turn.finished", reason="done", usage={}, cost_usd=0.0)
    return told.items


def deltas(step_id: str, attempt: int, answer: Any) -> list[StepDelta]:
    made: list[StepDelta] = []
    for part, (kind, pieces) in enumerate(answer):
        for place, text in enumerate(pieces):
            name = "add" if kind == "tool_input" and place == 0 else None
            made.append(StepDelta(step_id, attempt, len(made), part, kind, text, name))
    return made


def said(step_id: str, answer: Any) -> tuple[list[dict[str, Any]], list[str]]:
    parts: list[dict[str, Any]] = []
    calls: list[str] = []
    for kind, pieces in answer:
        text = "".join(pieces)
        if kind == "tool_input":
            calls.append(f"{step_id}.c{len(calls) + 1}")
            args = {"{}": {}, '{"a":1}': {"a": 1}}.get(text, {"b": [2]})
            parts.append({"type": "tool_call", "call_id": calls[-1], "name": "add", "args": args})
        else:
            parts.append({"type": kind, "text": text})
    return parts, calls


def snapshot(items: list[Event | Frame]) -> Snapshot:
    """The session after these."""
    events = [item for item in items if not isinstance(item, Frame)]
    page = answers.snapshot(Story.new().state, "acme/s1", PageRequest())
    over = bool(events) and isinstance(events[-1], TurnFinished)
    now = {"seq": events[-1].seq if events else 0, "turn_id": None if over else "t1"}
    ended = {"ended": EndedTurn(turn_id="t1", reason="done"), "status": "idle"} if over else {"status": "working"}
    return Snapshot(page.model_copy(update=now | ended), said_in(events))


def follow(client: Client, made: Run, first: list[dict[str, Any]], values: list[Event | Frame]) -> bool:
    """Whether the run is over."""
    told = list(first)
    for value in values:
        told += made.take(value)
    verify(told, is_whole=made.over)
    client.apply(told)
    return made.over


HAD = {"id": "m1", "role": "user", "content": "hi"}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=st.lists(st.tuples(st.none() | STEP, STEP), min_size=1, max_size=3),
    drops=st.sets(st.integers(0, 60)),
    cuts=st.lists(st.integers(0, 80), max_size=3),
)
def test_clients_end_with_the_same_messages(steps: Any, drops: set[int], cuts: list[int]) -> None:
    items = turn(steps)
    wanted = Conversation()
    for message in said_in(item for item in items if not isinstance(item, Frame)):
        wanted.add(native(message), "s1")
    expected = Client(wanted.messages).told

    client = Client([dict(HAD)])
    sent = seen(items, drops)
    made = Run(RunOf("s1", "r1", message_id="m1"), State("s1", "plain"), [HAD])
    first, place = made.begin(), 0
    for cut in sorted(cuts):
        at = max(place, min(cut, len(sent) - 1))
        assert not follow(client, made, first, sent[place:at])
        # The client comes again: a snapshot, and what the open step has streamed so far.
        made = Run(RunOf("s1", "r1"), State("s1", "plain"))
        first, place = [*made.begin(), *made.take(snapshot(sent[:at]))], at
        if made.over:
            break
        if (streamed := so_far(sent[:at])) is not None:
            first += made.take(streamed)
    if not made.over:
        assert follow(client, made, first, sent[place:])
    else:
        verify(first)
        client.apply(first)
    reasoned, others = apart(client.told)
    wanted_reasoning, wanted_others = apart(expected)
    assert others == wanted_others
    # Nothing but a snapshot with other reasoning takes reasoning from a client. What a cut stream had may stay.
    assert reasoned == wanted_reasoning or (cuts and wanted_reasoning.items() <= reasoned.items())


def apart(messages: list[dict[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Reasoning by its id, for clients keep its place where they keep it, and the other messages in order."""
    reasoned = {one["id"]: one["content"] for one in messages if one["role"] == "reasoning" and one["content"]}
    return reasoned, [message for message in messages if message["role"] != "reasoning"]


def so_far(sent: list[Event | Frame]) -> StepProgress | None:
    progress: StepProgress | None = None
    for item in sent:
        if isinstance(item, StepDelta | StepProgress):
            progress = follow_step(progress, item)
        elif isinstance(item, StepStarted | StepFinished | ToolFinished):
            progress = None
    return progress
