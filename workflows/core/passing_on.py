"""How a step goes on with the next model of its route. Pure.

Rule: a failure of the provider's passes a step on, and so does an answer that was declined, where the next entry of the route
says so. A conversation that is too long is shown in short first, to the same model; only one that cannot be shown any shorter
goes to a model with a larger window. What another model would not mend (a request that is wrong) ends the step.
"""

from typing import Final

from perdure.workflows.core.budget import sent
from perdure.workflows.core.context.windows import window_of
from perdure.workflows.core.routing import route_of
from perdure.workflows.core.spending import Bid, bid, left
from perdure.workflows.core.state.session import SessionState, in_turn
from perdure.workflows.core.step import StepFailure, books_of
from perdure.workflows.definition.model import Declined
from perdure.workflows.protocol.activities import StepOutput
from perdure.workflows.protocol.steps import StepRecord, Tried
from perdure.workflows.vocabulary import errors
from perdure.workflows.vocabulary.parts import ToolError
from perdure.workflows.vocabulary.questions import Shortfall

#: Types of errors after which the next model is asked, and the reason that `model.switched` gives.
FAILURES: Final = {
    errors.MODEL_RATE_LIMITED: "rate_limited",
    errors.MODEL_OVERLOADED: "overloaded",
    errors.MODEL_UNAVAILABLE: "unavailable",
    errors.MODEL_SERVER_ERROR: "server_error",
    errors.MODEL_CONNECTION: "connection",
    errors.MODEL_TIMEOUT: "timeout",
    errors.MODEL_STREAM_TRUNCATED: "truncated",
    errors.MODEL_ABORTED: "aborted",
    errors.MODEL_UNEXPECTED: "unexpected",
    errors.MODEL_QUOTA: "quota",
    errors.MODEL_AUTH: "key",
    errors.MODEL_NO_KEY: "key",
    errors.MODEL_NOT_FOUND: "not_found",
}
#: The conversation is too long for a model, and cannot be shown any shorter; one that can read more is asked.
TOO_LONG: Final = "too_long"
#: Reasons that waiting does not mend.
_LASTING: Final = frozenset([TOO_LONG, "quota", "key", "not_found", "refusal", "content_filter"])
#: The same for answers that were declined: only where the definition says so.
_DECLINED: Final[dict[str, Declined]] = {
    "refusal": "refusal",
    "content_filter": "content_filter",
    errors.MODEL_CONTENT_POLICY: "content_filter",
}


def reason_to_pass_on(outcome: StepOutput | StepFailure) -> str | None:
    """Why the next model of the route is asked, if there is one for this reason; None: this one's outcome counts."""
    said = outcome.stop if isinstance(outcome, StepOutput) else outcome.error.type
    return _DECLINED.get(said) or (None if isinstance(outcome, StepOutput) else FAILURES.get(said))


def next_place(state: SessionState, record: StepRecord, reason: str) -> int | None:
    """The place in the route of the model that goes on with the step; None where there is none for this reason."""
    if reason == TOO_LONG:
        return wider_place(state, record)
    declined = reason in _DECLINED.values()
    for place, hop in enumerate(route_of(state, record.role)):
        if place > record.hop and (not declined or reason in hop.on):
            return place
    return None


def wider_place(state: SessionState, record: StepRecord) -> int | None:
    """The place in the route of a model behind the step's that can read more at once, as far as is known."""
    hops = route_of(state, record.role)
    own = window_of(state, hops[record.hop])
    for place, hop in enumerate(hops):
        window = window_of(state, hop)
        if place > record.hop and (window is None or own is None or window > own):
            return place
    return None


def tried(record: StepRecord, outcome: StepOutput | StepFailure, reason: str) -> Tried:
    """The model of an open step that was given up for `reason`."""
    if isinstance(outcome, StepFailure):
        message, attempts = outcome.error.message, outcome.most_attempts
    else:
        message, attempts = "The model declined to answer.", outcome.attempt
    spent = books_of(record, outcome)
    return Tried(model=record.model, reason=reason, message=message, attempts=attempts, spent=spent)


def next_bid_of_step(state: SessionState) -> Bid | Shortfall | ToolError:
    """The call of the open step's next model; what does not fit below which cap; or why nobody can say so."""
    step = in_turn(state).step
    assert step is not None
    return bid(state, step.role, route_of(state, step.role)[_next_place(state, step)])


def next_record(state: SessionState, made: Bid) -> StepRecord:
    """The open step as the next model of its route gets it, with the same view of the conversation."""
    step = in_turn(state).step
    assert step is not None
    place = _next_place(state, step)
    changes = {
        "hop": place,
        "ahead": len(route_of(state, step.role)) - place - 1,
        "model": made.hop.model.use,
        "reserved_usd": made.need.cost_usd,
        "sent": sent(state, made.hop),
        "bound": made.bound,
        "left": left(state, step.step_id),
    }
    return step.model_copy(update=changes)


def _next_place(state: SessionState, step: StepRecord) -> int:
    assert step.tried
    place = next_place(state, step, step.tried[-1].reason)
    assert place is not None
    return place


def every_failure(record: StepRecord, error: ToolError) -> ToolError:
    """`error`, which the last model of a route ended a step with, beside what the models before it had failed with."""
    if not record.tried:
        return error
    before = " ".join(f"{one.model}: {one.message}" for one in record.tried)
    told = error.saying(f"No model of the route answered. {before} {record.model}: {error.message}")
    passes = any(one.reason not in _LASTING for one in record.tried)
    return told.model_copy(update={"retryable": error.retryable or passes})
