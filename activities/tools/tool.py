"""A Python function as a tool: its description for models, and the activity that calls it.

Rule 1: the activity has the tool's name, takes one JSON object (and `CallOptions`, where the definition asks for more
than the usual) and returns a `ToolOutput`. Invalid arguments never reach the function, and a large result never reaches
Temporal. The hash of the tool that a person allowed comes with the arguments; no other tool runs.
Rule 2: a failure has a type. The tool's own `ApplicationError` and a cancellation pass unchanged. Any other exception
becomes an `ApplicationError` with the name of its class as type, which Temporal retries.
Rule 3: nothing is logged here, because arguments and results belong to the users.
"""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import JsonValue, TypeAdapter, ValidationError
from temporalio import activity
from temporalio.exceptions import ApplicationError, FailureError

from perdure.activities.encoding.raw_bytes import Files, whole_text
from perdure.activities.tools.arguments import Arguments, BadArguments, UnsupportedParameter, read_arguments
from perdure.activities.tools.context_parameter import UnfitContext
from perdure.activities.tools.docstrings import Docs, read_docstring
from perdure.activities.tools.errors import is_tellable, tellable
from perdure.activities.tools.outputs import keep_files, output_of, sized_result
from perdure.activities.tools.places import ToolPlaces
from perdure.activities.tools.results import BadResult, Results, read_results
from perdure.activities.tools.returned import Returned
from perdure.temporal.stores.blobs import BlobStore, fold_part, unfold
from perdure.temporal.telemetry.redaction import redacted
from perdure.temporal.user_error import UserError
from perdure.workflows.core.binding import spec_sha256
from perdure.workflows.definition.tools import Name
from perdure.workflows.protocol.activities import ALLOWED_SPEC, FOLDED_ARGS, CallOptions, ToolOutput
from perdure.workflows.vocabulary.errors import (
    CONTEXT_UNFIT,
    INVALID_ARGUMENTS,
    INVALID_RESULT,
    TOOL_CHANGED,
    TOOL_FAILED,
)
from perdure.workflows.vocabulary.folding import preview
from perdure.workflows.vocabulary.ids import call_of_activity
from perdure.workflows.vocabulary.parts import BlobRef, Blocked, ToolCall, ToolSpec
from perdure.workflows.vocabulary.tool_context import ToolContext

_NAME: TypeAdapter[str] = TypeAdapter(Name)


class ToolLoadError(UserError):
    """Tools cannot be loaded. The message is for people: the place, and what is wrong there."""


@dataclass(frozen=True, slots=True)
class Tool:
    spec: ToolSpec
    #: `file:line`
    source: str
    fn: Callable[..., Any]
    arguments: Arguments
    results: Results

    def activity(
        self, blobs: BlobStore, loop: asyncio.AbstractEventLoop, places: ToolPlaces | None = None
    ) -> Callable[..., Any]:
        """The activity to register on a worker that runs on `loop`; big results go to `blobs`.

        It is synchronous where the function is, so that the worker runs it in its executor and everything that the SDK
        offers to threads (heartbeats, cancellation) works inside. `places` is where the function runs; None: on `loop`
        itself or in the executor, whatever is asked for.
        """
        definition = _definition(self.fn)

        async def call(args: dict[str, JsonValue], how: CallOptions | None = None) -> ToolOutput:
            args = await whole_arguments(blobs, self._as_allowed(args))
            blocked = None
            context = how.context if how is not None else None
            if places is None:
                returned = await self.carry_out(args, context)
            elif how is not None and how.process:
                returned = await places.processes.call(self.spec.name, args, context)
            else:
                with places.watched(self.spec.name, self.source) as running:
                    returned = await places.loops.run(running, partial(self.carry_out, args, context))
                blocked = running.blocked
            return await _kept(blobs, returned, blocked)

        def call_in_thread(args: dict[str, JsonValue], how: CallOptions | None = None) -> ToolOutput:
            args = self._as_allowed(args)
            if FOLDED_ARGS in args:
                args = asyncio.run_coroutine_threadsafe(whole_arguments(blobs, args), loop).result()
            blocked = None
            context = how.context if how is not None else None
            if places is not None and how is not None and how.process:
                returned = places.processes.call_in_thread(self.spec.name, args, context)
            else:
                given = self._check(args, context)
                watched = nullcontext() if places is None else places.watched_in_thread(self.spec.name, self.source)
                with watched as running, _typed_failures():
                    value = self.fn(**given)
                returned = self._result(value)
                blocked = running.blocked if running is not None else None
            if not returned.big and not returned.files:
                return _output(returned.result, blocked)
            # The store belongs to the worker's loop: its cache and its connections are not thread-safe.
            keeping = asyncio.run_coroutine_threadsafe(_kept(blobs, returned, blocked), loop)
            return keeping.result()

        wrap = activity.defn(name=self.spec.name, no_thread_cancel_exception=definition.no_thread_cancel_exception)
        return wrap(call) if inspect.iscoroutinefunction(self.fn) else wrap(call_in_thread)

    async def carry_out(self, args: dict[str, JsonValue], context: ToolContext | None = None) -> Returned:
        """Carries out a call on the running loop, users' validators and serializers included. The function blocks the loop if
        it blocks. Raises ApplicationError."""
        given = self._check(args, context)
        with _typed_failures():
            value = self.fn(**given)
            if inspect.isawaitable(value):
                value = await value
        return self._result(value)

    def _as_allowed(self, args: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """The arguments alone. Raises ApplicationError if a person allowed another tool than this."""
        if args.get(ALLOWED_SPEC, own := spec_sha256(self.spec)) != own:
            raise tool_changed(self.spec.name)
        return {name: value for name, value in args.items() if name != ALLOWED_SPEC}

    def _check(self, args: dict[str, JsonValue], context: ToolContext | None) -> dict[str, Any]:
        """The keyword arguments to call the function with, the context among them."""
        try:
            given = self.arguments.check(args)
        except BadArguments as error:
            message = f"{self.spec.name} was not called, because its arguments are wrong. {error}."
            raise ApplicationError(message, type=INVALID_ARGUMENTS, non_retryable=True) from None
        wanted = self.arguments.context
        if wanted is None:
            return given
        if context is None:
            message = f"{self.spec.name} was not called, because it was not told on whose behalf. Call it again."
            # The session knows the tool as it was before it asked to be told.
            raise ApplicationError(message, type=TOOL_CHANGED, non_retryable=True)
        try:
            return {**given, wanted.name: wanted.value(context)}
        except UnfitContext as error:
            message = f"{self.spec.name} was not called, because this session cannot tell it what it needs. {error}."
            raise ApplicationError(message, type=CONTEXT_UNFIT, non_retryable=True) from None

    def _result(self, value: object) -> Returned:
        name = self.spec.name
        info = activity.info()
        files = Files(lambda sha256: f"{info.workflow_id}/{sha256}")
        try:
            return Returned(*sized_result(info.activity_id, name, self.results.to_json(value, files)), files.found)
        except BadResult as error:
            message = f"{name} ran, but what it returned is not what it promises: {whole_text(str(error))}"
            raise ApplicationError(preview(message), type=INVALID_RESULT, non_retryable=True) from None


def tool_changed(name: str) -> ApplicationError:
    """The failure of a call that was allowed for another tool of this name."""
    message = f"{name} has changed since it was allowed: its description or its schemas are different. It did not run."
    return ApplicationError(message, type=TOOL_CHANGED, non_retryable=True)


async def _kept(blobs: BlobStore, returned: Returned, blocked: Blocked | None) -> ToolOutput:
    if not returned.big and not returned.files:
        return _output(returned.result, blocked)
    workflow_id = _workflow_id()
    await keep_files(blobs, workflow_id, returned.result.name, returned.files)
    result = returned.result
    return _output(await fold_part(blobs, workflow_id, result) if returned.big else result, blocked)


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
    spec = ToolSpec(
        name=name,
        description=_description(docs),
        input=arguments.schema,
        output=results.schema,
        context=arguments.context is not None,
    )
    return Tool(spec, source, fn, arguments, results)


def _description(docs: Docs) -> str:
    """The docstring's description, with the errors that the tool declares."""
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
    except FailureError as error:
        # The tool's own ApplicationError, or the cancellation that the SDK raises in threads.
        if is_tellable(error):
            raise
        raise tellable(error) from None
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        # SystemExit and KeyboardInterrupt would end the process, and everything else in it.
        if is_tellable(error):
            kind = type(error).__name__
            # Secrets are cut out first, so that no half of one is left when the text is shortened.
            raise ApplicationError(preview(redacted(str(error))) or kind, type=kind) from error
        raise tellable(error) from None


async def whole_arguments(blobs: BlobStore, args: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """The arguments, hydrated from the blob store if they were offloaded."""
    if list(args) != [FOLDED_ARGS]:
        return args
    try:
        blob = BlobRef.model_validate(args[FOLDED_ARGS])
    except ValidationError:
        return args
    info = activity.info()
    call_id = call_of_activity(info.activity_id)
    # A model may write anything, so only the part that holds this very call is read.
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


def _output(part: object, blocked: Blocked | None = None) -> ToolOutput:
    output = output_of(part, activity.info().attempt)
    return output if blocked is None else output.model_copy(update={"blocked": blocked})
