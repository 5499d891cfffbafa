"""What is told of steps that were: for the trace."""

import operator

from pydantic import Field

from perdure.workflows.definition.agent import LoadedAgent
from perdure.workflows.protocol.segment_refs import SegmentRef
from perdure.workflows.protocol.steps import StepRecord
from perdure.workflows.vocabulary.events import Event
from perdure.workflows.vocabulary.parts import Frozen, absent


class TraceStep(Frozen):
    record: StepRecord
    #: `step.started`, `step.finished` and the tools' events of this step, as far as they have happened; also what was
    #: asked about its calls, without the arguments, which its message has.
    events: tuple[Event, ...]
    #: The definition that a sealed step ran with.
    agent: LoadedAgent | None = Field(default=None, exclude_if=absent)


class TracePage(Frozen):
    """Answer to `trace(after)`: steps in order; `after` counts steps that are kept, sealed or not."""

    #: Of all steps that are sealed, where `after` leaves out fewer than these.
    sealed: tuple[SegmentRef, ...] = Field(default=(), exclude_if=operator.not_)
    steps: tuple[TraceStep, ...]
    more: bool
