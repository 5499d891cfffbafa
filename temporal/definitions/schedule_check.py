"""What is wrong with the schedules of a definition, beyond their own form: time zones, handlers that are not there, and
inputs that do not fit."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from perdure.temporal.definitions.finding import Finding
from perdure.temporal.definitions.inputs import InputProblem, faults_of, input_faults, scheduled_inputs
from perdure.temporal.schemas.yaml_source import Loc
from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.definition.schedules import schedule_faults


def schedule_findings(definition: AgentDefinition) -> Iterator[Finding]:
    """In the order of the schedules."""
    # Where the schemas themselves are wrong, that is the problem.
    inputs_known = not any(True for _ in input_faults(definition))
    unknown = dict(schedule_faults(definition.schedules, definition.handlers, definition.events))
    for index, schedule in enumerate(definition.schedules):
        loc = ("schedules", index)
        if not is_timezone(schedule.timezone):
            message = f"{schedule.timezone!r} is not a time zone; use one as in Europe/Berlin, or UTC"
            yield Finding((*loc, "timezone"), message)
        if index in unknown:
            yield Finding((*loc, "handler"), unknown[index], (("handlers",),))
            continue
        handler = None if schedule.handler is None else definition.handlers[schedule.handler]
        if inputs_known and (handler is None or not any(True for _ in faults_of(handler.inputs))):
            try:
                scheduled_inputs(definition, schedule)
            except InputProblem as problem:
                name = problem.field.split(".")[0]
                rests_on: tuple[Loc, ...] = (("inputs", name),)
                if schedule.handler is not None:
                    rests_on = (*rests_on, ("handlers", schedule.handler, "inputs", name))
                yield Finding((*loc, "inputs", problem.field), problem.message, rests_on)


def is_timezone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError):
        # `ZoneInfoNotFoundError` is a KeyError; a folder of the database is an OSError.
        return False
    except KeyError:
        return False
    return True
