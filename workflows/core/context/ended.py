"""What it means that a summary was written, or was not, and that a request was too long. Pure."""

from perdure.workflows.core.context.estimate import next_tokens
from perdure.workflows.core.context.events import summarized
from perdure.workflows.core.context.folding import overflowed
from perdure.workflows.core.context.relief import fit_of, relief
from perdure.workflows.core.context.summary import Written, read
from perdure.workflows.core.context.windows import Room, usable_of, window_of
from perdure.workflows.core.context_changes import CompactionAbandoned, CompactionGivenUp, ContextMeasured, Overflowed
from perdure.workflows.core.draft import Draft
from perdure.workflows.core.endings import GOOD
from perdure.workflows.core.passing_on import FAILURES, TOO_LONG, tried
from perdure.workflows.core.routing import route_of
from perdure.workflows.core.state.context import Measured, OpenCompaction, Overflow
from perdure.workflows.core.state.session import SessionState, in_turn
from perdure.workflows.core.step import StepFailure, books_of
from perdure.workflows.protocol.activities import StepOutput
from perdure.workflows.protocol.steps import StepRecord, Tried
from perdure.workflows.vocabulary.errors import MODEL_CONTEXT_LENGTH, MODEL_REQUEST_TOO_LARGE
from perdure.workflows.vocabulary.parts import Text, ToolError

_TOO_LONG = (MODEL_CONTEXT_LENGTH, MODEL_REQUEST_TOO_LARGE)
#: Requests of a turn in a row that may be too long: as it was, with a summary, and without old results.
_MOST_REFUSED = 2


def compaction_ended(draft: Draft, open_: OpenCompaction, outcome: StepOutput | StepFailure) -> None:
    record = open_.record
    if open_.stale or open_.ending:
        spent = sum((one.spent for one in record.tried), books_of(record, outcome))
        draft.add(CompactionAbandoned(spent=spent))
        return
    written, reason = _written(outcome)
    if written is None or not isinstance(outcome, StepOutput):
        window = outcome.window if isinstance(outcome, StepFailure) else None
        draft.add(CompactionGivenUp(tried=_tried(record, outcome, reason), window=window))
        return
    books = sum((one.spent for one in record.tried), books_of(record, outcome))
    fit = fit_of(draft.state)
    room = fit.room if fit is not None else Room(50_000, 40_000, 15_000)
    draft.add(summarized(draft.state, record, outcome, written, room, books, draft.stamp))


def measure(draft: Draft, record: StepRecord, output: StepOutput) -> None:
    """Keeps what the server counted of the turn's last request."""
    usage, context = output.usage, draft.state.context
    if draft.state.behavior < 1 or usage.estimated or not usage.input_tokens:
        return
    measured = Measured(
        model=record.model,
        digest=record.digest,
        shape=record.view.shape,
        input=usage.input_tokens,
        output=usage.output_tokens,
        estimate=record.estimate,
        at=context.tokens,
        count=context.count,
    )
    draft.add(ContextMeasured(measured=measured))


def is_too_long(outcome: StepOutput | StepFailure) -> bool:
    if isinstance(outcome, StepOutput):
        return outcome.stop == "context_window"
    return outcome.error.type in _TOO_LONG


def too_long(state: SessionState, record: StepRecord, outcome: StepOutput | StepFailure) -> Overflowed | None:
    """How the turn goes on whose request was too long; None: nothing of it can be shown in short any more."""
    turn, context = in_turn(state), state.context
    hop = route_of(state, record.role)[record.hop]
    times = turn.overflow.times + 1 if turn.overflow is not None else 1
    known = window_of(state, hop)
    said = outcome.window if isinstance(outcome, StepFailure) else None
    sent = outcome.tokens if isinstance(outcome, StepFailure) else None
    if isinstance(outcome, StepOutput) and not outcome.usage.estimated:
        sent = outcome.usage.input_tokens + outcome.usage.output_tokens
    estimate = next_tokens(state)
    # A plain 413 is about bytes, and says nothing of a window.
    by_tokens = not (isinstance(outcome, StepFailure) and outcome.error.type == MODEL_REQUEST_TOO_LARGE)
    window = said
    # A window guessed from an earlier refusal may still be too wide; one that is written down is not doubted at once.
    guessed = known is None or known == context.windows.get(hop.model.use)
    if window is None and by_tokens and (guessed or times > 1):
        window = min(known or estimate, estimate)
    bound = window or known
    least = usable_of(hop, bound) + 1 if bound is not None and by_tokens else estimate
    counted = max(sent or estimate, least)
    measured = Measured(
        model=record.model,
        digest=record.digest,
        shape=record.view.shape,
        input=counted,
        output=0,
        estimate=record.estimate or counted,
        at=context.tokens,
        count=context.count,
    )
    if times > _MOST_REFUSED:
        return None
    error = outcome.error if isinstance(outcome, StepFailure) else _filled(record)
    scale = counted / record.estimate if record.estimate else 1.0
    overflow = Overflow(error=error, times=times, epoch=record.view.epoch, tokens=counted, scale=scale)
    note = Overflowed(overflow=overflow, model=record.model, window=window, measured=measured)
    return note if _can_shrink(state, note) else None


def _can_shrink(state: SessionState, note: Overflowed) -> bool:
    """Whether less can be shown than in the request that was too long."""
    if state.context.open is not None or note.overflow.epoch != state.transcript.epoch:
        return True
    after = overflowed(state, note)
    fit = fit_of(after)
    return fit is not None and relief(after, fit) is not None


def _filled(record: StepRecord) -> ToolError:
    return ToolError(type=MODEL_CONTEXT_LENGTH, message=f"The conversation fills the context window of {record.model}.")


def _written(outcome: StepOutput | StepFailure) -> tuple[Written | None, str]:
    """The summary, or why there is none."""
    if isinstance(outcome, StepFailure):
        kind = outcome.error.type
        return None, TOO_LONG if kind in _TOO_LONG else FAILURES.get(kind, "failed")
    if outcome.stop not in GOOD:
        return None, TOO_LONG if outcome.stop == "context_window" else outcome.stop
    written = read("\n".join(part.text for part in outcome.parts if isinstance(part, Text)))
    return written, "empty"


def _tried(record: StepRecord, outcome: StepOutput | StepFailure, reason: str) -> Tried:
    told = tried(record, outcome, reason)
    words = {"empty": "It wrote no summary.", "max_tokens": "Its summary was cut at its output limit."}
    return told.model_copy(update={"message": words[reason]}) if reason in words else told
