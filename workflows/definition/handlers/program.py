"""A handler as a flat list of instructions, so that where it stands is one number that survives JSON. Pure.

`switch` becomes branches and jumps, `for_each` a loop that is entered and gone round, `try` a place that is entered and left;
every other block is one instruction.
"""

from dataclasses import dataclass
from typing import assert_never

from pydantic import JsonValue

from perdure.workflows.definition.handlers.agents import RunAgent
from perdure.workflows.definition.handlers.asking import Choose, Generate, Respond
from perdure.workflows.definition.handlers.blocks import BlockDefinition, ForEach, Switch, Try
from perdure.workflows.definition.handlers.compensation import Compensate
from perdure.workflows.definition.handlers.person import AskPerson
from perdure.workflows.definition.handlers.plain import CallTool, Finish, Say, Set, WaitFor
from perdure.workflows.definition.handlers.together import Parallel

Simple = Respond | Generate | Choose | CallTool | Parallel | Compensate | Set | Say | WaitFor | AskPerson | Finish


@dataclass(frozen=True)
class Do:
    """Carry the block out."""

    block: Simple
    #: Where it stands in the definition, as in `message[1].switch[0].do[0]`.
    at: str


@dataclass(frozen=True)
class Unless:
    """Go on at `to` unless the condition holds."""

    when: str
    to: int
    at: str


@dataclass(frozen=True)
class Jump:
    to: int


@dataclass(frozen=True)
class Enter:
    """Begin to loop over these items."""

    items: str | tuple[JsonValue, ...]
    name: str
    most: int
    at: str


@dataclass(frozen=True)
class Next:
    """Put the next item into the variable; where there is none, leave the loop and go on at `to`."""

    name: str
    to: int


@dataclass(frozen=True)
class Guard:
    """From here on, errors of these types go on at these instructions, None being of any type."""

    catches: tuple[tuple[str | None, int], ...]


@dataclass(frozen=True)
class Unguard:
    """What was guarded has not failed: go on at `to`."""

    to: int


Instruction = Do | Unless | Jump | Enter | Next | Guard | Unguard
#: A handler ends behind its last instruction.
Program = tuple[Instruction, ...]


def compiled(name: str, blocks: tuple[BlockDefinition, ...]) -> Program:
    """The instructions of the handler `name`."""
    program: list[Instruction] = []
    _compile(program, name, blocks)
    return tuple(program)


def _compile(program: list[Instruction], at: str, blocks: tuple[BlockDefinition, ...]) -> None:
    for index, block in enumerate(blocks):
        place = f"{at}[{index}].{block.kind}"
        match block:
            case Switch():
                _compile_switch(program, place, block)
            case ForEach():
                program.append(Enter(block.items, block.name, block.most, place))
                start = len(program)
                program.append(Jump(0))
                _compile(program, f"{place}.do", block.do)
                program.append(Jump(start))
                program[start] = Next(block.name, len(program))
            case Try():
                _compile_try(program, place, block)
            case RunAgent():
                program.append(Do(block.as_call(), place))
            case Parallel() | Compensate():
                program.append(Do(block, place))
            case Respond() | Generate() | Choose() | CallTool() | Set() | Say() | WaitFor() | AskPerson() | Finish():
                program.append(Do(block, place))
            case _:
                assert_never(block)


def _compile_switch(program: list[Instruction], at: str, block: Switch) -> None:
    ends: list[int] = []
    for index, case in enumerate(block.cases):
        test = len(program)
        if case.when is not None:
            program.append(Jump(0))
        _compile(program, f"{at}[{index}].do", case.do)
        if index + 1 < len(block.cases):
            ends.append(len(program))
            program.append(Jump(0))
        if case.when is not None:
            program[test] = Unless(case.when, len(program), f"{at}[{index}].when")
    for end in ends:
        program[end] = Jump(len(program))


def _compile_try(program: list[Instruction], at: str, block: Try) -> None:
    guard = len(program)
    program.append(Jump(0))
    _compile(program, f"{at}.do", block.do)
    leave = len(program)
    program.append(Jump(0))
    catches: list[tuple[str | None, int]] = []
    ends: list[int] = []
    for index, one in enumerate(block.catch):
        catches.append((one.type, len(program)))
        _compile(program, f"{at}.catch[{index}].do", one.do)
        ends.append(len(program))
        program.append(Jump(0))
    program[guard] = Guard(tuple(catches))
    program[leave] = Unguard(len(program))
    for end in ends:
        program[end] = Jump(len(program))
