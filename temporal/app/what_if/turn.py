"""A recorded turn once more, with another definition or model: outside Temporal, by the session's own pure rules.

Rule 1: a turn is data. `next_action` says what comes next and `apply` what came of it, as in the session itself, so its
limits hold here too; only who carries it out is another.
Rule 2: no tool is ever called. A call gets the result that was recorded for it, and where there is none, an error that
says so to the model. Each recorded result is given once.
Rule 3: model calls are real, and cost what they cost. A failure that may pass is tried again a few times, as Temporal would.
"""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal, assert_never

from pydantic import JsonValue
from temporalio.exceptions import ActivityError, ApplicationError

from perdure.activities.models.call_attempt import encode_request
from perdure.activities.models.failures import ModelFailed
from perdure.activities.models.meter import Meter
from perdure.activities.models.providers import Providers
from perdure.activities.models.wire import Answer, Delta, Started, Wire
from perdure.temporal.definitions.prices import price_of
from perdure.temporal.stores.blobs import BlobStore, unfold
from perdure.workflows.core.endings import not_run
from perdure.workflows.core.fold import apply
from perdure.workflows.core.private_changes import (
    Accepted,
    AgentLoaded,
    Note,
    StepOpened,
    TurnBroken,
)
from perdure.workflows.core.prompt import PromptError, build_prompt
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
    RunHere,
    RunTools,
    StartTurn,
    TakeOver,
    Wait,
    WakeUp,
    next_action,
)
from perdure.workflows.definition.agent import LoadedAgent
from perdure.workflows.definition.pricing import Spent, cost
from perdure.workflows.protocol.activities import Partial, StepOutput
from perdure.workflows.protocol.commands import Prompt, StepRecord
from perdure.workflows.vocabulary.events import Events
from perdure.workflows.vocabulary.parts import Message, StopReason, Timing, ToolCall, ToolError, ToolResult

NOT_RECORDED: Final = "not_recorded"
_ATTEMPTS: Final = 4
_LONGEST_WAIT_S: Final = 30.0

#: Where a call's result came from: the same call, a call of the same tool with other arguments, or nowhere.
Match = Literal["same", "other_args", "not_recorded"]


@dataclass
class Recording:
    """The calls of a turn with their results, whole ones, in their order."""

    calls: list[tuple[ToolCall, ToolResult]]
    #: How each call that was answered fared, by its id.
    matches: dict[str, Match] = field(default_factory=dict)

    def answer(self, calls: Sequence[ToolCall]) -> list[ToolResult]:
        """The results of one step's calls. One with other arguments takes none that another call of the step fits."""
        taken = {call.call_id: self._take(call, "same") for call in calls}
        for call in calls:
            taken[call.call_id] = taken[call.call_id] or self._take(call, "other_args")
        return [self._as_result(call, taken[call.call_id]) for call in calls]

    def _take(self, call: ToolCall, match: Match) -> ToolResult | None:
        for pair in self.calls:
            recorded, result = pair
            same = (recorded.as_written().args, recorded.args_raw) == (call.args, call.args_raw)
            if recorded.name == call.name and (same or match == "other_args"):
                self.calls.remove(pair)
                self.matches[call.call_id] = match
                return result
        return None

    def _as_result(self, call: ToolCall, result: ToolResult | None) -> ToolResult:
        if result is not None:
            return result.model_copy(update={"call_id": call.call_id})
        self.matches[call.call_id] = "not_recorded"
        message = f"In the recorded turn, {call.name} has no (further) result. No tool is called here."
        error = ToolError(type=NOT_RECORDED, message=message).model_dump()
        return ToolResult(call_id=call.call_id, name=call.name, output=error, is_error=True)


class Models:
    """Model calls over the real wires."""

    def __init__(self, providers: Providers, blobs: BlobStore) -> None:
        self._providers = providers
        self._blobs = blobs

    async def call(self, prompt: Prompt, messages: Sequence[Message], step_id: str) -> StepOutput:
        """The answer in whole. Raises ApplicationError with a `Partial`, for the books, as its last detail."""
        whole = [one.model_copy(update={"parts": await unfold(self._blobs, one.parts)}) for one in messages]
        wire = self._providers.wire(prompt.model)
        body = wire.request(prompt, tuple(whole))
        encoded = encode_request(body)
        price = price_of(prompt.model)
        before = Spent()
        for attempt in range(1, _ATTEMPTS + 1):
            meter = Meter(price, len(encoded), prompt.model.max_output_tokens)
            try:
                output = await self._attempt(wire, body, prompt, step_id, meter)
                told = {"attempt": attempt, "request_sha256": hashlib.sha256(encoded).hexdigest()}
                return output.model_copy(update={**told, "before": before if before != Spent() else None})
            except ModelFailed as failed:
                failure = failed.failure
                if failure.request == "refused":
                    meter.refused()
                if failure.is_final(attempt) or attempt == _ATTEMPTS:
                    books = Partial(attempt=attempt, lost=0, streaming=False, spent=meter.spent(), before=before)
                    raise ApplicationError(
                        failure.message, books, type=failure.kind, non_retryable=not failure.retryable
                    ) from None
                delay = failure.retry_after
                wait = delay.total_seconds() if delay is not None else 0.1 * 4 ** (attempt - 1)
            before += meter.spent()
            await asyncio.sleep(min(wait, _LONGEST_WAIT_S))
        raise AssertionError("the last attempt returns or raises")

    async def _attempt(
        self, wire: Wire, body: dict[str, JsonValue], prompt: Prompt, step_id: str, meter: Meter
    ) -> StepOutput:
        sent = time.monotonic()
        meter.sent()
        first: float | None = None
        answer: Answer | None = None
        async with aclosing(wire.stream(body, prompt, step_id)) as items:
            async for item in items:
                match item:
                    case Started():
                        meter.begun(item.usage)
                    case Delta():
                        meter.streamed((item.tool_name or "") + item.text)
                        first = first or time.monotonic()
                    case Answer():
                        answer = item
        assert answer is not None, "a stream that ends has given its answer"
        price = price_of(prompt.model)
        return StepOutput(
            parts=answer.parts,
            model=answer.model,
            usage=answer.usage,
            cost_usd=cost(price, answer.usage) if price else None,
            timing=Timing(
                first_token_ms=None if first is None else round((first - sent) * 1000, 3),
                total_ms=round((time.monotonic() - sent) * 1000, 3),
            ),
            stop=answer.stop,
            stop_raw=answer.stop_raw,
            attempt=1,
            request_sha256="",
        )


async def rerun(
    before: SessionState, message: Message, agent: LoadedAgent, recording: Recording, models: Models
) -> SessionState:
    """The session after the turn that begins with `message` in the state `before`, run by `agent`.

    What a model call failed with is the turn's error, as in a session."""
    turn = _Turn(before.model_copy(update={"digest": agent.digest}), recording, models)
    turn.note(AgentLoaded(agent=agent))
    turn.note(Accepted(message=message, content_sha256="", cursor=before.seq, digest=None))
    await turn.run()
    return turn.state


class _Turn:
    def __init__(self, state: SessionState, recording: Recording, models: Models) -> None:
        self.state = state
        self._recording = recording
        self._models = models

    async def run(self) -> None:
        while True:
            action = next_action(self.state)
            match action:
                case StartTurn():
                    turn_id = f"t{self.state.turns + 1}"
                    self.append("turn.started", turn_id=turn_id, cause="message")
                    self.append("message.added", message=action.message.model_copy(update={"turn_id": turn_id}))
                case CallModel():
                    await self._call_model(action)
                case PlanCalls() if (error := not_run(self._stop)) is not None:
                    self._refuse(action.calls, error)
                case PlanCalls() | AbandonTools():
                    # Whoever would have to be asked, and wherever they run: the recorded turn has their results.
                    self._answer(action.calls)
                case FinishTurn():
                    turn = self.state.turn
                    assert turn is not None
                    self.append(
                        "turn.finished",
                        reason=action.reason,
                        error=action.error,
                        usage=turn.usage,
                        cost_usd=turn.cost_usd,
                    )
                    return
                case (
                    LoadAgent()
                    | CloseSession()
                    | Rest()
                    | Exit()
                    | WakeUp()
                    | Ask()
                    | RunHere()
                    | RunTools()
                    | Wait()
                    | TakeOver()
                ):
                    # Its definition is loaded, a message waits, and no call is left to be planned for.
                    raise AssertionError(f"a session with a message to run wants {action}")
                case _:
                    assert_never(action)

    async def _call_model(self, action: CallModel) -> None:
        state = self.state
        record = opened_step(state, action)
        try:
            prompt = build_prompt(state, record)
        except PromptError as problem:
            self.note(TurnBroken(error=problem.error))
            return
        self.note(StepOpened(record=record))
        self.append("step.started", step_id=record.step_id, model=record.model)
        outcome: StepOutput | ActivityError
        try:
            outcome = await self._models.call(prompt, state.transcript, record.step_id)
        except ApplicationError as error:
            outcome = _failed(record, error)
        finished = finished_step(record, outcome, False, datetime.now(UTC))
        self.append("step.finished", **finished.event)
        if finished.error is not None:
            self.note(TurnBroken(error=finished.error))

    @property
    def _stop(self) -> StopReason | None:
        return self.state.turn.stop if self.state.turn else None

    def _answer(self, calls: tuple[ToolCall, ...]) -> None:
        self._run(calls, self._recording.answer(calls))

    def _refuse(self, calls: tuple[ToolCall, ...], error: ToolError) -> None:
        """Of an answer whose calls do not run, none takes a recorded result."""
        output = error.model_dump()
        self._run(calls, [ToolResult(call_id=c.call_id, name=c.name, output=output, is_error=True) for c in calls])

    def _run(self, calls: tuple[ToolCall, ...], results: list[ToolResult]) -> None:
        for call in calls:
            self.append("tool.started", call_id=call.call_id, name=call.name, args=call.args)
        for result in results:
            self.append("tool.finished", call_id=result.call_id, name=result.name, result=result, duration_ms=0)

    def note(self, note: Note) -> None:
        self.state = apply(self.state, note)

    def append(self, kind: str, /, **fields: object) -> None:
        turn = self.state.turn
        fields.setdefault("turn_id", turn.turn_id if turn else None)
        event = Events.validate_python({"type": kind, "seq": self.state.seq + 1, "at": datetime.now(UTC), **fields})
        self.state = apply(self.state, event)


def _failed(record: StepRecord, error: ApplicationError) -> ActivityError:
    """What a session is told of a model call that failed for good."""
    failure = ActivityError(
        error.message,
        scheduled_event_id=0,
        started_event_id=0,
        identity="",
        activity_type="call_model",
        activity_id=record.step_id,
        retry_state=None,
    )
    failure.__cause__ = error
    return failure
