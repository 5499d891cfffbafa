"""The trace: for every step exactly what the model was given, what it answered, and what its tools did.

The request is not stored. It is built again from the step's frozen view of the transcript, by the code of today; where its
sha256 is not the one that was recorded when it was sent, `request_matches` says so.
"""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final

import orjson
from temporalio.client import WorkflowQueryFailedError

from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.event_json import event_json, message_json
from perdure.temporal.sessions.hydrate import whole_event, whole_message, whole_prompt
from perdure.temporal.sessions.json_bytes import fragment, rfc3339, to_json
from perdure.temporal.sessions.sealed import Sealed
from perdure.temporal.sessions.summaries import Summaries
from perdure.temporal.sessions.trace_calls import calls_json
from perdure.temporal.sessions.transcripts import Transcripts
from perdure.temporal.stores.blobs import BlobStore
from perdure.workflows.protocol.compacted import Summary, trimmed
from perdure.workflows.protocol.queries import PageRequest
from perdure.workflows.protocol.steps import ModelInputRequest, Prompt, StepRecord, View
from perdure.workflows.protocol.traces import TraceStep
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.events import ContextCompacted, StepFinished, StepStarted
from perdure.workflows.vocabulary.parts import Message, Text, Timing, Usage


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The exact body that the provider of a prompt would be sent now."""

    body: bytes
    #: As people are shown it: without the bytes of files.
    shown: bytes


#: A page behind this many steps holds none.
_BEHIND: Final = 2**31

#: Of a session (its workflow id) and what a step of it saw; None where this process cannot build it.
RebuildRequest = Callable[[str, Prompt, tuple[Message, ...]], Awaitable[Rebuilt | None]]


async def not_rebuilt(_session: str, _prompt: Prompt, _messages: tuple[Message, ...]) -> Rebuilt | None:
    """For processes that know no providers."""
    return None


async def kept_steps(backend: Backend, sealed: Sealed, session: str, after: int = 0) -> AsyncIterator[TraceStep]:
    """The steps that a session keeps, sealed or not, oldest first, without the first `after` ones."""
    while True:
        page = await backend.query(session, SessionWorkflow.trace, after)
        async for step in sealed.steps(session, page.sealed, after):
            yield step
            after += 1
        for step in page.steps:
            yield step
        after += len(page.steps)
        if not page.more:
            return


async def last_steps(
    backend: Backend, sealed: Sealed, session: str, before: int, limit: int
) -> tuple[int, list[TraceStep]]:
    """The last `limit` steps before the one of the number `before`, counted from 0 over all that are kept, and the number of
    the first of them."""
    count = (await backend.query(session, SessionWorkflow.trace, _BEHIND)).count
    stop = min(before, count)
    start = max(stop - limit, 0)
    found: list[TraceStep] = []
    if start < stop:
        async for step in kept_steps(backend, sealed, session, start):
            found.append(step)
            if len(found) == stop - start:
                break
    return start, found


async def find_step(backend: Backend, sealed: Sealed, session: str, step_id: str) -> TraceStep | None:
    """The step of this id, where the session keeps it, sealed or not."""
    page = await backend.query(session, SessionWorkflow.trace, 0)
    found = await sealed.step(session, page.sealed, step_id)
    if found is not None:
        return found
    held = kept_steps(backend, sealed, session, sum(ref.steps for ref in page.sealed))
    async for step in held:
        if step.record.step_id == step_id:
            return step
    return None


class TraceReader:
    """Shows steps of one session. What they share, prompt and transcript, is asked for once."""

    def __init__(
        self, backend: Backend, blobs: BlobStore, sealed: Sealed, rebuild_request: RebuildRequest, session: str
    ) -> None:
        self._backend = backend
        self._blobs = blobs
        self._transcripts = Transcripts(backend, sealed)
        self._summaries = Summaries(backend, sealed, session)
        self._rebuild_request = rebuild_request
        self._session = session
        self._prompt: tuple[str, Prompt] | None = None
        #: Messages by number, as the models saw them, and as JSON for viewers.
        self._whole: dict[int, Message] = {}
        self._shown: dict[int, bytes] = {}

    async def step_json(self, step: TraceStep, *, with_prompt: bool = True) -> bytes:
        """A step as the route shows it. Without its prompt, `prompt` and `request` are null, and nothing is asked for."""
        record = step.record
        prompt = await self._prompt_of(step) if with_prompt else None
        seen = await self._seen(record.view) if with_prompt else ()
        events = [await whole_event(event, self._blobs) for event in step.events]
        started = next((e for e in events if isinstance(e, StepStarted)), None)
        finished = next((as_step(e) for e in events if isinstance(e, StepFinished | ContextCompacted)), None)
        if finished is not None and record.block is not None and record.hides:
            finished = finished.model_copy(update={"message": finished.message.with_parts(record.block.answer)})
        rebuilt = None if prompt is None else await self._rebuild_request(self._session, prompt, seen)
        sent = finished.request_sha256 if finished else None
        shown: dict[str, Any] = {
            "step_id": record.step_id,
            "turn_id": record.turn_id,
            "model": record.model,
            "role": record.role,
            **({"purpose": record.purpose} if record.purpose != "answer" else {}),
            **({"block": record.block.block.model_dump()} if record.block is not None else {}),
            "digest": record.digest,
            "status": "running" if finished is None else "finished",
            "started_at": rfc3339(started.at) if started else None,
            "finished_at": rfc3339(finished.at) if finished else None,
            "prompt": None if prompt is None else self._prompt_json(prompt, record.view, seen),
            "request": None if rebuilt is None else orjson.Fragment(rebuilt.shown),
            "request_sha256": sent,
            "request_matches": None if not (rebuilt and sent) else hashlib.sha256(rebuilt.body).hexdigest() == sent,
            **_outcome(finished),
            **_tried(record),
            "tools": fragment(calls_json(events)),
        }
        return orjson.dumps(shown)

    async def _prompt_of(self, step: TraceStep) -> Prompt | None:
        """None where the session no longer keeps the definition that the step ran with."""
        known, view = self._prompt, step.record.view
        # A view that the step itself has: so no message is sent, only the prompt, and that only if it is another.
        request = ModelInputRequest(
            step_id=step.record.step_id,
            epoch=view.epoch,
            after=view.count,
            prefix=view.prefix,
            prompt_sha256=known[0] if known else None,
            paging=True,
            record=step.record,
            agent=step.agent,
            summary=await self._summaries.of(view),
        )
        try:
            page = await self._backend.query(self._session, SessionWorkflow.model_input, request)
        except WorkflowQueryFailedError:
            return None
        if page.prompt is not None:
            self._prompt = known = (page.prompt_sha256, await whole_prompt(page.prompt, self._blobs))
        return known[1] if known is not None and page.known else None

    async def _seen(self, view: View) -> tuple[Message, ...]:
        """The messages of a view, big parts and all."""
        numbers = _numbers(view)
        known = sum(1 for _ in takewhile(self._whole.__contains__, numbers))
        if known < len(numbers):
            request = PageRequest(after=view.start + known, until=view.count, path=view.path)
            page = await self._backend.query(self._session, SessionWorkflow.snapshot, request)
            read = await self._transcripts.messages(self._session, page, view.start + known, view.count)
            for number, message in zip(numbers[known:], read, strict=True):
                self._whole[number] = await whole_message(message, self._blobs)
                self._shown[number] = to_json(message_json(self._whole[number]))
        return tuple([self._whole[number] for number in numbers])

    def _prompt_json(self, prompt: Prompt, view: View, seen: tuple[Message, ...]) -> dict[str, Any]:
        shown = {id(message): self._shown[number] for message, number in zip(seen, _numbers(view), strict=True)}
        # What stands in the place of what is left out or summarised, or tells the day, was never shown.
        messages = [shown.get(id(message)) or to_json(message_json(message)) for message in prompt.seen(seen)]
        return {
            "system": prompt.system,
            "examples": [message_json(message) for message in prompt.examples],
            "messages": [
                *map(orjson.Fragment, messages),
                *[message_json(message) for message in prompt.closing],
            ],
            "tools": fragment([tool.model_dump(mode="json") for tool in prompt.tools]),
            **({} if prompt.output is None else {"output": fragment(prompt.output)}),
            **_shorter(prompt, seen),
        }


def _shorter(prompt: Prompt, seen: tuple[Message, ...]) -> dict[str, Any]:
    """How a prompt tells less than the conversation; there only where it does."""
    given = trimmed(seen, prompt.start, prompt.trim)
    shortened = [message.id for message, shown in zip(seen, given, strict=True) if shown is not message]
    left_out = [one.model_dump(mode="json", include={"turn_id", "step_id", "calls"}) for one in prompt.left_out]
    told = {"folded": prompt.start, "shortened": shortened, "left_out": left_out}
    return {name: value for name, value in told.items() if value}


def _numbers(view: View) -> list[int]:
    """Of the messages that a view shows."""
    return [number for one in view.path.between(view.start, view.count) for number in range(one.start, one.stop)]


def as_step(event: StepFinished | ContextCompacted) -> StepFinished:
    """How a model call ended. If it wrote a summary, that is its answer."""
    if isinstance(event, StepFinished):
        return event
    told = Summary(fold=event.step_id or "", text=event.summary, facts=event.facts, dropped=event.dropped_facts).told
    parts = (Text(text=told),) if event.how == "summarized" else ()
    return StepFinished(
        seq=event.seq,
        at=event.at,
        turn_id=event.turn_id,
        step_id=event.step_id or "",
        message=Message(id=event.step_id or "", role="assistant", parts=parts, turn_id=event.turn_id, at=event.at),
        model=event.model or "",
        usage=event.usage or Usage(),
        cost_usd=event.cost_usd,
        timing=event.timing or Timing(total_ms=0),
        stop="end" if event.how == "summarized" else "error",
        attempt=event.attempt,
        request_sha256=event.request_sha256,
    )


def _tried(record: StepRecord) -> dict[str, Any]:
    """There only where another model was asked before."""
    tried = [{**one.model_dump(exclude={"spent"}), "cost_usd": one.spent.cost_usd} for one in record.tried]
    return {"tried": tried} if tried else {}


def _outcome(finished: StepFinished | None) -> dict[str, Any]:
    names = ("message", "stop", "attempt", "usage", "cost_usd", "timing")
    if finished is None:
        return dict.fromkeys(names)
    event = event_json(finished)
    # There only where they say something.
    more = ("stop_raw", "adapted", "skipped", "misfit")
    return {name: fragment(event[name]) for name in (*names, *more) if name in event}
