"""What the routes of runs answer."""

from typing import Literal

from pydantic import Field, JsonValue

from perdure.workflows.vocabulary.parts import Frozen, ToolError, Usage, absent
from perdure.workflows.vocabulary.questions import Question


class RunStarted(Frozen):
    run_id: str
    #: Of its session, which has the same id: its events, its trace, its questions.
    session_id: str
    #: The id of its workflow in Temporal.
    workflow_id: str


class RunShown(Frozen):
    """A run as it is now."""

    run_id: str
    session_id: str
    #: `waiting`: a person has to answer one of `questions`.
    status: Literal["working", "waiting", "done", "failed"]
    #: Of a run that is done: the checked value where its agent says the form of answers (`answer:`), else the text.
    result: JsonValue = Field(default=None, exclude_if=absent)
    #: Why a run has failed.
    error: ToolError | None = Field(default=None, exclude_if=absent)
    usage: Usage
    #: Dollars; null when a price is unknown.
    cost_usd: float | None
    #: Answered at the run's session.
    questions: tuple[Question, ...] | None = Field(default=None, exclude_if=absent)
