"""What is wrong with the schedules of a definition, beyond their own form: time zones, and inputs that do not fit."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from perdure.temporal.definitions.finding import Finding
from perdure.temporal.definitions.inputs import InputProblem, check_inputs, input_faults
from perdure.workflows.definition.agent import AgentDefinition


def schedule_findings(definition: AgentDefinition) -> Iterator[Finding]:
    """In the order of the schedules."""
    # Where the schemas themselves are wrong, that is the problem.
    inputs_known = not any(True for _ in input_faults(definition))
    for index, schedule in enumerate(definition.schedules):
        loc = ("schedules", index)
        if not is_timezone(schedule.timezone):
            message = f"{schedule.timezone!r} is not a time zone; use one as in Europe/Berlin, or UTC"
            yield Finding((*loc, "timezone"), message)
        if inputs_known:
            try:
                check_inputs(definition, dict(schedule.inputs))
            except InputProblem as problem:
                yield Finding(
                    (*loc, "inputs", problem.field), problem.message, (("inputs", problem.field.split(".")[0]),)
                )


def is_timezone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError):
        # `ZoneInfoNotFoundError` is a KeyError; a folder of the database is an OSError.
        return False
    except KeyError:
        return False
    return True
