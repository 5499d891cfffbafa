"""One YAML file to one `AgentDefinition`, or to the list of what is wrong with it.

Rule 1: a field or policy that this version does not carry out is refused, never ignored.
Rule 2: everything that can be known before a session runs is checked here: the template, the inputs' schemas, tools,
prices under a cost cap. What passes can be started.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from perdure.temporal.definitions.allowed import Allowed
from perdure.temporal.definitions.inputs import input_faults
from perdure.temporal.definitions.prices import price_of
from perdure.temporal.definitions.schedule_check import schedule_problems
from perdure.temporal.definitions.secret_check import secret_problems
from perdure.temporal.definitions.template_check import BUILT_IN, Fault, template_faults
from perdure.temporal.definitions.tool_check import tool_problems
from perdure.temporal.schemas.yaml_source import DefinitionProblem, Loc, Refused, Source, read_text, read_yaml
from perdure.workflows.definition.agent import AgentDefinition, ModelDefinition
from perdure.workflows.definition.tools import Name

#: Fields of the full definition that this version does not carry out, by the part that they belong to.
_LATER: Final = {
    "": ("idle_timeout", "handlers"),
    "models": ("fallback",),
    "context": ("compact_at", "keep_recent", "summarizer"),
    "limits": ("working_time",),
}
_LATER_BUSY: Final = ("steer", "interrupt", "reject")
_ROLE: Final[TypeAdapter[dict[str, ModelDefinition]]] = TypeAdapter(dict[Name, ModelDefinition])
_NAMED_FIELD: Final = re.compile(r"^([a-z_]+): (.*)$", re.DOTALL)

Models = Mapping[str, ModelDefinition]


@dataclass(frozen=True, slots=True)
class AgentFile:
    """What one file gave. `definition` is None where there are problems."""

    file: Path
    #: As the file gives it, or the file's own name where it does not get that far.
    name: str
    definition: AgentDefinition | None
    problems: tuple[DefinitionProblem, ...] = ()
    #: Other files that it was made from, there or not.
    included: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class _Instructions:
    text: str
    #: Where the text begins: its file, and the line before its first.
    file: Path
    before: int


def load_agent_file(
    file: Path, shared: Models, tool_names: frozenset[str] | None, allowed: Allowed | None = None
) -> AgentFile:
    """Reads and checks one definition. `shared` models lie below its own; `tool_names` None checks no tool names.

    `allowed` None: what the settings allow.
    """
    name = file.stem
    included: tuple[Path, ...] = ()
    try:
        source = read_yaml(file)
        values = dict(source.values)
        name = values["name"] if isinstance(values.get("name"), str) else name
        included = _included(source)
        instructions = _instructions(source, included)
        if instructions is not None:
            values["instructions"] = instructions.text
        own = values.get("models", {})
        if isinstance(own, dict):
            values["models"] = {**shared, **own}
        definition = _validate(source, values)
        problems = _check(source, definition, instructions, own, tool_names)
        problems += secret_problems(source, definition, own, allowed or Allowed.load())
    except Refused as refused:
        return AgentFile(file, name, None, tuple(sorted(refused.problems)), included)
    return AgentFile(file, name, None if problems else definition, tuple(sorted(problems)), included)


def load_models(file: Path) -> tuple[dict[str, ModelDefinition], tuple[DefinitionProblem, ...]]:
    """The models of a shared file, by role: `fast: {use: …}`, or the same below `models:`. A faulty one is left out."""
    try:
        source = read_yaml(file)
    except Refused as refused:
        return {}, refused.problems
    below: Loc = ()
    roles: dict[str, Any] = source.values
    if list(roles) == ["models"] and isinstance(inner := roles["models"], dict) and "use" not in inner:
        below, roles = ("models",), inner
    models: dict[str, ModelDefinition] = {}
    problems: list[DefinitionProblem] = []
    for role, value in roles.items():
        try:
            models |= _ROLE.validate_python({role: value})
        except ValidationError as error:
            problems += [_problem(source, below, detail) for detail in error.errors()]
    return models, tuple(sorted(problems))


def _included(source: Source) -> tuple[Path, ...]:
    match source.values.get("instructions"):
        case {"file": str(name), **rest} if not rest:
            return (source.file.parent / name,)
        case _:
            return ()


def _instructions(source: Source, included: tuple[Path, ...]) -> _Instructions | None:
    """The template and where it stands; None where the field is missing or of a wrong type. Raises Refused."""
    if included:
        folder, file = source.file.parent.resolve(), included[0].resolve()
        if not file.is_relative_to(folder):
            raise Refused(source.problem(("instructions", "file"), "must lie in the folder of this file, or below it"))
        try:
            return _Instructions(read_text(file), included[0], 0)
        except Refused as refused:
            (problem,) = refused.problems
            raise Refused(source.problem(("instructions", "file"), f"{included[0]}: {problem.message}")) from None
    match source.values.get("instructions"):
        case str(text):
            node, line = source.find(("instructions",))
            is_block = isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")
            return _Instructions(text, source.file, node.start_mark.line + 1 if is_block else line - 1)
        case dict():
            raise Refused(source.problem(("instructions",), "is a text, or {file: NAME} and nothing else"))
        case _:
            return None


def _validate(source: Source, values: dict[str, Any]) -> AgentDefinition:
    try:
        return AgentDefinition.model_validate(values)
    except ValidationError as error:
        raise Refused(*[_problem(source, (), detail) for detail in error.errors()]) from None


def _problem(source: Source, below: Loc, detail: ErrorDetails) -> DefinitionProblem:
    loc: Loc = (*below, *detail["loc"])
    if len(loc) > 2 and loc[0] == "tools":
        # pydantic names the kind of tool between its number and its field.
        loc = (*loc[:2], *loc[3:])
    message = detail["msg"].removeprefix("Value error, ")
    field = loc[-1] if loc else ""
    match detail["type"]:
        case "missing":
            return source.problem(loc, "is required")
        case "extra_forbidden" if field in _LATER.get(str(loc[0]) if len(loc) > 1 else "", ()):
            return source.problem(loc, "this version does not carry this out; leave it away")
        case "extra_forbidden":
            return source.problem(loc, "there is no such field")
        case "too_short" if loc == ("models",):
            return source.problem(loc, "there is no model; name one here, in models.yaml or by --models")
        case "literal_error" if field == "busy" and detail["input"] in _LATER_BUSY:
            return source.problem(loc, f"this version does not carry out {detail['input']!r}; it knows only 'queue'")
        case "value_error" if (named := _NAMED_FIELD.match(message)) is not None:
            # A rule over several fields says which one it is about.
            return source.problem((*loc, named[1]), named[2])
        case _:
            return source.problem(loc, message[:1].lower() + message[1:])


def _check(
    source: Source,
    definition: AgentDefinition,
    instructions: _Instructions | None,
    own_models: Any,
    tool_names: frozenset[str] | None,
) -> list[DefinitionProblem]:
    problems = [source.problem(("inputs", *loc), message) for loc, message in input_faults(definition)]
    if instructions is not None:
        known = frozenset(definition.inputs) | BUILT_IN
        problems += [_in_text(instructions, fault) for fault in template_faults(instructions.text, known)]
    problems += tool_problems(source, definition, tool_names)
    problems += schedule_problems(source, definition)
    if definition.limits.cap_costs:
        # A shared role that this agent does not name may stay unknown: the session refuses it where it is chosen.
        for role in dict.fromkeys([definition.model, *own_models]):
            model = definition.models[role]
            if price_of(model) is None:
                loc = ("models", role) if role in own_models else ("model",)
                message = (
                    f"{model.use} has no known price, which a cap on cost needs; add price: {{input: …, output: …}}"
                )
                problems.append(source.problem(loc, message))
    return problems


def _in_text(instructions: _Instructions, fault: Fault) -> DefinitionProblem:
    return DefinitionProblem(instructions.file, instructions.before + fault.line, "instructions", fault.message)
