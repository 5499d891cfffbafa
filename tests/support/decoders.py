"""Tries a wire with mutated answers: whatever a server sends, there is an answer or a `ModelFailed`, and no call runs whose
arguments did not come whole.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import JsonValue

from perdure.activities.models.call_attempt import encode_request
from perdure.activities.models.failures import ModelFailed
from perdure.activities.models.wire import Answer, Delta, Started, Wire
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary import errors
from perdure.workflows.vocabulary.parts import Message, Reasoning, Text, ToolCall, ToolResult, ToolSpec
from tests.support.body_server import EVENTS, JSON, Body, BodyServer, body_server
from tests.support.mutations import Mutated, Recording, mutated

#: For recordings: no argument is required, so that a call of which nothing came could run.
TOOL = ToolSpec(
    name="find_order",
    description="Finds.",
    input={"type": "object", "properties": {"order_id": {"type": "string"}, "all": {"type": "boolean"}}},
)
#: Arguments in fragments, of which no subset and no other order is a JSON object.
FRAGMENTS = ('{"order_id"', ':"A-', '1","al', 'l":tr', "ue}")
ARGUMENTS: dict[str, JsonValue] = {"order_id": "A-1", "all": True}
OTHER_FRAGMENTS = ('{"ord', 'er_id":"B', '-2"', "}")
OTHER_ARGUMENTS: dict[str, JsonValue] = {"order_id": "B-2"}
#: A missing end, a broken connection, an explicit error, and an answer that its server gave up.
_FAILURES = (
    errors.MODEL_STREAM_TRUNCATED,
    errors.MODEL_CONNECTION,
    errors.MODEL_SERVER_ERROR,
    errors.MODEL_ABORTED,
)
_AT = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A wire, and what it is tried with."""

    wire: Wire
    #: For a server at this URL, which has no path.
    prompt: Callable[[str], Prompt]
    recordings: tuple[Recording, ...]
    #: A stream without any of these has no end. Each of them stands in one that has.
    ends: tuple[bytes, ...]
    #: What stands in an answer of which a call has no arguments, and says so.
    no_arguments: bytes | None = None


async def outcome(trial: Trial, server: BodyServer, body: Body) -> Answer | ModelFailed:
    """What becomes of an answer with this body. Raises whatever else the wire does."""
    prompt = trial.prompt(server.url)
    server.give(body)
    request = trial.wire.request(prompt, (Message(id="m", role="user", parts=(Text(text="go"),), at=_AT),))
    items: list[Started | Delta | Answer] = []
    try:
        async for item in trial.wire.stream(request, prompt, "t1.s1"):
            items.append(item)
    except ModelFailed as failed:
        assert not any(isinstance(item, Answer) for item in items)
        return failed
    assert [isinstance(item, Answer) for item in items].count(True) == 1
    answer = items[-1]
    assert isinstance(answer, Answer)
    return answer


async def answered(trial: Trial, server: BodyServer, body: Body | bytes) -> Answer:
    told = await outcome(trial, server, body if isinstance(body, Body) else Body(body))
    assert isinstance(told, Answer), told
    return told


async def failed(trial: Trial, server: BodyServer, body: Body | bytes) -> str:
    told = await outcome(trial, server, body if isinstance(body, Body) else Body(body))
    assert isinstance(told, ModelFailed), told
    return told.failure.kind


def said(answer: Answer) -> list[Any]:
    """Texts, thoughts in brackets, and arguments of calls that may run."""
    may_run = runnable(answer)
    shown: list[Any] = []
    for part in answer.parts:
        match part:
            case Text():
                shown.append(part.text)
            case Reasoning():
                shown.append(f"({part.text})")
            case ToolCall():
                shown.append(part.args if part in may_run else "not whole")
    return shown


def runnable(answer: Answer) -> list[ToolCall]:
    calls = [part for part in answer.parts if isinstance(part, ToolCall)]
    return [call for call in calls if call.args_raw is None] if answer.stop == "tool_calls" else []


async def survive(trial: Trial, seeds: Iterable[int]) -> Counter[str]:
    """Tries all recordings in turn. Returns how many answers, failures and calls that could run there were."""
    tally: Counter[str] = Counter()
    async with body_server() as server:
        for seed in seeds:
            recording = trial.recordings[seed % len(trial.recordings)]
            change = mutated(recording, seed)
            try:
                await _try(trial, server, recording, change, tally)
            except Exception as error:
                raise AssertionError(f"seed {seed}, {change.changes}: {change.body[:20_000]!r}") from error
            server.requests.clear()
    return tally


async def _try(trial: Trial, server: BodyServer, recording: Recording, change: Mutated, tally: Counter[str]) -> None:
    content_type = JSON if recording.is_json else EVENTS
    told = await outcome(trial, server, Body(change.body, content_type, change.broken, change.piece))
    if isinstance(told, ModelFailed):
        # `unexpected` stands for any exception that nobody thought of.
        assert told.failure.kind in _FAILURES, told.failure
        tally["failures"] += 1
        return
    tally["answers"] += 1
    assert _has_end(trial, recording, change.body), "it took an answer without an end"
    calls = runnable(told)
    tally["calls"] += len(calls)
    whole = {_canonical(args) for args in recording.arguments} | set(_objects(change.body))
    # In a stream, an empty object stands before the fragments. In one whole message, it is what was meant.
    whole |= {"{}"} if recording.is_json else set()
    if trial.no_arguments is not None and trial.no_arguments in change.body:
        whole.add("{}")
    for call in calls:
        assert _canonical(call.args) in whole, f"arguments that did not come whole: {call.args}"
    _goes_on(trial, server, told)


def _has_end(trial: Trial, recording: Recording, body: bytes) -> bool:
    if recording.is_json and any(True for _ in _values(body)):
        return True
    return any(end in body for end in trial.ends)


def _goes_on(trial: Trial, server: BodyServer, answer: Answer) -> None:
    """The answer can be kept in a session and go back to its server."""
    said = Message(id="a", role="assistant", parts=answer.parts, at=_AT)
    assert Message.model_validate_json(said.model_dump_json()) == said
    results = tuple(
        ToolResult(call_id=part.call_id, name=part.name, output="ok")
        for part in answer.parts
        if isinstance(part, ToolCall)
    )
    history = (
        Message(id="m", role="user", parts=(Text(text="go"),), at=_AT),
        said,
        Message(id="r", role="tool", parts=results, at=_AT),
        Message(id="n", role="user", parts=(Text(text="and?"),), at=_AT),
    )
    json.loads(encode_request(trial.wire.request(trial.prompt(server.url), history)))


def _objects(body: bytes) -> Iterable[str]:
    """Every object that came whole: as such, or as text. An empty one says nothing."""
    for value in _values(body):
        yield from _inner(value)


def _values(body: bytes) -> Iterable[Any]:
    text = body.decode(errors="replace")
    for line in (text, *re.split(r"[\r\n]+", text)):
        try:
            yield json.loads(line.removeprefix("data:"))
        except (ValueError, RecursionError):
            continue


def _inner(value: Any) -> Iterable[str]:
    match value:
        case dict():
            if value:
                yield _canonical(value)
            for inner in value.values():
                yield from _inner(inner)
        case list():
            for inner in value:
                yield from _inner(inner)
        case str() if value.lstrip()[:1] == "{":
            try:
                read = json.loads(value)
            except (ValueError, RecursionError):
                return
            yield from _inner(read)
        case _:
            pass


def _canonical(value: Any) -> str:
    """As text, without half emojis and what stands in their place."""
    return re.sub(r"\\ud[89a-f][0-9a-f]{2}|\\ufffd|\?", "", json.dumps(value, sort_keys=True))
