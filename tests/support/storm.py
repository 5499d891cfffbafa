"""A session to which everything happens at once, over the pure core, and what is known of it beside it.

Messages, rewinds, summaries, seals, limits, questions, and runs that hand over to the next, in an order that a seed decides.
"""

import random
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final, get_args

from perdure.workflows.core.actions import Exit, Idle, Rest, Wait
from perdure.workflows.core.calls.results import UNKNOWN
from perdure.workflows.core.changes import Change
from perdure.workflows.core.dates import turn_start
from perdure.workflows.core.effects import SEAL, AskModel, Effect, LoadDefinition, RunActivity, SealPart, awaited
from perdure.workflows.core.next_action import next_action
from perdure.workflows.core.outcomes import DefinitionLoaded, ModelEnded, SealingEnded, TimePassed, ToolEnded
from perdure.workflows.core.prompt import build_prompt
from perdure.workflows.core.rewinds.cut_calls import cut_calls
from perdure.workflows.core.runs import SessionInput, handed_over, lifted, taken_over
from perdure.workflows.core.sealing import part_of
from perdure.workflows.core.state.session import SessionState, dump_state, new_state, read_state
from perdure.workflows.core.step import StepFailure
from perdure.workflows.core.unsealing import holding_again
from perdure.workflows.definition.agent import Limits, LoadedAgent, ModelDefinition, SessionLimits, TurnLimits
from perdure.workflows.definition.limits import OnLimit
from perdure.workflows.protocol.activities import Partial, StepOutput, ToolOutput
from perdure.workflows.protocol.compacted import Summary, fold_id, summary_in
from perdure.workflows.protocol.paths import Path, Stretch
from perdure.workflows.protocol.segment_blobs import decode_index, decode_segment, sealed_as
from perdure.workflows.protocol.segments import Segment, message_in
from perdure.workflows.protocol.signals import (
    BEHAVIOR,
    Answer,
    Close,
    Configure,
    EditMessage,
    NewSession,
    Retry,
    Rewind,
    SendMessage,
    Stop,
    WithdrawMessage,
)
from perdure.workflows.protocol.steps import StepRecord, View
from perdure.workflows.running.driver import Driver
from perdure.workflows.vocabulary.busy import Busy
from perdure.workflows.vocabulary.errors import MODEL_CONTEXT_LENGTH
from perdure.workflows.vocabulary.events import ContextCompacted, Event, EventBase
from perdure.workflows.vocabulary.parts import Message, Part, StopReason, Text, Timing, ToolCall, ToolError, Usage
from perdure.workflows.vocabulary.rewinds import FIRST_BRANCH, TranscriptRewound
from perdure.workflows.vocabulary.zones import day_of
from tests.support.core import AT, agent, failed
from tests.support.plain_world import PlainWorld

TOOLS: Final[list[Any]] = [
    {"pay": {"side_effects": "once", "undo": "refund"}},
    "refund",
    {"send": {"side_effects": "once", "on_unknown": "ask"}},
    {"check": {"approval": {"when": "{{ args.n > 1 }}", "expires": "30m", "default": "approve"}, "parallel": 1}},
    "add",
    {"look": {"side_effects": "none"}},
    {"client": {"name": "pick", "description": "x", "expires": "2h"}},
    "wake_me",
    "cancel_wake_up",
]
_BUSY: Final[tuple[Busy | None, ...]] = (None, "queue", "steer", "interrupt", "reject")
_ON_LIMIT: Final[tuple[OnLimit, ...]] = ("ask", "stop")
#: Text of a conversation bears its own name, so that it is known again wherever it turns up.
_NAME: Final = re.compile(r"#([^#\s]+)#")
_DAY: Final = re.compile(r"^Today is (.*?)(?:, until a later line names another day)?\.$", re.MULTILINE)
#: Characters that a token is worth.
_WIDTH: Final = 4
_STOPS: Final = frozenset(get_args(StopReason))
#: Bytes of a state that rests.
MOST_CARRIED: Final = 200 * 1024


@dataclass
class Sent:
    """What a model was sent."""

    record: StepRecord
    messages: tuple[Message, ...]
    #: The numbers of the messages of the branch then.
    branch: tuple[int, ...]


@dataclass
class Tree:
    """What viewers of the events know: the numbers of the messages of each branch."""

    branches: dict[str, list[int]] = field(default_factory=lambda: {FIRST_BRANCH: []})
    current: str = FIRST_BRANCH
    total: int = 0

    @property
    def said(self) -> list[int]:
        return self.branches[self.current]

    def follow(self, event: Event) -> None:
        if isinstance(event, TranscriptRewound):
            assert event.left == self.current
            kept = self.said[: event.kept]
            if event.branch in self.branches:
                assert event.cause == "back"
                assert self.branches[event.branch][: event.kept] == kept
            self.branches.setdefault(event.branch, kept)
            self.current = event.branch
        elif message_in(event) is not None:
            self.said.append(self.total)
            self.total += 1


class Storm(PlainWorld):
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.time = AT
        self.events: list[Event] = []
        self.said: list[Message] = []
        #: On which each of these was said, as its model is told.
        self.days: list[str] = []
        self.tree = Tree()
        self.sent: dict[str, Sent] = {}
        self.blobs: dict[str, bytes] = {}
        self.open: dict[str, Effect] = {}
        #: Message ids by what was done with them.
        self.accepted: set[str] = set()
        self.again: set[str] = set()
        self.ran: Counter[str] = Counter()
        self.count = 0
        self.largest = 0
        self.happened: Counter[str] = Counter()
        new = NewSession(tenant="acme", session_id="s1", agent="plain", digest="d1", behavior=BEHAVIOR, dated=True)
        self.driver = Driver(new_state(new, AT), self)
        self.driver.open(None)
        self.advance()

    # The world that the driver drives in.

    def start(self, effect: Effect, state: SessionState) -> None:
        super().start(effect, state)
        if isinstance(effect, AskModel):
            record = effect.record
            prompt = build_prompt(state, record)
            messages = prompt.around(self.seen(record.view))
            self.sent[record.step_id] = Sent(record, messages, tuple(self.tree.said))
            self.check_branch(record, messages)
            if record.compaction is None:
                self.check_day(f"{prompt.system}\n{chr(10).join(_texts(messages))}")
        if isinstance(effect, RunActivity):
            self.ran[effect.key] += 1

    def took(self, before: SessionState, change: Change, after: SessionState) -> None:
        super().took(before, change, after)
        if isinstance(change, EventBase):
            self.tree.follow(change)
        if after.transcript.total > before.transcript.total:
            self.said.append(after.transcript.messages[-1])
            began = turn_start(after, after.turn_id or "") if after.turn is not None else None
            self.days.append(day_of(began or self.said[-1].at, after.timezone))
        assert after.transcript.total == len(self.said) == self.tree.total

    # What happens.

    def happen(self) -> None:
        """One thing that can happen to a session."""
        what = self.rng.random()
        self.time += timedelta(minutes=self.rng.choice([0, 0, 1, 1, 700]))
        for share, act in (
            (0.14, self.say),
            (0.02, self.change),
            (0.02, self.stop),
            (0.03, self.configure),
            (0.05, self.rewind),
            (0.03, self.back),
            (0.03, self.retry),
            (0.10, self.answer),
            (0.03, self.pass_time),
        ):
            if what < share:
                act()
                break
            what -= share
        else:
            self.settle()
        self.advance()

    def say(self) -> None:
        self.count += 1
        message_id = f"m{self.count}"
        text = self._text(message_id)
        digest = self.rng.choice(["d1", "d2", "d3", "broken"]) if self.rng.random() < 0.1 else None
        busy = self.rng.choice(_BUSY)
        command = SendMessage(
            message_id=message_id,
            parts=(Text(text=text),),
            content_sha256=text,
            cursor=self.state.log.seq,
            digest=digest,
            busy=busy,
        )
        self.driver.receive(command)
        if self.state.inbox.taken_in(message_id) is not None:
            self.accepted.add(message_id)
            assert self.driver.receive(command) == ()

    def change(self) -> None:
        waiting = self.state.inbox.messages
        if waiting:
            one = self.rng.choice(waiting)
            if self.rng.random() < 0.5:
                self.driver.receive(WithdrawMessage(id=self._id(), message_id=one.id))
            else:
                command_id = self._id()
                parts = (Text(text=self._text(command_id)),)
                self.driver.receive(EditMessage(id=command_id, message_id=one.id, parts=parts))

    def stop(self) -> None:
        self.driver.receive(Stop(id=self._id()))

    def configure(self) -> None:
        rng = self.rng
        match rng.randrange(4):
            case 0:
                command = Configure(id=self._id(), digest=rng.choice(["d1", "d2", "d3", "broken"]))
            case 1:
                command = Configure(id=self._id(), model=rng.choice(["main", "other"]))
            case 2:
                command = Configure(id=self._id(), timezone=rng.choice(["Asia/Tokyo", "UTC"]), metadata={"a": 1})
            case _:
                turn = TurnLimits(
                    steps=rng.choice([2, 25]),
                    cost_usd=rng.choice([None, 0.01, 0.02]),
                    tool_calls=rng.choice([None, 3]),
                    working_time=rng.choice([None, timedelta(minutes=5)]),
                )
                limits = Limits(
                    turn=turn, session=SessionLimits(parallel_calls=rng.choice([1, 8])), on_limit=rng.choice(_ON_LIMIT)
                )
                command = Configure(id=self._id(), limits=limits)
        self.driver.receive(command)

    def rewind(self) -> None:
        """As the session service does it."""
        path, said = self.state.transcript.path, self.tree.said
        could = [
            place
            for place, number in enumerate(said)
            if self.said[number].role == "assistant" or (self.said[number].role == "user" and not self.said[number].own)
        ]
        if not could:
            return
        place = self.rng.choice(could[-8:] if self.rng.random() < 0.6 else could)
        found, command_id = self.said[said[place]], self._id()
        assert path.number(place) == said[place]
        fields: dict[str, Any] = {"continues": found.turn_id}
        again = False
        if found.role == "user":
            again = self.rng.random() < 0.4
            parts = found.parts if again else (Text(text=self._text(command_id)),)
            fields = {"new_id": found.id if again else command_id, "parts": parts}
        command = Rewind(
            id=command_id,
            content_sha256=command_id,
            cursor=self.state.log.seq,
            message_id=found.id,
            number=said[place],
            again=again,
            undo=self.rng.choice([None, None, True, False]),
            calls=cut_calls(self.said[number] for number in said[place:]),
            **fields,
        )
        self.driver.receive(command)
        taken = self.state.rewinding is not None and self.state.rewinding.id == command_id
        self.happened["rewind"] += taken
        if taken and found.role == "user":
            (self.again if again else self.accepted).add(fields["new_id"])

    def back(self) -> None:
        others = [branch for branch in self.tree.branches if branch != self.tree.current]
        if not others:
            return
        branch, command_id = self.rng.choice(others), self._id()
        there, said = self.tree.branches[branch], self.tree.said
        kept = 0
        while kept < min(len(there), len(said)) and there[kept] == said[kept]:
            kept += 1
        first = [*said[kept:], *there[kept:]][:1]
        command = Rewind(
            id=command_id,
            content_sha256=command_id,
            cursor=self.state.log.seq,
            branch=branch,
            message_id=self.said[first[0]].id if first else None,
            calls=cut_calls(self.said[number] for number in said[kept:]),
            undo=self.rng.choice([None, None, True, False]),
        )
        self.driver.receive(command)
        self.happened["back"] += self.state.rewinding is not None and self.state.rewinding.id == command_id

    def retry(self) -> None:
        ended, command_id = self.state.ended, self._id()
        if ended is not None:
            command = Retry(id=command_id, content_sha256=command_id, cursor=self.state.log.seq, turn_id=ended.turn_id)
            self.driver.receive(command)
            self.happened["retry"] += self.state.rewinding is not None and self.state.rewinding.id == command_id

    def answer(self) -> None:
        asked = self.state.questions.open
        if not asked:
            return
        one = self.rng.choice(asked)
        result: Any = "given"
        if one.kind == "budget":
            result = self.rng.choice([None, {"cost_usd": 1.0}, {"tool_calls": 50}, {"working_time": "10h"}])
        self.driver.receive(
            Answer(
                id=self._id(),
                question_id=one.question_id,
                approved=self.rng.random() < 0.7,
                remember=self.rng.random() < 0.3,
                result=result,
            )
        )

    def pass_time(self) -> None:
        self.time += timedelta(hours=1)

    def close(self) -> None:
        self.driver.receive(Close(id=self._id(), reason="bye"))
        self.advance()

    # What comes of it.

    def advance(self) -> Idle:
        for _ in range(1_000):
            action = next_action(self.state)
            if isinstance(action, Wait | Rest | Exit):
                until = None if isinstance(action, Exit) else action.until
                if until is not None and until <= self.time:
                    self.driver.settle(TimePassed())
                    continue
                self.check_idle(action)
                return action
            self.driver.carry_out(action)
        raise AssertionError(f"the session goes round: {action}")

    def settle(self) -> None:
        """One of the open effects ends."""
        if not self.open:
            return
        keys = sorted(self.open)
        # Summaries and seals are slow.
        slow = [key for key in keys if key == SEAL or key.startswith("compact")]
        chosen = self.rng.choice(keys if self.rng.random() < 0.3 else [k for k in keys if k not in slow] or keys)
        self.end_effect(self.open[chosen])

    def end_effect(self, effect: Effect) -> None:
        match effect:
            case LoadDefinition(request=request):
                found = self.definition(request.digest)
                self.driver.settle(DefinitionLoaded(found))
            case RunActivity(call=call, use=use):
                outcome: ToolOutput | ToolError
                if self.rng.random() < 0.15:
                    outcome = UNKNOWN if use.side_effects == "once" else failed()
                elif use.name == "pay":
                    outcome = ToolOutput(output={"payment_id": f"P-{self.rng.randrange(3)}"})
                else:
                    outcome = ToolOutput(output=self._text(call.call_id))
                self.driver.settle(ToolEnded(call.call_id, outcome))
            case AskModel(record=record):
                self.driver.settle(ModelEnded(record.step_id, self._answer(record)))
            case SealPart():
                if self.rng.random() < 0.2:
                    self.happened["seal failed"] += 1
                    self.driver.settle(SealingEnded(None))
                else:
                    self.happened["seal"] += 1
                    sealed, blobs = sealed_as(part_of(self.state), self.state.log.segments)
                    self.blobs |= blobs
                    self.driver.settle(SealingEnded(sealed))
            case _:
                raise AssertionError(f"nobody wants {effect}")

    def definition(self, digest: str) -> LoadedAgent | ToolError:
        if digest == "broken":
            return failed()
        # d3's model has a larger window than the price list says nothing of.
        window = {"d1": 4_000, "d2": 6_000, "d3": None}[digest]
        models = {
            role: ModelDefinition(use=f"demo/{role}", max_output_tokens=400, context_window=window)
            for role in ("main", "other", "small")
        }
        limits = Limits(turn=TurnLimits(steps=20, cost_usd=0.05 if digest == "d2" else None))
        tools = TOOLS if digest != "d3" else TOOLS[1:]
        context = {"summarizer": "small"} if digest != "d2" else {}
        return agent(digest, tools=tools, limits=limits, models=models, context=context)

    def _answer(self, record: StepRecord) -> StepOutput | StepFailure:
        rng, sent = self.rng, self.sent[record.step_id]
        length = sum(len(one.model_dump_json(include={"role", "parts"})) for one in sent.messages)
        tokens = length // _WIDTH + 200
        if tokens > 5_000:
            self.happened["too long"] += 1
            partial = Partial(attempt=1, lost=0, streaming=False)
            told = {"window": 5_400, "tokens": tokens} if rng.random() < 0.5 else {}
            return StepFailure(ToolError(type=MODEL_CONTEXT_LENGTH, message="too long"), partial, **told)
        if rng.random() < (0.3 if record.compaction is not None else 0.05):
            return StepFailure(failed("model_overloaded"), Partial(attempt=1, lost=0, streaming=False))
        if record.compaction is not None:
            names = _NAME.findall("".join(_texts(sent.messages)))
            text = f"<summary>{' '.join(f'#{name}#' for name in names[-30:])}</summary>"
            how = rng.random()
            if how < 0.7:
                # Facts are carried word for word, and must not outlive their branch either.
                text += f"<facts>\n- #{rng.choice(names)}# said something\n</facts>" if names else ""
            text = "" if how > 0.95 else text
            return self._output(record, (Text(text=text),) if text else (), "end", tokens)
        stopping = self.state.turn is not None and self.state.turn.stopping
        how = rng.random()
        stop: StopReason = "end"
        parts: list[Part] = [Text(text=self._text(record.step_id))]
        if stopping:
            stop = "stopped"
        elif how < 0.45:
            stop = "tool_calls"
            names = ["pay", "send", "check", "add", "look", "pick", "wake_me", "nowhere"]
            parts += [
                ToolCall(call_id=f"{record.step_id}.c{number}", name=name, args=self._args(name), checked="tool")
                for number, name in enumerate(rng.choices(names, k=rng.randint(1, 3)), 1)
            ]
        elif how < 0.60:
            stop = rng.choice(["max_tokens", "refusal", "content_filter", "pause", "context_window", "repetition"])
        elif how < 0.64:
            parts = []
        return self._output(record, tuple(parts), stop, tokens)

    def _args(self, name: str) -> dict[str, Any]:
        number = self.rng.randint(1, 9)
        match name:
            case "pay":
                return {"amount": number}
            case "wake_me":
                return {"in": "2h", "note": "x"}
            case "check":
                return {"n": number % 3}
            case _:
                return {"n": number}

    def _output(self, record: StepRecord, parts: tuple[Part, ...], stop: StopReason, tokens: int) -> StepOutput:
        assert stop in _STOPS
        return StepOutput(
            parts=parts,
            model=record.model,
            usage=Usage(input_tokens=tokens, output_tokens=sum(len(str(part)) for part in parts) // _WIDTH + 1),
            cost_usd=0.001,
            timing=Timing(total_ms=1),
            stop=stop,
            attempt=1,
            request_sha256="0" * 64,
        )

    def _text(self, name: str) -> str:
        return f"#{name}# " + self.rng.choice("abcdefgh") * self.rng.choice([10, 300, 1_000, 3_000])

    def _id(self) -> str:
        self.count += 1
        return f"x{self.count}"

    def next_run(self) -> None:
        """Whatever is open, a state survives; where nothing is, the session may continue as new."""
        again = read_state(dump_state(self.state))
        assert again == self.state
        assert next_action(again) == next_action(self.state)
        if not self.open:
            start = handed_over(self.state)
            data = start.model_dump_json()
            taken = taken_over(SessionInput.model_validate_json(data))
            assert taken == self.state
            self.driver.state = lifted(taken, BEHAVIOR)
            self.happened["run"] += 1
            if self.state.turn is None and self.state.sealing.failures == 0:
                self.largest = max(self.largest, len(data) - self._waiting())
                assert len(data) - self._waiting() <= MOST_CARRIED, len(data)

    def _waiting(self) -> int:
        return sum(len(one.model_dump_json()) for one in self.state.inbox.messages)

    def rest(self) -> None:
        """Until the session rests and nothing is open."""
        for _ in range(2_000):
            action = self.advance()
            if self.open:
                self.end_effect(self.open[self.rng.choice(sorted(self.open))])
            elif self.state.questions.open:
                self.answer()
            else:
                assert isinstance(action, Rest | Exit), action
                return
        raise AssertionError(f"never at rest: {[event.type for event in self.events[-20:]]}")

    # What must always hold.

    def check_idle(self, action: Idle) -> None:
        state = self.state
        assert self.open.keys() == awaited(state)
        if isinstance(action, Wait):
            assert action.running or action.questions or action.until is not None, "it waits for nothing"
            assert action.running <= self.open.keys()
            assert set(action.questions) <= {one.question_id for one in state.questions.open}
        elif isinstance(action, Rest):
            assert state.turn is None
            assert not state.inbox.messages
            assert state.rewinding is None
            assert not state.questions.open
        assert [*self.numbers(state.transcript.path, state.transcript.count)] == self.tree.said
        assert state.branches.current == self.tree.current

    @staticmethod
    def numbers(path: Path, count: int) -> tuple[int, ...]:
        return tuple(number for one in path.between(0, count) for number in range(one.start, one.stop))

    def seen(self, view: View) -> tuple[Message, ...]:
        return self._of(view.path.between(view.start, view.count))

    def _of(self, stretches: tuple[Stretch, ...]) -> tuple[Message, ...]:
        return tuple(message for one in stretches for message in self.said[one.start : one.stop])

    def check_branch(self, record: StepRecord, messages: tuple[Message, ...]) -> None:
        """The request shows its branch from the beginning, as words or by a summary, and no other."""
        view = record.view
        assert list(self.numbers(view.path, view.count)) == self.tree.said[: view.count]
        if record.compaction is None:
            assert view.count == len(self.tree.said)
        known = {name for number in self.tree.said for name in _NAME.findall("".join(_texts((self.said[number],))))}
        shown = set(_NAME.findall("".join(_texts(messages))))
        assert shown <= known, (record.step_id, shown - known)
        if view.fold is None:
            return
        folded = [self.said[number] for number in self.numbers(view.path, view.start)]
        task = next((message.id for message in folded if message.role == "user"), None)
        fold = next(one for one in self.state.context.folds if one.summary.fold == view.fold)
        pinned = [one.id for one in fold.summary.pinned]
        assert task is None or task in pinned, (record.step_id, task, pinned)

    def check_day(self, request: str) -> None:
        """What a request says last of the date is so for the last message of a user, or of the session, in it."""
        last = next((number for number in reversed(self.tree.said) if self.said[number].role == "user"), None)
        told = _DAY.findall(request)
        assert last is None or told[-1] == self.days[last], (told, self.days[last])

    # What is told in the end.

    def leaves(self) -> list[Segment]:
        refs, waiting = [], list(self.state.log.segments)
        while waiting:
            ref = waiting.pop(0)
            if ref.level:
                waiting = [*decode_index(self.blobs[ref.sha256])[0], *waiting]
            else:
                refs.append(ref)
        return [decode_segment(self.blobs[ref.sha256])[0] for ref in refs]

    def check(self) -> None:
        leaves = self.leaves()
        whole = holding_again(self.state, leaves, ())
        assert list(whole.log.events) == self.events
        assert [event.seq for event in self.events] == list(range(1, len(self.events) + 1))
        assert list(whole.transcript.messages) == self.said
        self.check_steps(whole)
        self.check_messages()
        self.check_calls()

    def check_steps(self, whole: SessionState) -> None:
        """The exact request of each step can be shown."""
        records = {record.step_id: record for record in whole.log.steps}
        assert records.keys() == self.sent.keys()
        for step_id, sent in self.sent.items():
            record = records[step_id]
            assert record.view == sent.record.view
            prompt = build_prompt(replace(whole, context=replace(whole.context, folds=())), record, self.told(record))
            assert prompt.around(self.seen(record.view)) == sent.messages, step_id

    def told(self, record: StepRecord) -> Summary | None:
        """The summary that a step began with, as the events tell it."""
        if record.view.fold is None:
            return None
        event = next(
            one for one in self.events if isinstance(one, ContextCompacted) and fold_id(one) == record.view.fold
        )
        return summary_in(event, tuple(self.said[record.view.path.number(at)] for at in event.pinned))

    def check_messages(self) -> None:
        added = Counter(event.message.id for event in self.events if event.type == "message.added")
        rejected = Counter(
            event.message_id for event in self.events if event.type == "message.rejected" and event.reason != "conflict"
        )
        for message_id in self.accepted:
            times = added[message_id] + rejected[message_id]
            assert times == 1 or (message_id in self.again and times > 1 and rejected[message_id] <= 1), message_id

    def check_calls(self) -> None:
        calls: Counter[str] = Counter()
        results: Counter[str] = Counter()
        for message in self.said:
            for part in message.parts:
                if part.type == "tool_call":
                    calls[part.call_id] += 1
                elif part.type == "tool_result":
                    results[part.call_id] += 1
        assert calls == results
        assert set(calls.values()) <= {1}
        assert not [key for key, times in self.ran.items() if times > 1]
        started = Counter(event.call_id for event in self.events if event.type == "tool.started")
        finished = Counter(event.call_id for event in self.events if event.type == "tool.finished")
        assert started == finished
        assert set(started.values()) <= {1}
        turns = [event.turn_id for event in self.events if event.type == "turn.started"]
        assert turns == [event.turn_id for event in self.events if event.type == "turn.finished"]
        undone = Counter(
            one.call_id for event in self.events if isinstance(event, TranscriptRewound) for one in event.undone
        )
        assert set(undone.values()) <= {1}


def _texts(messages: tuple[Message, ...]) -> list[str]:
    """All words of a conversation, results of tools included."""
    found: list[str] = []
    for message in messages:
        for part in message.parts:
            if isinstance(part, Text):
                found.append(part.text)
            elif part.type == "tool_result" and isinstance(part.output, str):
                found.append(part.output)
    return found
