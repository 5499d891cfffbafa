"""What summaries, and all that leads to them, make of a session's state."""

from perdure.workflows.core import fold_leases
from perdure.workflows.core.context.sizes import BYTES_PER_TOKEN, size_of
from perdure.workflows.core.context.windows import learnt
from perdure.workflows.core.context_changes import (
    CompactionAbandoned,
    CompactionGivenUp,
    CompactionOpened,
    CompactionPassedOn,
    Overflowed,
)
from perdure.workflows.core.state.context import KEPT_FOLDS, Context, Fold, Mark, OpenCompaction
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState, in_turn
from perdure.workflows.definition.pricing import Spent
from perdure.workflows.protocol.compacted import Trim, summary_in
from perdure.workflows.protocol.steps import StepRecord
from perdure.workflows.vocabulary.context_events import ContextCompacted
from perdure.workflows.vocabulary.parts import Message


def compacted(state: SessionState, event: ContextCompacted) -> SessionState:
    """With what requests show from now on."""
    context = state.context
    if event.how == "trimmed":
        context = replace(context, trim=Trim(before=event.messages, keep=event.keep))
    else:
        context = _folded(state, event)
    state = replace(state, context=context, transcript=replace(state.transcript, epoch=state.transcript.epoch + 1))
    if event.step_id is None:
        return state
    spent = Spent() if event.usage is None else Spent(usage=event.usage, cost_usd=event.cost_usd)
    return _paid(state, event.step_id, spent)


def opened(state: SessionState, note: CompactionOpened) -> SessionState:
    log = replace(state.log, steps=(*state.log.steps, note.record))
    compaction = OpenCompaction(record=note.record, candidate=note.candidate, until=note.until)
    state = fold_leases.beside(state, note.record)
    return replace(state, log=log, context=replace(state.context, open=compaction, number=state.context.number + 1))


def given_up(state: SessionState, note: CompactionGivenUp) -> SessionState:
    compaction = _open(state)
    record = compaction.record.model_copy(update={"tried": (*compaction.record.tried, note.tried)})
    context = replace(state.context, open=replace(compaction, record=record, between=True))
    if note.window is not None:
        context = learnt(context, record.model, note.window)
    return _with_record(replace(state, context=context), record)


def passed_on(state: SessionState, note: CompactionPassedOn) -> SessionState:
    compaction = replace(_open(state), record=note.record, candidate=note.candidate, until=note.until, between=False)
    return _with_record(replace(state, context=replace(state.context, open=compaction)), note.record)


def ending(state: SessionState) -> SessionState:
    return replace(state, context=replace(state.context, open=replace(_open(state), ending=True)))


def abandoned(state: SessionState, note: CompactionAbandoned) -> SessionState:
    step_id = _open(state).record.step_id
    return _paid(replace(state, context=replace(state.context, gave_up_at=note.tokens)), step_id, note.spent)


def overflowed(state: SessionState, note: Overflowed) -> SessionState:
    context = state.context if note.measured is None else replace(state.context, measured=note.measured)
    if note.window is not None:
        context = learnt(context, note.model, note.window)
    return replace(state, context=context, turn=replace(in_turn(state), overflow=note.overflow))


def mark_at(state: SessionState, position: int) -> Mark:
    """The mark at a position; one as near as is known where none is."""
    context = state.context
    compaction = (context.open.until,) if context.open is not None else ()
    known: tuple[Mark, ...] = (*(fold.until for fold in context.folds), *context.marks, *compaction)
    exact = next((mark for mark in known if mark.position == position), None)
    if exact is not None:
        return exact
    last = max((mark for mark in known if mark.position < position), key=lambda mark: mark.position, default=None)
    return replace(last, position=position) if last is not None else Mark(position=position, tokens=0, size=0, seq=0)


def _folded(state: SessionState, event: ContextCompacted) -> Context:
    context, until = state.context, mark_at(state, event.messages)
    summary = summary_in(event, _at(context, event.pinned))
    size = len(summary.told.encode()) + sum(map(size_of, summary.pinned)) + 400
    fold = Fold(until=until, summary=summary, tokens=size // BYTES_PER_TOKEN, size=size)
    return replace(
        context,
        folds=(*context.folds, fold)[-KEPT_FOLDS:],
        marks=tuple(mark for mark in context.marks if mark.position >= until.position),
        results=tuple(one for one in context.results if one.position >= until.position),
        media=tuple(one for one in context.media if one.position >= until.position),
        gave_up_at=0,
    )


def _at(context: Context, positions: tuple[int, ...]) -> tuple[Message, ...]:
    known = (context.task, *context.asked) if context.task is not None else context.asked
    found = {one.position: one.message for one in known}
    return tuple(found[position] for position in positions if position in found)


def _open(state: SessionState) -> OpenCompaction:
    if state.context.open is None:
        raise ValueError("this does not fit a session without an open compaction")
    return state.context.open


def _with_record(state: SessionState, record: StepRecord) -> SessionState:
    return replace(state, log=state.log.with_step(record))


def _paid(state: SessionState, step_id: str, spent: Spent) -> SessionState:
    """The compaction is over, and paid for by the turn whose caps bore it; once that turn has ended, by the session alone."""
    is_own = state.foreign_compaction is None
    state = replace(state, context=replace(state.context, open=None))
    state = fold_leases.charged(state, step_id, spent.usage, spent.cost_usd)
    books = state.books.released(step_id)
    if spent == Spent():
        return replace(state, books=books)
    turn = state.turn
    if turn is not None and is_own:
        turn = replace(turn, books=turn.books.spent(spent.usage, spent.cost_usd))
    return replace(state, books=books.spent(spent.usage, spent.cost_usd), turn=turn)
