"""Carries a handler's program on until it comes to a block that needs the world. Pure.

Rule: the run that comes out depends on the run that goes in and on the names alone, so it makes no difference where a
batch ends, and a session can continue as new between any two.
"""

from collections.abc import Mapping
from typing import Final, assert_never

from pydantic import JsonValue

from perdure.workflows.core.conditions import ConditionError, is_true
from perdure.workflows.core.handlers.compensation import check_room
from perdure.workflows.core.handlers.doing import doing_of
from perdure.workflows.core.handlers.held import MOST_HELD, TOO_MUCH, size
from perdure.workflows.core.handlers.shared import NOTHING_SHARED, Shared
from perdure.workflows.core.handlers.templates import TemplateFault, evaluated, items
from perdure.workflows.core.handlers.together import arguments_size, calling_many
from perdure.workflows.core.state.compensating import Compensating
from perdure.workflows.core.state.handlers import Doing, Frame, HandlerRun, Loop, Trying
from perdure.workflows.core.state.record import replace
from perdure.workflows.definition.handlers import (
    CallTool,
    Compensate,
    Compensation,
    Do,
    Enter,
    Finish,
    Guard,
    Jump,
    Next,
    Parallel,
    Program,
    Set,
    Unguard,
    Unless,
)
from perdure.workflows.vocabulary.errors import HANDLER_INVALID, HANDLER_TOO_LONG
from perdure.workflows.vocabulary.parts import ToolError

#: Instructions of one batch.
BATCH: Final = 200
#: Instructions of a run in all.
MOST_INSTRUCTIONS: Final = 1_000_000


class HandlerFault(Exception):
    """The handler cannot go on."""

    def __init__(self, at: str, message: str, run: HandlerRun, kind: str = HANDLER_INVALID) -> None:
        super().__init__(message)
        self.error = ToolError(type=kind, message=f"{at}: {message}")
        #: As it stands at the block that failed.
        self.run = run


def carried_on(
    run: HandlerRun,
    program: Program,
    names: Mapping[str, object],
    most: int = BATCH,
    shared: Shared = NOTHING_SHARED,
) -> HandlerRun:
    """`run` after at most `most` instructions, or as it comes to a block that needs the world, or at its end.

    `names` are those that every template may use; the run's variables come before them. What is set of the session's
    variables is in `shared` then. Raises HandlerFault."""
    machine = _Machine(run, {**names, **shared.values}, shared)
    for _ in range(most):
        if machine.doing is not None or machine.over:
            break
        if machine.at >= len(program):
            machine.over = True
        else:
            machine.step(program)
    return machine.run()


def advanced(run: HandlerRun, into: str | None = None, value: JsonValue = None) -> HandlerRun:
    """`run` behind the block that is done; its result goes to the variable `into`."""
    variables = run.variables if into is None else {**run.variables, into: value}
    return replace(run, at=run.at + 1, doing=None, variables=variables)


def caught(run: HandlerRun, error: ToolError) -> HandlerRun | None:
    """`run` where it goes on after this error; None: nothing catches it."""
    variables = dict(run.variables)
    for depth in reversed(range(len(run.frames))):
        frame = run.frames[depth]
        if isinstance(frame, Loop):
            variables.pop(frame.name, None)
            continue
        for kind, to in frame.catches:
            if kind in (None, error.type):
                variables["error"] = {"type": error.type, "message": error.message, "retryable": error.retryable}
                return replace(run, at=to, doing=None, frames=run.frames[:depth], variables=variables)
    return None


class _Machine:
    """A run while it is carried on."""

    def __init__(self, run: HandlerRun, names: Mapping[str, object], shared: Shared) -> None:
        self._run = run
        self._shared = shared
        self._names = {**names, **run.variables}
        self._around = names
        self._variables = dict(run.variables)
        self._frames: list[Frame] = list(run.frames)
        self._sizes = {name: size(value) for name, value in run.variables.items()}
        self._frame_sizes = [size(frame.items) if isinstance(frame, Loop) else 0 for frame in run.frames]
        self._kept_size = sum(size(one.args) for one in run.kept)
        self._count = run.count
        self.at = run.at
        self.doing: Doing | None = run.doing
        self.over = run.over

    def run(self) -> HandlerRun:
        return replace(
            self._run,
            variables=self._variables,
            frames=tuple(self._frames),
            count=self._count,
            at=self.at,
            doing=self.doing,
            over=self.over,
        )

    def step(self, program: Program) -> None:
        instruction = program[self.at]
        self._count += 1
        if self._count > MOST_INSTRUCTIONS:
            message = f"the handler has gone through more than {MOST_INSTRUCTIONS:,} blocks"
            # Whatever catches it could go on for as long again.
            run = replace(self.run(), frames=())
            raise HandlerFault(self._run.handler, message, run, HANDLER_TOO_LONG)
        match instruction:
            case Jump():
                self.at = instruction.to
            case Next():
                self._next(instruction)
            case Guard():
                self._frames.append(Trying(catches=instruction.catches))
                self._frame_sizes.append(0)
                self.at += 1
            case Unguard():
                self._frames.pop()
                self._frame_sizes.pop()
                self.at = instruction.to
            case Unless() | Enter() | Do():
                try:
                    self._step(instruction)
                except (TemplateFault, ConditionError) as fault:
                    at = fault.at if isinstance(fault, TemplateFault) and fault.at is not None else instruction.at
                    raise HandlerFault(at, str(fault), self.run()) from fault
            case _:
                assert_never(instruction)

    def _step(self, instruction: Unless | Enter | Do) -> None:
        match instruction:
            case Unless():
                self.at = self.at + 1 if is_true(instruction.when, self._names) else instruction.to
            case Enter():
                found = items(instruction.items, self._names)
                if len(found) > instruction.most:
                    raise TemplateFault(f"the list has {len(found)} items; at most {instruction.most} may be (`max`)")
                self._frames.append(Loop(items=found, name=instruction.name))
                self._frame_sizes.append(size(found))
                self._check_held()
                self.at += 1
            case Do():
                self._do(instruction)
            case _:
                assert_never(instruction)

    def _next(self, instruction: Next) -> None:
        loop = self._frames[-1]
        assert isinstance(loop, Loop)
        if loop.taken < len(loop.items):
            self._assign(instruction.name, loop.items[loop.taken])
            self._frames[-1] = replace(loop, taken=loop.taken + 1)
            self.at += 1
            return
        self._frames.pop()
        self._frame_sizes.pop()
        self._forget(instruction.name)
        self.at = instruction.to

    def _do(self, instruction: Do) -> None:
        block = instruction.block
        match block:
            case Set():
                for name, value in block.values.items():
                    self._assign(name, evaluated(value, self._names))
                    self._check_held()
                self.at += 1
            case Finish(result=None):
                self.over = True
            case Compensate():
                self.doing = Compensating(at=instruction.at)
            case Parallel() | CallTool(compensate=Compensation()):
                many = calling_many(block, instruction.at, self._run.handler, self._names)
                check_room(self._run, many)
                self.doing = replace(many, held=self._check_held(arguments_size(many)))
            case _:
                self.doing = doing_of(block, instruction.at, self._run.handler, self._names)

    def _assign(self, name: str, value: JsonValue) -> None:
        if name in self._shared:
            self._names[name] = self._shared.write(name, value)
            return
        self._variables[name] = value
        self._names[name] = value
        self._sizes[name] = size(value)

    def _forget(self, name: str) -> None:
        self._variables.pop(name, None)
        self._sizes.pop(name, None)
        self._names.pop(name, None)
        if name in self._around:
            self._names[name] = self._around[name]

    def _check_held(self, more: int = 0) -> int:
        """Bytes of what the run holds with `more`. Raises TemplateFault."""
        held = sum(self._sizes.values()) + sum(self._frame_sizes) + self._kept_size + more
        if held > MOST_HELD:
            raise TemplateFault(TOO_MUCH)
        return held
