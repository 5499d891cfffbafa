"""A tool that is an activity, of Perdure's own workers or of others'."""

import operator
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from perdure.workflows.definition.tools.options import (
    APPROVAL,
    BINDS,
    LEAST,
    ON_UNKNOWN,
    PARALLEL,
    SIDE_EFFECTS,
    UNDO,
    YEAR,
    Approvals,
    Name,
    OnUnknown,
    Retry,
    Schema,
    SideEffects,
    check_once,
    named,
    tried_once,
)
from perdure.workflows.definition.tools.policy import Policy
from perdure.workflows.vocabulary.durations import Duration
from perdure.workflows.vocabulary.parts import Frozen, absent


class ToolUse(Frozen):
    """A tool that is an activity. In YAML it is a name, or a name with options: `- find_order: {timeout: 30s}`."""

    kind: Literal["activity"] = Field(default="activity", description="What kind of entry this is.")
    name: Name = Field(description="The tool's name: a letter, then up to 63 letters, digits, _ or -.")
    # Temporal takes no time-out of zero, and a session carries it over in whole milliseconds.
    timeout: Duration = Field(
        default=timedelta(seconds=60),
        ge=LEAST,
        le=YEAR,
        description="How long one attempt may take, as in `30s` or `5m`. Default: 60s.",
    )
    retry: Retry = Field(default=Retry(), description="When a failed attempt is followed by another.")
    approval: Approvals = Field(default=None, description=APPROVAL)
    side_effects: SideEffects = Field(default="idempotent", description=SIDE_EFFECTS)
    on_unknown: OnUnknown = Field(default="tell", description=ON_UNKNOWN)
    fallback: Name | None = Field(
        default=None,
        description="Another of the agent's tools, called with the same arguments once this one has failed for good.",
    )
    undo: Name | None = Field(default=None, exclude_if=absent, description=UNDO)
    parallel: int | None = Field(default=None, ge=1, le=1000, description=PARALLEL)
    process: bool = Field(
        default=False,
        exclude_if=operator.not_,
        description="Whether calls run in a process of their own: for tools that hold the interpreter, as C extensions that "
        "compute do, or that may end their process. A stop and a time-out end that process at once; if it ends by itself, "
        "that call alone fails, as tool_crashed. It loads the same tools, and shares nothing that their modules hold in "
        "memory. Default: false.",
    )
    task_queue: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None,
        description="The task queue of the worker that runs the tool, where that is not Perdure's own: an activity of the "
        "tool's name, in any language. Such a tool is described here, by `description`, `input` and `output`.",
    )
    description: str | None = Field(
        default=None, description="With `task_queue`: what the model is told that the tool does."
    )
    input: Schema | None = Field(
        default=None, description="With `task_queue`: the JSON Schema of the tool's arguments, of `type: object`."
    )
    output: Schema | None = Field(
        default=None, description="With `task_queue`: the JSON Schema of the tool's result. Without it, anything."
    )
    context: bool = Field(
        default=False,
        exclude_if=operator.not_,
        description="With `task_queue`: whether the activity is given a second argument, a JSON object that says on whose "
        "behalf it is called: `tenant`, `user`, `session_id`, `agent`, `turn_id`, `call_id`, `inputs`, `metadata`, "
        "`timezone`. Default: false.",
    )
    queue_timeout: Duration = Field(
        default=timedelta(seconds=60),
        ge=LEAST,
        le=YEAR,
        description="With `task_queue`: how long a call waits for a worker to take it. Default: 60s.",
    )
    heartbeat: Duration | None = Field(
        default=None,
        ge=timedelta(seconds=1),
        le=YEAR,
        description="With `task_queue`: a worker that is silent for longer counts as dead. Its tool has to send heartbeats.",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {"name": value}
        elif isinstance(value, dict) and "name" not in value:
            value = named(value)
        return tried_once(value)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_once(self.side_effects, self.retry, self.on_unknown)
        remote = ("description", "input", "output", "heartbeat", "queue_timeout", "context")
        if self.task_queue is None:
            for field in remote:
                if getattr(self, field) != type(self).model_fields[field].default:
                    raise ValueError(f"{field}: only counts with task_queue; Perdure's own tools describe themselves")
        elif self.process:
            raise ValueError("process: does not count with task_queue; only Perdure's own workers know it")
        elif self.input is None or self.description is None:
            raise ValueError("task_queue: a tool of another worker needs its description and its input schema here")
        elif self.input.get("type") != "object":
            raise ValueError("input: is a JSON Schema of type: object")
        if self.fallback == self.name:
            raise ValueError("fallback: cannot be the tool itself")
        if self.undo == self.name:
            raise ValueError("undo: cannot be the tool itself")
        if self.undo is not None and self.side_effects == "none":
            raise ValueError("undo: a tool without side effects has nothing to take back")
        if self.undo is not None and self.fallback is not None:
            raise ValueError("undo: does not go with fallback, whose calls another tool may have answered")
        return self

    def policy(self) -> Policy:
        return Policy(
            name=self.name,
            runner="worker" if self.task_queue is None else "remote",
            checked_by="tool" if self.task_queue is None else "schema",
            approval=self.approval,
            once=self.side_effects == "once",
            effects=self.side_effects != "none",
            undo=self.undo,
            on_unknown=self.on_unknown,
            fallback=self.fallback,
            parallel=self.parallel,
            binds=self.model_dump(mode="json", include=BINDS),
            activity=self,
        )


def read(value: Any) -> dict[str, Any] | None:
    """An entry of `tools:` with its kind named; None: it is of another kind."""
    if isinstance(value, str):
        return {"kind": "activity", "name": value}
    if not isinstance(value, dict):
        return None
    return {"kind": "activity", **(value if "name" in value else named(value))}
