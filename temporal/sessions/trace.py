"""The trace: for every step exactly what the model was given, what it answered, and what its tools did.

The request is not stored. It is built again from the step's frozen view of the transcript, by the code of today; where its
sha256 is not the one that was recorded when it was sent, `request_matches` says so.
"""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson
from temporalio.client import WorkflowQueryFailedError

from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.event_json import event_json, message_json
from perdure.temporal.sessions.hydrate import whole_event, whole_message
from perdure.temporal.sessions.json_bytes import fragment, rfc3339, to_json
from perdure.temporal.sessions.sealed import Sealed
from perdure.temporal.sessions.snapshot import read_snapshot
from perdure.temporal.sessions.trace_calls import calls_json
from perdure.temporal.stores.blobs import BlobStore
from perdure.workflows.protocol.steps import ModelInputRequest, Prompt, StepRecord
from perdure.workflows.protocol.traces import TraceStep
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.events import StepFinished, StepStarted
from perdure.workflows.vocabulary.parts import Message


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The exact body that the provider of a prompt would be sent now."""

    body: bytes
    #: As people are shown it: without the bytes of files.
    shown: bytes


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


class TraceReader:
    """Shows steps of one session. What they share, prompt and transcript, is asked for once."""

    def __init__(
        self, backend: Backend, blobs: BlobStore, sealed: Sealed, rebuild_request: RebuildRequest, session: str
    ) -> None:
        self._backend = backend
        self._blobs = blobs
        self._sealed = sealed
        self._rebuild_request = rebuild_request
        self._session = session
        self._prompt: tuple[str, Prompt] | None = None
        self._folded: tuple[Message, ...] = ()
        #: The transcript as the models saw it, and as JSON for viewers.
        self._whole: list[Message] = []
        self._shown: list[bytes] = []

    async def step_json(self, step: TraceStep, *, with_prompt: bool = True) -> bytes:
        """A step as the route shows it. Without its prompt, `prompt` and `request` are null, and nothing is asked for."""
        record = step.record
        prompt = await self._prompt_of(record) if with_prompt else None
        if with_prompt:
            await self._read_transcript(record.view.count)
        events = [await whole_event(event, self._blobs) for event in step.events]
        started = next((e for e in events if isinstance(e, StepStarted)), None)
        finished = next((e for e in events if isinstance(e, StepFinished)), None)
        rebuilt = await self._rebuild(prompt, record)
        sent = finished.request_sha256 if finished else None
        shown: dict[str, Any] = {
            "step_id": record.step_id,
            "turn_id": record.turn_id,
            "model": record.model,
            "role": record.role,
            "digest": record.digest,
            "status": "running" if finished is None else "finished",
            "started_at": rfc3339(started.at) if started else None,
            "finished_at": rfc3339(finished.at) if finished else None,
            "prompt": self._prompt_json(prompt, record),
            "request": None if rebuilt is None else orjson.Fragment(rebuilt.shown),
            "request_sha256": sent,
            "request_matches": None if not (rebuilt and sent) else hashlib.sha256(rebuilt.body).hexdigest() == sent,
            **_outcome(finished),
            **_tried(record),
            "tools": fragment(calls_json(events)),
        }
        return orjson.dumps(shown)

    async def _prompt_of(self, record: StepRecord) -> Prompt | None:
        """None where the session no longer keeps the definition that the step ran with."""
        known = self._prompt
        # A view that the step itself has: so no message is sent, only the prompt, and that only if it is another.
        request = ModelInputRequest(
            step_id=record.step_id,
            epoch=record.view.epoch,
            after=record.view.count,
            prefix=record.view.prefix,
            prompt_sha256=known[0] if known else None,
        )
        try:
            page = await self._backend.query(self._session, SessionWorkflow.model_input, request)
        except WorkflowQueryFailedError:
            return None
        if page.prompt is not None:
            self._prompt = known = (page.prompt_sha256, page.prompt)
        return known[1] if known is not None and page.known else None

    async def _read_transcript(self, count: int) -> None:
        if len(self._folded) < count:
            _, self._folded = await read_snapshot(self._backend, self._sealed, self._session)
        for message in self._folded[len(self._whole) : count]:
            self._whole.append(await whole_message(message, self._blobs))
            self._shown.append(to_json(message_json(self._whole[-1])))

    async def _rebuild(self, prompt: Prompt | None, record: StepRecord) -> Rebuilt | None:
        if prompt is None:
            return None
        messages = tuple(self._whole[: record.view.count])
        return await self._rebuild_request(self._session, prompt, messages)

    def _prompt_json(self, prompt: Prompt | None, record: StepRecord) -> dict[str, Any] | None:
        if prompt is None:
            return None
        seen = tuple(self._whole[: record.view.count])
        shown = {id(message): json for message, json in zip(seen, self._shown, strict=False)}
        # What stands in the place of what is left out, or tells the day, was never shown.
        messages = [shown.get(id(message)) or to_json(message_json(message)) for message in prompt.seen(seen)]
        return {
            "system": prompt.system,
            "examples": [message_json(message) for message in prompt.examples],
            "messages": [
                *map(orjson.Fragment, messages),
                *[message_json(message) for message in prompt.closing],
            ],
            "tools": fragment([tool.model_dump(mode="json") for tool in prompt.tools]),
        }


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
    more = ("stop_raw", "adapted", "skipped")
    return {name: fragment(event[name]) for name in (*names, *more) if name in event}
