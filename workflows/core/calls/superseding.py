"""What becomes of questions once people have said something else instead of answering. Pure.

Rule 1: a question that was put is settled with a word on why (`superseded`), and its call has a result that tells the model.
Rule 2: nobody is asked while a message waits to steer the turn: the message would wait behind the question.
Rule 3: sub-agents do the same: they are told as soon as they run.
"""

from collections.abc import Iterable
from typing import Final

from perdure.workflows.core.calls.call import Asked, Asking, Call, RunChild, Running
from perdure.workflows.core.calls.fold import asker
from perdure.workflows.core.calls.results import UNKNOWN, finish
from perdure.workflows.core.changes import QuestionSettled
from perdure.workflows.core.draft import Draft
from perdure.workflows.core.pausing import withdraw
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.vocabulary.errors import DENIED
from perdure.workflows.vocabulary.parts import ToolError
from perdure.workflows.vocabulary.question_events import ApprovalResolved, InputReceived

#: Why a question is settled, and why a sub-agent's session is closed that may have one open.
SUPERSEDED: Final = "superseded"


def asks_nobody(state: SessionState) -> bool:
    """Whether what would be asked now is superseded by what people have said."""
    return bool(state.inbox.steering) or state.questions.muted


def untold(state: SessionState) -> tuple[Call, ...]:
    """The calls whose sub-agents run, and have not been told that nobody will answer them."""
    calls = state.turn.calls if state.turn is not None else ()
    return tuple(
        call
        for call in calls
        if isinstance(call.stage, Running) and isinstance(call.stage.work, RunChild) and not call.told
    )


def supersede(draft: Draft) -> None:
    """Settles what is open, and gives the calls that asked it their results."""
    withdraw(draft, SUPERSEDED)
    for question in draft.state.questions.open:
        call = asker(draft.state, question.question_id)
        if call is None:
            continue
        draft.add(QuestionSettled(question_id=question.question_id))
        if question.kind == "approval":
            draft.add(
                ApprovalResolved(
                    **draft.stamp,
                    question_id=question.question_id,
                    call_id=call.call_id,
                    approved=False,
                    reason=SUPERSEDED,
                )
            )
        else:
            draft.add(InputReceived(**draft.stamp, question_id=question.question_id, value=None, reason=SUPERSEDED))
        finish(draft, call, _result(draft.state, call))


def leave_unasked(draft: Draft, call_ids: Iterable[str]) -> None:
    """Gives calls that would have to ask now their results."""
    for call in draft.calls(call_ids):
        finish(draft, call, _result(draft.state, call))


def tell_below(draft: Draft, call_ids: Iterable[str]) -> tuple[str, ...]:
    """Has the sub-agents of these calls told; the keys of their effects."""
    calls = draft.calls(call_ids)
    for call in calls:
        draft.change(replace(call, told=True))
    return tuple(call.call_id for call in calls)


def _result(state: SessionState, call: Call) -> ToolError:
    if isinstance(call.stage, Asking | Asked) and call.stage.asks == "outcome":
        return UNKNOWN
    if state.new.parent is not None:
        return ToolError(
            type=DENIED,
            message="Superseded: this call did not run. The person who would have been asked has meanwhile told the agent "
            "that called you something else. Ask nothing more. End your work, and say what is done and what is not.",
        )
    return ToolError(
        type=DENIED,
        message="Superseded: this call did not run. Instead of an answer to it, the person has sent another message. Read "
        "that message first, and make the call again only if it is still wanted.",
    )
