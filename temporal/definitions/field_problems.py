"""What pydantic refuses in a file, as problems of that file. Fields of a later version are named as such."""

from perdure.temporal.definitions.fault_words import words
from perdure.temporal.definitions.recovery import Fault
from perdure.temporal.schemas.yaml_source import DefinitionProblem, Loc, Source


def problem_of(source: Source, fault: Fault, below: Loc = ()) -> DefinitionProblem:
    """`below` is where in the file the values lie that were validated."""
    return source.problem((*below, *fault.loc), _message(fault))


def _message(fault: Fault) -> str:
    detail, loc = fault.detail, fault.loc
    match detail["type"]:
        case "extra_forbidden" if fault.meant is not None:
            return f"{words(detail)}; did you mean {fault.meant!r}?"
        case "missing" | "too_short" if loc == ("models",):
            return "there is no model; name one here, in models.yaml or by --models"
        case _:
            return words(detail)
