"""A session whose agent has handlers, over the pure core: a test says what models and tools answer."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from perdure.activities.models.answer_validation import misfit_of
from perdure.workflows.core.actions import Action, Exit, Rest, Wait
from perdure.workflows.core.effects import AskModel, CheckAnswer, Effect, LoadDefinition, RunActivity, SealPart
from perdure.workflows.core.next_action import next_action
from perdure.workflows.core.outcomes import (
    AnswerWeighed,
    DefinitionLoaded,
    ModelEnded,
    SealingEnded,
    TimePassed,
    ToolEnded,
)
from perdure.workflows.core.prompt import build_prompt
from perdure.workflows.core.runs import SessionInput, handed_over, taken_over
from perdure.workflows.core.state.session import dump_state, new_state, read_state
from perdure.workflows.core.step import StepFailure
from perdure.workflows.definition.agent import LoadedAgent, ModelDefinition
from perdure.workflows.protocol.activities import StepOutput, ToolOutput
from perdure.workflows.protocol.checked_answers import CheckedAnswer
from perdure.workflows.protocol.signals import BEHAVIOR, NewSession, SendMessage
from perdure.workflows.protocol.steps import Prompt, StepRecord
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
    Usage,
)
from tests.support.core import AT, agent
from tests.support.plain_world import PlainWorld

#: What a model answers: a text, or what came of its step.
Answers = Callable[["Asked"], str | StepOutput | StepFailure]
Results = Callable[[ToolCall], Any]

MODELS: Final = {role: ModelDefinition(use=f"demo/{role}", max_output_tokens=1000) for role in ("main", "other")}


class Asked:
    """One model call."""

    def __init__(self, record: StepRecord, prompt: Prompt, messages: tuple[Message, ...]) -> None:
        self.record = record
        self.prompt = prompt
        #: All that the model is told, with what closes the request.
        self.messages = prompt.around(messages)

    @property
    def last(self) -> str:
        return text_of(self.messages[-1])


class HandlerWorld(PlainWorld):
    def __init__(self, message: list[Any], answers: Answers, results: Results | None = None, **definition: Any) -> None:
        self.agent: LoadedAgent = agent(handlers={"message": message} if message else {}, models=MODELS, **definition)
        self.time = AT
        self.events: list[Event] = []
        self.open: dict[str, Effect] = {}
        self.asked: list[Asked] = []
        self.called: list[ToolCall] = []
        #: Each time that the session decides anew, it first hands over to another run, if nothing is open.
        self.restarts: Callable[[], bool] = lambda: False
        self.answers = answers
        self.results = results or (lambda call: None)
        new = NewSession(tenant="acme", session_id="s1", agent="plain", digest="d1", behavior=BEHAVIOR)
        self.driver = Driver(new_state(new, AT), self)
        self.driver.open(None)

    def send(self, text: str, id: str = "m1", **more: Any) -> "HandlerWorld":  # noqa: A002
        self.driver.receive(SendMessage(message_id=id, parts=(Text(text=text),), content_sha256=text, cursor=0, **more))
        return self

    def run(self) -> "HandlerWorld":
        """Until the session rests, or waits for a person."""
        return self.until(lambda: False)

    def later(self, delay: timedelta) -> "HandlerWorld":
        """So much time passes, and what is due then is done."""
        self.time += delay
        # A turn that runs comes first.
        for _ in range(2):
            self.driver.settle(TimePassed())
            self.run()
        return self

    def until(self, happened: Callable[[], bool]) -> "HandlerWorld":
        while not happened() and not isinstance(action := self.step(), Rest | Exit):
            if isinstance(action, Wait) and not self.open:
                break
            if isinstance(action, Wait):
                self.settle(next(iter(self.open.values())))
        return self

    def step(self) -> Action:
        if self.open and self.restarts():
            # Another worker, which has nothing in memory.
            self.driver.state = read_state(dump_state(self.state))
        elif self.restarts():
            carried = taken_over(SessionInput.model_validate_json(handed_over(self.state).model_dump_json()))
            assert carried == self.state
            self.driver.state = carried
        action = next_action(self.state)
        if not isinstance(action, Wait | Rest | Exit):
            self.driver.carry_out(action)
        return action

    def settle(self, effect: Effect) -> None:
        match effect:
            case LoadDefinition():
                self.driver.settle(DefinitionLoaded(self.agent))
            case AskModel(record=record):
                view = record.view
                asked = Asked(record, build_prompt(self.state, record), self.state.transcript.seen(view))
                self.asked.append(asked)
                answer = self.answers(asked)
                outcome = output(Text(text=answer)) if isinstance(answer, str) else answer
                self.driver.settle(ModelEnded(record.step_id, outcome))
            case RunActivity(call=call):
                self.called.append(call)
                result = self.results(call)
                outcome_of_call = result if isinstance(result, ToolError | ToolOutput) else ToolOutput(output=result)
                self.driver.settle(ToolEnded(call.call_id, outcome_of_call))
            case CheckAnswer(request=request):
                self.driver.settle(AnswerWeighed(misfit_of(request.value, request.form)))
            case SealPart():
                # It is done another time.
                self.driver.settle(SealingEnded(None))
            case _:
                raise AssertionError(f"nobody wants {effect}")

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    @property
    def said(self) -> list[str]:
        """The conversation: each message by its first word's role and its text."""
        return [f"{message.role}: {text_of(message)}" for message in self.state.transcript.messages]

    @property
    def ended(self) -> Any:
        """The last `turn.finished`."""
        return next(event for event in reversed(self.events) if event.type == "turn.finished")


def text_of(message: Message) -> str:
    return "".join(part.text for part in message.parts if isinstance(part, Text))


def output(*parts: Part, stop: StopReason = "end", answer: CheckedAnswer | None = None) -> StepOutput:
    return StepOutput(
        parts=parts,
        model="demo",
        usage=Usage(input_tokens=10, output_tokens=5),
        cost_usd=0.001,
        timing=Timing(total_ms=1),
        stop=stop,
        attempt=1,
        request_sha256="0" * 64,
        answer=answer,
    )
