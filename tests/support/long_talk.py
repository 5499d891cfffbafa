"""A session over the pure core whose model has a window, counts the tokens of each request, and refuses what is too long."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from perdure.workflows.core.actions import Exit, Rest, Wait
from perdure.workflows.core.changes import Change
from perdure.workflows.core.effects import AskModel, Effect, LoadDefinition, RunActivity, SealPart
from perdure.workflows.core.outcomes import DefinitionLoaded, ModelEnded, SealingEnded, ToolEnded
from perdure.workflows.core.prompt import build_prompt
from perdure.workflows.core.sealing import part_of
from perdure.workflows.core.state.session import SessionState, new_state
from perdure.workflows.core.step import StepFailure
from perdure.workflows.definition.agent import LoadedAgent
from perdure.workflows.protocol.activities import Partial, StepOutput, ToolOutput
from perdure.workflows.protocol.segment_blobs import sealed_as
from perdure.workflows.protocol.signals import BEHAVIOR, NewSession, SendMessage
from perdure.workflows.protocol.steps import Prompt, StepRecord, View
from perdure.workflows.running.driver import Driver
from perdure.workflows.vocabulary.errors import MODEL_CONTEXT_LENGTH
from perdure.workflows.vocabulary.events import ContextCompacted, Event
from perdure.workflows.vocabulary.parts import (
    Message,
    Part,
    StopReason,
    Text,
    Timing,
    ToolCall,
    ToolError,
    ToolResult,
    Usage,
)
from tests.support.core import AT
from tests.support.plain_world import PlainWorld

#: Characters that a token of the model is worth.
WIDTH = 4
MOST_STEPS = 400


@dataclass(frozen=True)
class Request:
    """What a model was sent."""

    record: StepRecord
    prompt: Prompt
    messages: tuple[Message, ...]

    @property
    def text(self) -> str:
        shown = "\n".join(message.model_dump_json(include={"role", "parts"}) for message in self.messages)
        return f"{self.prompt.system}\n{shown}\n{[tool.model_dump_json() for tool in self.prompt.tools]}"

    @property
    def tokens(self) -> int:
        return len(self.text) // WIDTH

    @property
    def said(self) -> list[str]:
        """All its texts."""
        return [part.text for message in self.messages for part in message.parts if isinstance(part, Text)]


def say(text: str) -> tuple[Part, ...]:
    return (Text(text=text),)


def failure(kind: str, message: str = "no", *, window: int | None = None, tokens: int | None = None) -> StepFailure:
    partial = Partial(attempt=1, lost=0, streaming=False)
    return StepFailure(ToolError(type=kind, message=message), partial, window=window, tokens=tokens)


def pairs(request: Request) -> tuple[set[str], set[str]]:
    """The calls of a request that have no result in it, and the results that have no call before them."""
    open_calls: set[str] = set()
    orphans: set[str] = set()
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, ToolCall):
                open_calls.add(part.call_id)
            elif isinstance(part, ToolResult):
                orphans |= {part.call_id} - open_calls
                open_calls.discard(part.call_id)
    return open_calls, orphans


@dataclass
class LongTalk(PlainWorld):
    """`answers` makes the parts of an answer of a request, or why there is none; `summarises` the same of a summary."""

    agent: LoadedAgent
    #: Tokens; what the provider really takes, whatever the definition says.
    window: int
    answers: Callable[[Request], Sequence[Part] | StepFailure] = lambda request: say("ok")
    summarises: Callable[[Request], str | StepFailure] = lambda request: "<summary>so far</summary>"
    tells_sizes: bool = True
    #: Summaries are only ready once the turn is over.
    slow_summaries: bool = False
    events: list[Event] = field(default_factory=list)
    #: All messages, by number.
    said: list[Message] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    open: dict[str, Effect] = field(default_factory=dict)
    refused: int = 0
    sent: int = 0
    #: Why an answer of a request ends; None: it has come to its end.
    stops: Callable[[Request], StopReason | None] = lambda request: None
    new: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        fields = {"tenant": "acme", "session_id": "s1", "agent": "plain", "digest": "d1", "behavior": BEHAVIOR}
        self.time = AT
        self.driver = Driver(new_state(NewSession.model_validate(fields | self.new), AT), self)
        self.driver.open(None)

    @property
    def compacted(self) -> list[ContextCompacted]:
        return [event for event in self.events if isinstance(event, ContextCompacted)]

    @property
    def answered(self) -> list[Request]:
        """The requests of turns."""
        return [request for request in self.requests if request.record.compaction is None]

    @property
    def summaries(self) -> list[Request]:
        return [request for request in self.requests if request.record.compaction is not None]

    # The session's surroundings.

    def now(self) -> datetime:
        return self.time

    def took(self, before: SessionState, change: Change, after: SessionState) -> None:
        super().took(before, change, after)
        if after.transcript.total > before.transcript.total:
            self.said.append(after.transcript.messages[-1])

    # What happens to the session.

    def send(self, text: str) -> None:
        self.sent += 1
        number = self.sent
        message = SendMessage(
            message_id=f"m{number}", parts=(Text(text=text),), content_sha256=str(number), cursor=0, digest=None
        )
        self.driver.receive(message)

    def turn(self, text: str) -> str:
        """Sends a message, and lets the session work until it rests; returns how the turn ended."""
        self.send(text)
        self.work()
        return next(event.reason for event in reversed(self.events) if event.type == "turn.finished")

    def work(self) -> None:
        """Until the session rests and nothing is open."""
        for _ in range(MOST_STEPS):
            action = self.driver.advance()
            self.time += timedelta(seconds=1)
            if isinstance(action, Rest | Exit) and not self.open:
                return
            assert isinstance(action, Wait | Rest)
            self.settle(self.next_open())
        raise AssertionError(f"the session does not come to rest: {[event.type for event in self.events[-10:]]}")

    def next_open(self) -> Effect:
        """The effect that ends next."""
        effects = list(self.open.values())
        others = [one for one in effects if not (isinstance(one, AskModel) and one.record.compaction is not None)]
        return (others or effects)[0] if self.slow_summaries else effects[0]

    def settle(self, effect: Effect) -> None:
        match effect:
            case LoadDefinition():
                self.driver.settle(DefinitionLoaded(self.agent))
            case RunActivity():
                size = effect.args.get("size", 10)
                assert isinstance(size, int)
                self.driver.settle(ToolEnded(effect.key, ToolOutput(output="x" * size)))
            case SealPart():
                sealed, _ = sealed_as(part_of(self.state), self.state.log.segments)
                self.driver.settle(SealingEnded(sealed))
            case AskModel():
                self.driver.settle(ModelEnded(effect.key, self._asked(effect.record)))
            case _:
                raise AssertionError(effect)

    def seen(self, view: View) -> tuple[Message, ...]:
        """The messages of a view, sealed or not."""
        stretches = view.path.between(view.start, view.count)
        return tuple(message for one in stretches for message in self.said[one.start : one.stop])

    def _asked(self, record: StepRecord) -> StepOutput | StepFailure:
        prompt = build_prompt(self.state, record)
        request = Request(record, prompt, prompt.around(self.seen(record.view)))
        self.requests.append(request)
        if request.tokens + prompt.model.max_output_tokens > self.window:
            self.refused += record.compaction is None
            told = {"window": self.window, "tokens": request.tokens} if self.tells_sizes else {}
            return failure(MODEL_CONTEXT_LENGTH, "too long", **told)
        found = self.answers(request) if record.compaction is None else self.summarises(request)
        if isinstance(found, StepFailure):
            return found
        parts = say(found) if isinstance(found, str) else tuple(found)
        stop = self.stops(request) if record.compaction is None else None
        calls = any(isinstance(part, ToolCall) for part in parts)
        return StepOutput(
            parts=parts,
            model=record.model,
            usage=Usage(input_tokens=request.tokens, output_tokens=sum(len(str(part)) for part in parts) // WIDTH + 1),
            cost_usd=0.001,
            timing=Timing(total_ms=1),
            stop=stop or ("tool_calls" if calls else "end"),
            attempt=1,
            request_sha256="0" * 64,
        )
