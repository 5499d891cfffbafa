"""A Python function as a tool: what a model is told of it, and the activity that calls it.

Rule 1: the activity has the tool's name, takes one JSON object and returns a `ToolOutput`. Bad arguments never reach
the function; a big result never reaches Temporal. Beside the arguments stands which tool a person allowed: no other runs.
Rule 2: a failure has a type. The tool's own `ApplicationError` and a cancellation pass as they are; any other exception
becomes an `ApplicationError` of its class name, which Temporal retries.
Rule 3: nothing here logs, because arguments and results are the users' own.
"""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from pydantic import JsonValue, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, from_json
from temporalio import activity
from temporalio.exceptions import ApplicationError, FailureError

from activities.arguments import Arguments, BadArguments, UnsupportedParameter, read_arguments
from activities.docstrings import Docs, read_docstring
from activities.results import BadResult, Results, read_results
from temporal.blobs import BlobStore, fold_part, unfold
from temporal.nesting import DEEPEST, too_deep
from workflows.binding import spec_sha256
from workflows.contract import ToolOutput, call_of_activity
from workflows.errors import INVALID_ARGUMENTS, INVALID_RESULT, RESULT_TOO_LARGE, TOOL_CHANGED, TOOL_FAILED
from workflows.tool_definition import Name
from workflows.toolbox import ALLOWED_SPEC, FOLDED_ARGS
from workflows.types import INLINE_LIMIT, BlobRef, ToolCall, ToolResult, ToolSpec, preview

#: Bytes of JSON that a result may have.
MAX_RESULT: Final = 16 * 1024 * 1024

_NAME: TypeAdapter[str] = TypeAdapter(Name)


class ToolLoadError(Exception):
    """Tools that cannot be loaded. The message is for people: the place, and what is wrong there."""


@dataclass(frozen=True, slots=True)
class Tool:
    spec: ToolSpec
    #: `file:line`
    source: str
    fn: Callable[..., Any]
    arguments: Arguments
    results: Results

    def activity(self, blobs: BlobStore, loop: asyncio.AbstractEventLoop) -> Callable[..., Any]:
        """The activity to register on a worker that runs on `loop`; big results go to `blobs`.

        It is synchronous where the function is, so that the worker runs it in its executor and everything that the SDK
        offers to threads (heartbeats, cancellation) works inside.
        """
        definition = _definition(self.fn)

        async def call(args: dict[str, JsonValue]) -> ToolOutput:
            args = self._as_allowed(args)
            given = self._check(await whole_arguments(blobs, args))
            with _typed_failures():
                value = await self.fn(**given)
            result, big = self._result(value)
            return _output(await fold_part(blobs, _workflow_id(), result) if big else result)

        def call_in_thread(args: dict[str, JsonValue]) -> ToolOutput:
            args = self._as_allowed(args)
            if FOLDED_ARGS in args:
                args = asyncio.run_coroutine_threadsafe(whole_arguments(blobs, args), loop).result()
            given = self._check(args)
            with _typed_failures():
                value = self.fn(**given)
            result, big = self._result(value)
            if not big:
                return _output(result)
            # The store belongs to the worker's loop: its cache and its connections are not for threads.
            folding = asyncio.run_coroutine_threadsafe(fold_part(blobs, _workflow_id(), result), loop)
            return _output(folding.result())

        wrap = activity.defn(name=self.spec.name, no_thread_cancel_exception=definition.no_thread_cancel_exception)
        return wrap(call) if inspect.iscoroutinefunction(self.fn) else wrap(call_in_thread)

    def _as_allowed(self, args: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """The arguments alone. Raises ApplicationError where this is not the tool that a person allowed."""
        if args.get(ALLOWED_SPEC, own := spec_sha256(self.spec)) != own:
            raise tool_changed(self.spec.name)
        return {name: value for name, value in args.items() if name != ALLOWED_SPEC}

    def _check(self, args: dict[str, JsonValue]) -> dict[str, Any]:
        try:
            return self.arguments.check(args)
        except BadArguments as error:
            message = f"{self.spec.name} was not called, because its arguments are wrong. {error}."
            raise ApplicationError(message, type=INVALID_ARGUMENTS, non_retryable=True) from None

    def _result(self, value: object) -> tuple[ToolResult, bool]:
        """What the function returned, as JSON, and whether it is too big to travel as it is."""
        name = self.spec.name
        try:
            return sized_result(activity.info().activity_id, name, self.results.to_json(value))
        except PydanticSerializationError as error:
            message = f"{name} ran, but what it returned is not what it promises: it cannot be written as JSON: {error}"
            raise ApplicationError(preview(message), type=INVALID_RESULT, non_retryable=True) from None
        except BadResult as error:
            message = f"{name} ran, but what it returned is not what it promises: {error}"
            raise ApplicationError(preview(message), type=INVALID_RESULT, non_retryable=True) from None


def tool_changed(name: str) -> ApplicationError:
    """What a call fails with that was allowed for another tool of this name."""
    message = f"{name} is another tool now than was allowed: its description or its schemas changed. It did not run."
    return ApplicationError(message, type=TOOL_CHANGED, non_retryable=True)


def sized_result(call_id: str, name: str, output: JsonValue) -> tuple[ToolResult, bool]:
    """A result, and whether it is too big to travel as it is. Raises ApplicationError where nothing could take it."""
    if too_deep(output):
        message = f"{name} ran, but its result is nested more than {DEEPEST} levels deep."
        raise ApplicationError(message, type=INVALID_RESULT, non_retryable=True)
    result = ToolResult(call_id=call_id, name=name, output=output)
    data = result.model_dump_json().encode()
    size = len(data)
    if size > MAX_RESULT:
        message = f"{name} ran, but its result has {size} bytes of JSON; at most {MAX_RESULT} may be."
        raise ApplicationError(message, type=RESULT_TOO_LARGE, non_retryable=True)
    try:
        # A session would try for ever. Numbers of thousands of digits can be written, and not be read.
        from_json(data)
    except ValueError as error:
        message = f"{name} ran, but its result cannot be read back: {error}."
        raise ApplicationError(message, type=INVALID_RESULT, non_retryable=True) from None
    return result, size > INLINE_LIMIT


def is_tool(value: object) -> bool:
    """Whether `value` is a function decorated with `temporalio.activity.defn`."""
    return inspect.isroutine(value) and activity._Definition.from_callable(value) is not None


def read_tool(fn: Callable[..., Any]) -> Tool:
    """The tool that `fn` is. Raises `ToolLoadError`."""
    source = _source(fn)
    name = _definition(fn).name or ""
    try:
        _NAME.validate_python(name)
    except ValidationError:
        raise ToolLoadError(
            f"{source}: tool {name!r}: a tool's name is a letter and then up to 63 letters, digits, _ or -"
        ) from None
    docs = read_docstring(fn)
    try:
        arguments = read_arguments(fn, docs)
    except UnsupportedParameter as error:
        raise ToolLoadError(f"{source}: tool {name!r}: {error}") from error
    results = read_results(fn)
    spec = ToolSpec(name=name, description=_description(docs), input=arguments.schema, output=results.schema)
    return Tool(spec, source, fn, arguments, results)


def _description(docs: Docs) -> str:
    """With the errors that the tool declares, so that a model knows what may come of a call."""
    errors = [f"- {kind}: {about}" if about else f"- {kind}" for kind, about in docs.errors.items()]
    return "\n\n".join(filter(None, (docs.description, "\n".join(["It may fail with:", *errors]) if errors else "")))


def _definition(fn: Callable[..., Any]) -> activity._Definition:
    return activity._Definition.must_from_callable(fn)


def _source(fn: Callable[..., Any]) -> str:
    code = getattr(inspect.unwrap(fn), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else fn.__module__


@contextmanager
def _typed_failures() -> Iterator[None]:
    try:
        yield
    except FailureError:
        # An ApplicationError of the tool's own, or the cancellation that the SDK raises in threads.
        raise
    except Exception as error:
        kind = type(error).__name__
        raise ApplicationError(preview(str(error)) or kind, type=kind) from error


async def whole_arguments(blobs: BlobStore, args: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """The arguments, read from the blob store where they were too long to travel."""
    if list(args) != [FOLDED_ARGS]:
        return args
    try:
        blob = BlobRef.model_validate(args[FOLDED_ARGS])
    except ValidationError:
        return args
    info = activity.info()
    call_id = call_of_activity(info.activity_id)
    # A model may write anything: only the part that holds this very call is read.
    if not blob.key.startswith(f"{info.workflow_id}/"):
        return args
    (part,) = await unfold(blobs, (ToolCall(call_id=call_id, name="", args={}, blob=blob),))
    if not isinstance(part, ToolCall) or part.call_id != call_id:
        return args
    if part.blob is not None:
        raise ApplicationError("the arguments of this call were lost", type=TOOL_FAILED, non_retryable=True)
    if part.args_raw is not None:
        raise ApplicationError("the arguments are not a JSON object", type=INVALID_ARGUMENTS, non_retryable=True)
    return part.args


def _workflow_id() -> str:
    workflow_id = activity.info().workflow_id
    if workflow_id is None:
        raise ApplicationError(
            "a big result has nowhere to go outside of a session", type=TOOL_FAILED, non_retryable=True
        )
    return workflow_id


def _output(part: object) -> ToolOutput:
    return output_of(part, activity.info().attempt)


def output_of(part: object, attempt: int | None) -> ToolOutput:
    """A tool result, folded or not, as an activity returns it."""
    assert isinstance(part, ToolResult)
    return ToolOutput(output=part.output, blob=part.blob, attempt=attempt)
