"""Steps with what happened in them, for the trace. Pure."""

from collections.abc import Iterable, Iterator

from perdure.workflows.protocol.steps import StepRecord
from perdure.workflows.protocol.traces import TraceStep
from perdure.workflows.vocabulary.events import (
    ContextCompacted,
    Event,
    StepFinished,
    StepStarted,
    ToolFinished,
    ToolStarted,
)
from perdure.workflows.vocabulary.ids import step_of
from perdure.workflows.vocabulary.question_events import (
    ApprovalRequested,
    ApprovalResolved,
    InputReceived,
    InputRequested,
)


def traced(steps: Iterable[StepRecord], events: Iterable[Event]) -> Iterator[TraceStep]:
    """`steps` in their order, each with those of `events` that are its own."""
    steps = tuple(steps)
    by_step: dict[str, list[Event]] = {record.step_id: [] for record in steps}
    #: Of each question, the step whose call asks it.
    asking: dict[str, str] = {}
    for event in events:
        match event:
            case StepStarted() | StepFinished():
                step_id = event.step_id
            case ContextCompacted(step_id=str(of)):
                step_id = of
            case ToolStarted() | ToolFinished() | ApprovalResolved():
                step_id = step_of(event.call_id)
            case ApprovalRequested() | InputRequested() if event.call_id is not None:
                step_id = step_of(event.call_id)
                asking[event.question_id] = step_id
                # What the model wrote is in the step's message.
                event = event.without_args()
            case InputReceived():
                step_id = asking.get(event.question_id, "")
            case _:
                continue
        if step_id in by_step:
            by_step[step_id].append(event)
    return (TraceStep(record=record, events=tuple(by_step[record.step_id])) for record in steps)
