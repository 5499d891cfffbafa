"""The calls of a turn as an AI SDK message has them: who runs each, what is asked about it, and what came of it.

Rule: a call's input is told once it is known who runs it. A client takes it for its own to run unless it is told otherwise.
"""

from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from perdure.gateway.projections import ai_sdk_chunks as chunks
from perdure.gateway.projections.ai_sdk_chunks import Chunk
from perdure.gateway.projections.ai_sdk_results import beside
from perdure.temporal.sessions.event_json import question_json
from perdure.workflows.vocabulary.events import ToolFinished, ToolStarted
from perdure.workflows.vocabulary.parts import ToolCall, ToolError
from perdure.workflows.vocabulary.question_events import ApprovalRequested, ApprovalResolved, InputRequested
from perdure.workflows.vocabulary.questions import Question

#: Of a question about a call, what its part of the message tells already.
_TOLD = {"question_id", "kind", "subject", "call_id", "name", "args"}


@dataclass(slots=True)
class _Call:
    name: str
    args: dict[str, JsonValue]
    #: Its input was told, and with which arguments.
    told: dict[str, JsonValue] | None = None
    #: Clients run it, or people say its result.
    of_client: bool = False
    #: The open question about it.
    question: str | None = None
    approval: ApprovalResolved | None = None
    is_over: bool = False


@dataclass(slots=True)
class Calls:
    """Of one turn. What a handler does unseen is left out until something is asked about it."""

    _calls: dict[str, _Call] = field(default_factory=dict)

    @property
    def runs(self) -> bool:
        """A call goes on without anybody's answer, or is about to."""
        return any(not call.is_over and call.question is None for call in self._calls.values())

    @property
    def waits(self) -> bool:
        """A call waits for an answer."""
        return any(not call.is_over and call.question is not None for call in self._calls.values())

    def are_clients(self, call_ids: set[str]) -> bool:
        """Whether clients ran some of these calls, and all of those are over."""
        own = [call for call_id, call in self._calls.items() if call_id in call_ids and call.of_client]
        return bool(own) and all(call.is_over for call in own)

    def approval(self, call_id: str) -> ApprovalResolved | None:
        """How the last question whether the call may run was answered."""
        return self._calls[call_id].approval if call_id in self._calls else None

    def made(self, call: ToolCall) -> None:
        """A model has asked for it, and clients know of it."""
        self._calls[call.call_id] = _Call(call.name, call.args)

    def started(self, event: ToolStarted) -> list[Chunk]:
        call, begun = self._known(event.call_id, event.name, event.args)
        call.question = None
        return [*begun, *_told(call, event.call_id, event.args)]

    def asked(self, event: ApprovalRequested) -> list[Chunk]:
        call, begun = self._known(event.call_id, event.name, event.args)
        told = [] if call.told == event.args else _told(call, event.call_id, event.args)
        call.question, call.approval, call.told = event.question_id, None, None
        made = [*begun, *told, chunks.approval_request(event.call_id, event.question_id)]
        more = question_json(event.question)
        if more.keys() - _TOLD:
            made.append(
                chunks.data("approval", {name: more[name] for name in more if name != "args"}, event.question_id)
            )
        return made

    def wanted(self, event: InputRequested) -> list[Chunk]:
        """Clients run the call, or a person says its result."""
        assert event.call_id is not None
        call, begun = self._known(event.call_id, event.name, event.args)
        call.question, call.of_client, call.told = event.question_id, True, None
        return [*begun, *_told(call, event.call_id, event.args)]

    def stopped_by(self, event: InputRequested) -> list[Chunk]:
        """A call that was running waits for an answer that is not its result."""
        if event.call_id is None:
            return []
        call, begun = self._known(event.call_id, event.name, event.args)
        call.question = event.question_id
        return begun

    def answered(self, question_id: str, approval: ApprovalResolved | None = None) -> None:
        for call in self._calls.values():
            if call.question == question_id:
                call.question, call.approval = None, approval or call.approval

    def finished(self, event: ToolFinished) -> list[Chunk]:
        known = self._calls.get(event.call_id)
        call, begun = self._known(event.call_id, event.name, known.args if known else {})
        if call.told is None and call.approval is None:
            begun += _told(call, event.call_id, call.args)
        call.is_over, call.question = True, None
        if call.approval is not None and not call.approval.approved:
            return [*begun, chunks.output_denied(event.call_id)]
        here = not call.of_client
        more = beside(event.call_id, event.result)
        if event.result.is_error:
            return [*begun, chunks.output_error(event.call_id, _words(event.result.output), here=here), *more]
        return [*begun, chunks.output_available(event.call_id, event.result.output, here=here), *more]

    def knows(self, call_id: str | None) -> bool:
        return call_id in self._calls

    def _known(self, call_id: str, name: str, args: dict[str, JsonValue]) -> tuple[_Call, list[Chunk]]:
        call = self._calls.get(call_id)
        if call is not None:
            return call, []
        call = self._calls[call_id] = _Call(name, args)
        return call, [chunks.input_start(call_id, name)]


def _told(call: _Call, call_id: str, args: dict[str, JsonValue]) -> list[Chunk]:
    if call.told == args:
        return []
    call.told = call.args = args
    return [chunks.input_available(call_id, call.name, args, here=not call.of_client)]


def _words(output: Any) -> str:
    try:
        return ToolError.model_validate(output).message
    except ValueError:
        return str(output)


def settled(made: list[Chunk]) -> list[Chunk]:
    """The same of the past: clients are not asked again to run calls whose results are there."""
    over = {chunk["toolCallId"] for chunk in made if chunk["type"] in ("tool-output-available", "tool-output-error")}
    return [
        {**chunk, "providerExecuted": True}
        if chunk["type"] == "tool-input-available" and chunk["toolCallId"] in over
        else chunk
        for chunk in made
    ]


def is_result(question: Question | InputRequested) -> bool:
    """Whether the answer to an input question is the result of its call, as a client gives it."""
    return question.subject == "call" and question.form in ("result", "fields") and question.call_id is not None
