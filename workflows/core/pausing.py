"""A turn that comes to a limit asks, and goes on at the very step once somebody has decided. Pure.

Rule 1: nothing is open while it asks, so it can wait for days, over any number of runs of the session.
Rule 2: who decided is written down with the decision, also where it was declined.
"""

from pydantic import JsonValue

from perdure.workflows.core.changes import CallerTraced, Configured, QuestionSettled, TurnBroken
from perdure.workflows.core.draft import Draft
from perdure.workflows.core.limit_words import asked, exceeded
from perdure.workflows.core.raising import raised, read_raise
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.core.state.turn import Pause
from perdure.workflows.definition.partial_limits import with_partial
from perdure.workflows.protocol.purses import FAULT, SCOPES
from perdure.workflows.protocol.signals import Answer
from perdure.workflows.vocabulary.budget_events import BudgetPaused, BudgetRaised
from perdure.workflows.vocabulary.ids import question_id, step_id
from perdure.workflows.vocabulary.question_events import InputReceived
from perdure.workflows.vocabulary.questions import Answerer, Shortfall


def may_ask(state: SessionState, short: Shortfall) -> bool:
    """Whether the turn asks at this limit, and does not end."""
    limits, parent = state.effective_limits, state.new.parent
    if state.behavior < 1 or state.rehearsal or limits.on_limit == "stop" or short.limit == FAULT:
        return False
    if parent is None or short.scope != "session":
        return True
    # What its caller has set aside is not a person's to raise here; the caller asks.
    given = {"cost_usd": parent.cap_usd, "tokens": parent.cap_tokens, "tool_calls": parent.cap_tool_calls}
    return given.get(short.limit) != short.cap


def put(draft: Draft, short: Shortfall) -> None:
    """Asks what shall happen at this limit."""
    turn = draft.turn
    step = turn.step.step_id if turn.step is not None else step_id(turn.turn_id, turn.steps + (0 if turn.calls else 1))
    draft.add(
        BudgetPaused(
            **draft.stamp,
            question_id=question_id(step, "budget", turn.pauses + 1),
            prompt=asked(short),
            **short.model_dump(exclude_none=True),
        )
    )


def answer(draft: Draft, command: Answer) -> None:
    """The first answer to the open budget question settles it. One that sets a cap which cannot be does nothing."""
    pause = draft.turn.pause
    assert pause is not None
    short = pause.short
    value = read_raise(short, command.result) if command.approved and command.result is not None else None
    if isinstance(value, tuple):
        return
    if command.traceparent is not None:
        draft.add(CallerTraced(traceparent=command.traceparent))
    if not command.approved:
        _decline(draft, pause, command)
        return
    draft.add(QuestionSettled(question_id=pause.question_id, answer_id=command.id))
    if value is not None and short.handler is None:
        draft.add(_raise(draft.state, raised(short, value)))
        _tell_raised(draft, pause, value, command.by)
        return
    ceiling = None if short.limit == "provider" else short.spent + short.needs
    # A handler's limit is the definition's, so what is set in its place holds for this turn.
    ceiling = ceiling if value is None else value
    _tell_raised(draft, pause, ceiling, command.by, this_turn=True)


def _raise(state: SessionState, changes: dict[str, JsonValue]) -> Configured:
    if state.behavior < 2 and not state.limit_changes:
        # From then on, none of the limits followed the definition.
        return Configured(limits=with_partial(state.limits or state.lasting_limits, changes))
    return Configured(limit_changes=changes)


def withdraw(draft: Draft, reason: str) -> None:
    """Takes the open budget question back, as whoever stops or interrupts the turn does."""
    turn = draft.state.turn
    if turn is None or turn.pause is None:
        return
    question = turn.pause.question_id
    draft.add(QuestionSettled(question_id=question))
    draft.add(InputReceived(**draft.stamp, question_id=question, value=None, reason=reason))


def settled_meanwhile(draft: Draft, pause: Pause, by: Answerer | None) -> None:
    """What was changed elsewhere settles the question: the cap was raised, or the turn would not ask any more all the same,
    as where another model answers."""
    limits, short = draft.state.effective_limits, pause.short
    caps = limits.turn if short.scope == "turn" else limits.session if short.scope == "session" else None
    cap = getattr(caps, short.limit, None)
    value = cap.total_seconds() if short.limit == "working_time" and cap is not None else cap
    is_raised = value is None or short.cap is None or value > short.cap
    if short.scope in SCOPES:
        held = draft.state.leases.of(short.scope)
        is_raised = held.raised_to is not None or held.raised_by is not None
        value, by = held.raised_to, held.raised_by if is_raised else by
    draft.add(QuestionSettled(question_id=pause.question_id))
    if not is_raised:
        draft.add(InputReceived(**draft.stamp, question_id=pause.question_id, value=None, reason="settled", by=by))
    else:
        _tell_raised(draft, pause, value, by)


def _decline(draft: Draft, pause: Pause, command: Answer) -> None:
    draft.add(QuestionSettled(question_id=pause.question_id, answer_id=command.id))
    value = {"approved": False}
    draft.add(
        InputReceived(**draft.stamp, question_id=pause.question_id, value=value, reason=command.reason, by=command.by)
    )
    error = exceeded(pause.short)
    why = f" Whoever was asked declined: {command.reason}" if command.reason else " Whoever was asked declined."
    draft.add(TurnBroken(error=error.saying(error.message + why)))


def _tell_raised(
    draft: Draft, pause: Pause, value: float | None, by: Answerer | None, *, this_turn: bool = False
) -> None:
    draft.add(
        BudgetRaised(
            **draft.stamp,
            question_id=pause.question_id,
            scope=pause.short.scope,
            limit=pause.short.limit,
            value=value,
            this_turn=this_turn,
            by=by,
        )
    )
