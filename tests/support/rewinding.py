"""A session over the pure core whose model, tools and people do as a test says, one thing at a time."""

from collections.abc import Callable
from typing import Any

from pydantic import JsonValue

from perdure.workflows.core.actions import Rest, Wait
from perdure.workflows.core.effects import AskModel, Effect, LoadDefinition, RunActivity
from perdure.workflows.core.outcomes import DefinitionLoaded, ModelEnded, ToolEnded
from perdure.workflows.core.prompt import build_prompt
from perdure.workflows.core.rewinds.branches import branches
from perdure.workflows.core.state.session import SessionState, dump_state, new_state, read_state
from perdure.workflows.core.step import StepFailure
from perdure.workflows.protocol.activities import Partial, StepOutput, ToolOutput
from perdure.workflows.protocol.branch_queries import BranchesPage, BranchesRequest
from perdure.workflows.protocol.signals import BEHAVIOR, Answer, NewSession, Retry, Rewind, SendMessage, Stop
from perdure.workflows.running.driver import Driver
from perdure.workflows.vocabulary.events import Event
from perdure.workflows.vocabulary.parts import (
    Message,
    Part,
    StopReason,
    Text,
    Timing,
    ToolCall,
    ToolError,
    ToolSpec,
    Usage,
)
from perdure.workflows.vocabulary.questions import By
from tests.support.core import AT, agent
from tests.support.plain_world import PlainWorld

#: `pay` can be taken back, `send` happens once and cannot, `add` does no harm when repeated, `look` changes nothing.
TOOLS: list[Any] = [
    {"pay": {"side_effects": "once", "undo": "refund"}},
    "refund",
    {"send": {"side_effects": "once"}},
    "add",
    {"look": {"side_effects": "none"}},
    "wake_me",
    "cancel_wake_up",
]
_REFUND = ToolSpec(
    name="refund",
    description="",
    input={"type": "object", "properties": {"payment_id": {}, "amount": {}}, "required": ["payment_id"]},
)


class Talk(PlainWorld):
    """Calls return at once with what `returns` says; a model answers as told, then waits for the next telling."""

    def __init__(
        self,
        returns: Callable[[str, dict[str, JsonValue]], JsonValue | ToolError] | None = None,
        tools: list[Any] = TOOLS,
    ) -> None:
        self.tools = tools
        new = NewSession(tenant="acme", session_id="s1", agent="plain", digest="d1", behavior=BEHAVIOR, dated=True)
        self.returns = returns or (lambda name, args: {"payment_id": "P-1"} if name == "pay" else "ok")
        self.events: list[Event] = []
        #: Tools that ran, with their call's id and arguments.
        self.ran: list[tuple[str, str, dict[str, JsonValue]]] = []
        #: What each request of a model held, by step.
        self.seen: dict[str, tuple[Message, ...]] = {}
        self.open: dict[str, Effect] = {}
        self.time = AT
        self.commands = 0
        #: Tools whose calls stay open.
        self.holds: set[str] = set()
        self.driver = Driver(new_state(new, AT), self)
        self.driver.open(None)
        self.advance()

    # The world that the driver drives in.

    def start(self, effect: Effect, state: SessionState) -> None:
        super().start(effect, state)
        if isinstance(effect, AskModel):
            view = effect.record.view
            self.seen[effect.key] = build_prompt(state, effect.record).seen(state.transcript.seen(view))

    def end(self, key: str) -> None:
        effect = self.open[key]
        if isinstance(effect, AskModel):
            self._ending.append(key)

    # What people and models do.

    _ending: list[str] = []

    def advance(self) -> None:
        """Until only a model, a held tool or a person can go on."""
        while True:
            action = self.driver.advance()
            # A run may hand over to the next between any two actions.
            if not self.open:
                self.driver.state = read_state(dump_state(self.state))
            if not isinstance(action, Wait | Rest) or not self._one():
                return

    def _one(self) -> bool:
        while self._ending:
            key = self._ending.pop()
            if key in self.open:
                self.driver.settle(ModelEnded(key, self._output((Text(text="par"),), "stopped")))
                return True
        for effect in list(self.open.values()):
            if isinstance(effect, LoadDefinition):
                self.driver.settle(DefinitionLoaded(loaded(self.tools)))
                return True
            if isinstance(effect, RunActivity) and effect.use.name not in self.holds:
                self.ran.append((effect.use.name, effect.key, effect.args))
                outcome = self.returns(effect.use.name, effect.args)
                self.driver.settle(
                    ToolEnded(effect.key, outcome if isinstance(outcome, ToolError) else ToolOutput(output=outcome))
                )
                return True
        return False

    def say(self, text: str, message_id: str, **options: Any) -> None:
        parts = (Text(text=text),)
        cursor = self.state.log.seq
        self.driver.receive(
            SendMessage(message_id=message_id, parts=parts, content_sha256=text, cursor=cursor, **options)
        )
        self.advance()

    def answers(self, text: str = "yes", calls: tuple[tuple[str, dict[str, JsonValue]], ...] = (), **how: Any) -> str:
        """The model that was asked answers; the id of the step."""
        key = next(key for key, effect in self.open.items() if isinstance(effect, AskModel))
        stop: StopReason = how.get("stop") or ("tool_calls" if calls else "end")
        parts: list[Part] = [Text(text=text)] if text else []
        parts += [
            ToolCall(call_id=f"{key}.c{number}", name=name, args=args, checked="tool")
            for number, (name, args) in enumerate(calls, 1)
        ]
        self.driver.settle(ModelEnded(key, self._output(tuple(parts), stop)))
        self.advance()
        return key

    def fails(self) -> None:
        """The model that was asked gives no answer."""
        key = next(key for key, effect in self.open.items() if isinstance(effect, AskModel))
        error = ToolError(type="model_server_error", message="It broke.")
        self.driver.settle(ModelEnded(key, StepFailure(error, Partial(attempt=1, lost=0, streaming=False))))
        self.advance()

    def _output(self, parts: tuple[Part, ...], stop: StopReason) -> StepOutput:
        return StepOutput(
            parts=parts,
            model="demo/main",
            usage=Usage(input_tokens=10, output_tokens=2),
            cost_usd=0.001,
            timing=Timing(total_ms=1),
            stop=stop,
            attempt=1,
            request_sha256="0" * 64,
        )

    def stop(self) -> None:
        self.driver.receive(Stop(id=self._id()))
        self.advance()

    def rewind(self, message_id: str, text: str | None = None, **options: Any) -> str:
        """As the session service does it; the command's id."""
        said = self.messages()
        position = next(place for place, one in enumerate(said) if one.id == message_id)
        found, command_id = said[position], self._id()
        again = text is None and found.role == "user"
        fields: dict[str, Any] = {}
        if found.role == "user":
            fields = {
                "new_id": found.id if again else command_id,
                "parts": found.parts if again else (Text(text=text or ""),),
            }
        else:
            fields = {"continues": found.turn_id}
        self.driver.receive(
            Rewind(
                id=command_id,
                content_sha256=command_id,
                cursor=self.state.log.seq,
                message_id=message_id,
                number=self.state.transcript.path.number(position),
                again=again,
                **fields,
                **options,
            )
        )
        self.advance()
        return command_id

    def back(self, branch: str, **options: Any) -> str:
        command_id = self._id()
        self.driver.receive(
            Rewind(
                id=command_id,
                content_sha256=command_id,
                cursor=self.state.log.seq,
                branch=branch,
                **options,
            )
        )
        self.advance()
        return command_id

    def retry(self) -> str:
        command_id = self._id()
        ended = self.state.ended
        assert ended is not None
        self.driver.receive(
            Retry(id=command_id, content_sha256=command_id, cursor=self.state.log.seq, turn_id=ended.turn_id)
        )
        self.advance()
        return command_id

    def answer(self, approved: bool, by: By | None = None) -> None:
        """The oldest open question."""
        asked = self.state.questions.open[0].question_id
        self.driver.receive(Answer(id=self._id(), question_id=asked, approved=approved, by=by))
        self.advance()

    def _id(self) -> str:
        self.commands += 1
        return f"x{self.commands}"

    # What can be seen.

    def messages(self) -> tuple[Message, ...]:
        transcript = self.state.transcript
        return transcript.on(transcript.path, 0, transcript.count)

    def ids(self) -> list[str]:
        return [message.id for message in self.messages()]

    def kinds(self, after: int = 0) -> list[str]:
        return [event.type for event in self.events if event.seq > after]

    def branches(self, **request: Any) -> BranchesPage:
        return branches(self.state, BranchesRequest(**request))

    def asks(self) -> bool:
        """A model's answer is awaited."""
        return any(isinstance(effect, AskModel) for effect in self.open.values())


def loaded(tools: list[Any] = TOOLS) -> Any:
    made = agent(tools=tools)
    return made.model_copy(update={"tools": (_REFUND,)})
