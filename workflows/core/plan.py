"""What becomes of the open tool calls of a step: which run, which wait for a person or an app. Pure.

A plan is made once for each call (`workflows/core/approvals.py`), changed only by events, and gone with the call's result.
"""

import operator
from collections.abc import Mapping
from typing import Literal, assert_never

from pydantic import Field, JsonValue
from pydantic_core import to_json

from perdure.workflows.vocabulary.elicitation import ServerInput
from perdure.workflows.vocabulary.events import (
    ApprovalRequested,
    ApprovalResolved,
    InputReceived,
    InputRequested,
    ToolFinished,
    ToolStarted,
)
from perdure.workflows.vocabulary.parts import (
    Again,
    Binding,
    BlobRef,
    Frozen,
    Question,
    ToolCall,
    ToolError,
    absent,
    preview,
)

#: Why a call has to ask: may it run; what is its result; what became of it; what its server wants to know.
Asks = Literal["approval", "input", "outcome", "server"]


class Plan(Frozen):
    #: `run`: as soon as there is room. `running`: an activity is open. `ask`: a question has to be put. `asked`: it is.
    #: `here`: the session itself carries it out.
    do: Literal["run", "running", "ask", "asked", "here"]
    asks: Asks | None = None
    #: The open question.
    question: Question | None = None
    #: `tool.started` was told.
    started: bool = False
    #: Of the sub-agent that answers.
    session_id: str | None = None
    #: What a person made of the arguments.
    args: dict[str, JsonValue] | None = None
    #: Holds a part with those arguments where they are too long to travel; `args` are empty then.
    args_blob: BlobRef | None = Field(default=None, exclude_if=absent)
    #: Why the call does not run after all; its result then.
    refused: ToolError | None = None
    #: What an approval of the call counts for; it runs as nothing else.
    bound: Binding | None = Field(default=None, exclude_if=absent)
    #: Why it asks for an approval again.
    again: Again | None = Field(default=None, exclude_if=absent)
    #: It did not run, for the tool was another one than was allowed; that is asked about once.
    changed: bool = Field(default=False, exclude_if=operator.not_)
    #: Where it stands, once its server has asked something.
    server: ServerInput | None = Field(default=None, exclude_if=absent)


Plans = dict[str, Plan]
PlanEvent = ApprovalRequested | ApprovalResolved | InputRequested | InputReceived | ToolStarted | ToolFinished


def follow(plans: Plans, event: PlanEvent) -> Plans:
    """The plans after `event`."""
    match event:
        case ApprovalRequested():
            question = Question(
                question_id=event.question_id,
                kind="approval",
                call_id=event.call_id,
                name=event.name,
                args=event.args,
                expires_at=event.expires_at,
                blob=event.blob,
                reason=event.reason,
                remember=event.remember,
                bound=event.bound,
            )
            return _change(plans, event.call_id, do="asked", question=question)
        case InputRequested():
            if event.call_id is None:
                return plans
            question = Question(
                question_id=event.question_id,
                kind="input",
                call_id=event.call_id,
                name=event.name,
                args=event.args,
                prompt=event.prompt,
                output=event.output,
                expires_at=event.expires_at,
                blob=event.blob,
            )
            return _change(plans, event.call_id, do="asked", question=question)
        case ApprovalResolved():
            # What was denied has its result next.
            return _change(plans, event.call_id, do="run" if event.approved else "asked", asks=None, question=None)
        case InputReceived():
            asking = (call_id for call_id, plan in plans.items() if _asks(plan, event.question_id))
            return _change(plans, next(asking, ""), question=None)
        case ToolStarted():
            plan = plans.get(event.call_id)
            if plan is None:
                return plans
            do = "running" if plan.do == "run" else plan.do
            return _change(plans, event.call_id, do=do, started=True, session_id=event.session_id)
        case ToolFinished():
            return {call_id: plan for call_id, plan in plans.items() if call_id != event.call_id}
        case _:
            assert_never(event)


def open_questions(plans: Mapping[str, Plan]) -> tuple[Question, ...]:
    return tuple(plan.question for plan in plans.values() if plan.question is not None)


def with_args(plans: Plans, question_id: str, args: dict[str, JsonValue], blob: BlobRef | None = None) -> Plans:
    """The plans with other arguments for the call that asks this question."""
    asking = (call_id for call_id, plan in plans.items() if _asks(plan, question_id))
    return _change(plans, next(asking, ""), args=args, args_blob=blob)


def running(plans: Mapping[str, Plan]) -> frozenset[str]:
    """Ids of the calls whose activity is open."""
    return frozenset(call_id for call_id, plan in plans.items() if plan.do == "running")


def as_run(call: ToolCall, plan: Plan) -> ToolCall:
    """The call with the arguments that it runs with."""
    if plan.args is None:
        return call
    given = {"args": plan.args, "args_raw": None, "blob": plan.args_blob, "misfit": None, "written": None}
    return call.model_copy(update=given)


def changed_args(plan: Plan) -> str | None:
    """The arguments that a person gave a call, as its model is told of them; None: it runs with its own."""
    if plan.args is None:
        return None
    if plan.args_blob is not None:
        return f"{plan.args_blob.size} bytes of JSON, too long to be shown here"
    return preview(to_json(plan.args, inf_nan_mode="strings").decode(), 4096)


def _asks(plan: Plan, question_id: str) -> bool:
    return plan.question is not None and plan.question.question_id == question_id


def _change(plans: Plans, call_id: str, **changes: object) -> Plans:
    plan = plans.get(call_id)
    return plans if plan is None else {**plans, call_id: plan.model_copy(update=changes)}
