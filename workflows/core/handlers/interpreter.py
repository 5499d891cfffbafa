"""Carries a handler's program on until it comes to a block that needs the world. Pure.

Rule: the run that comes out depends on the run that goes in and on the names alone, so it makes no difference where a
batch ends, and a session can continue as new between any two.
"""

from collections.abc import Mapping
from typing import Final, assert_never

from pydantic import JsonValue
from pydantic_core import to_json

from perdure.workflows.core.conditions import ConditionError, is_true
from perdure.workflows.core.handlers.doing import doing_of
from perdure.workflows.core.handlers.templates import TemplateFault, evaluated, items
from perdure.workflows.core.state.handlers import Doing, Frame, HandlerRun, Loop, Trying
from perdure.workflows.core.state.record import replace
from perdure.workflows.definition.handlers import (
    Do,
    Enter,
    Finish,
    Guard,
    Jump,
    Next,
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
#: Bytes of all variables and of the items of loops together.
MOST_HELD: Final = 512 * 1024


class HandlerFault(Exception):
    """The handler cannot go on."""

    def __init__(self, at: str, message: str, run: HandlerRun, kind: str = HANDLER_INVALID) -> None:
        super().__init__(message)
        self.error = ToolError(type=kind, message=f"{at}: {message}")
        #: As it stands at the block that failed.
        self.run = run


def carried_on(run: HandlerRun, program: Program, names: Mapping[str, object], most: int = BATCH) -> HandlerRun:
    """`run` after at most `most` instructions, or as it comes to a block that needs the world, or at its end.

    `names` are those that every template may use; the run's variables come before them. Raises HandlerFault."""
    machine = _Machine(run, names)
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

    def __init__(self, run: HandlerRun, names: Mapping[str, object]) -> None:
        self._run = run
        self._names = {**names, **run.variables}
        self._around = names
        self._variables = dict(run.variables)
        self._frames: list[Frame] = list(run.frames)
        self._sizes = {name: _size(value) for name, value in run.variables.items()}
        self._frame_sizes = [_size(frame.items) if isinstance(frame, Loop) else 0 for frame in run.frames]
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
                    raise HandlerFault(instruction.at, str(fault), self.run()) from fault
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
                self._frame_sizes.append(_size(found))
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
            case _:
                self.doing = doing_of(block, instruction.at, self._run.handler, self._names)

    def _assign(self, name: str, value: JsonValue) -> None:
        self._variables[name] = value
        self._names[name] = value
        self._sizes[name] = _size(value)

    def _forget(self, name: str) -> None:
        self._variables.pop(name, None)
        self._sizes.pop(name, None)
        self._names.pop(name, None)
        if name in self._around:
            self._names[name] = self._around[name]

    def _check_held(self) -> None:
        if sum(self._sizes.values()) + sum(self._frame_sizes) > MOST_HELD:
            raise TemplateFault(f"the handler's variables and lists hold more than {MOST_HELD // 1024} KiB")


def _size(value: object) -> int:
    """Bytes of JSON."""
    return len(to_json(value, inf_nan_mode="strings"))
