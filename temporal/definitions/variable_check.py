"""What is wrong with the session variables of a definition, and with what its blocks put into them.

Rule: only what can never fit is refused. Whether what a template or a tool gives fits is seen when the block has its value.
"""

from collections.abc import Iterator
from typing import Any, Final

from perdure.temporal.definitions.finding import Finding
from perdure.temporal.schemas.yaml_source import Loc
from perdure.workflows.core.conditions import expression_of
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.handlers import AskPerson, Choose, Generate, Parallel, RunAgent, WaitFor
from perdure.workflows.definition.variables import SessionVariable, variable_faults

_A_TEXT: Final = "a text"
_A_MAPPING: Final = "a mapping"


def variable_findings(definition: AgentDefinition) -> Iterator[Finding]:
    """Names that cannot be meant, each at its place."""
    for name, message in variable_faults(definition.variables, definition.inputs, definition.handlers):
        yield Finding(("variables", name), message)


def variable_schemas(definition: AgentDefinition) -> dict[str, Any]:
    """The JSON Schema of each, by name."""
    return {
        name: {"type": one.type} | ({"enum": list(one.enum)} if one.enum is not None else {})
        for name, one in definition.variables.items()
    }


def set_fault(variable: SessionVariable, name: str, value: Any) -> str | None:
    """Why `set` can never put this value into the variable; None: it may fit."""
    if not _is_filled_in(value):
        try:
            variable.taken(value)
        except ValueError as error:
            return f"the session variable {name} {error}"
        return None
    if isinstance(value, str) and expression_of(value) is None:
        return _never(
            variable, name, "string", f"{_A_TEXT}; write one {{{{ }}}} and nothing else to keep a value's type"
        )
    if isinstance(value, dict | list):
        kind, words = ("object", _A_MAPPING) if isinstance(value, dict) else ("array", "a list")
        return _never(variable, name, kind, words)
    return None


def into_fault(variable: SessionVariable, block: Any) -> tuple[Loc, str] | None:
    """Why what the block gives can never fit the session variable that it goes to, with the place in the block."""
    match block:
        case Generate(output=None):
            why = _never(variable, block.into, "string", f"{_A_TEXT}; give output, or a variable of type string")
        case Generate() | AskPerson():
            why = _never(variable, block.into, "object", f"{_A_MAPPING}, as its schema says")
        case WaitFor():
            why = _never(variable, str(block.into), "object", f"{_A_MAPPING}: what the event says")
        case RunAgent():
            why = _never(
                variable, str(block.into), "object", f"{_A_MAPPING}: `text`, and `result` where the agent has one"
            )
        case Parallel():
            why = _never(variable, str(block.into), "array", "a list of results")
        case Choose():
            why = _never(variable, block.into, "string", _A_TEXT)
            if why is None and variable.enum is not None:
                others = [option for option in block.options if option not in variable.enum]
                if others:
                    return ("options",), f"the session variable {block.into} never holds {others[0]!r}, by its enum"
        case _:
            return None
    return None if why is None else (("into",), why)


def _never(variable: SessionVariable, name: str, kind: str, words: str) -> str | None:
    return None if variable.type == kind else f"the session variable {name} takes {variable.kind}, and is given {words}"


def _is_filled_in(value: Any) -> bool:
    """Whether there may be templates in it."""
    match value:
        case str():
            return "{" in value
        case dict():
            return any(map(_is_filled_in, value.values()))
        case list():
            return any(map(_is_filled_in, value))
        case _:
            return False
