"""The events that tell what is shown in short from now on, with how much that saves. Pure."""

from perdure.workflows.core.changes import Stamp
from perdure.workflows.core.context.cuts import start_of
from perdure.workflows.core.context.estimate import next_tokens
from perdure.workflows.core.context.folding import compacted, mark_at
from perdure.workflows.core.context.pinned import bytes_each, pinned_before
from perdure.workflows.core.context.relief import fit_of
from perdure.workflows.core.context.summary import Written, carried, fact_characters
from perdure.workflows.core.context.windows import Room
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.definition.pricing import Spent
from perdure.workflows.protocol.activities import StepOutput
from perdure.workflows.protocol.compacted import Trim
from perdure.workflows.protocol.steps import StepRecord
from perdure.workflows.vocabulary.context_events import ContextCompacted
from perdure.workflows.vocabulary.parts import ToolError

#: Tokens of a request of which nothing is known.
_UNKNOWN = 50_000
_LEFT_OUT = "(A part of the conversation is left out here: it was too long, and no summary of it could be made.)"


def summarized(
    state: SessionState,
    record: StepRecord,
    output: StepOutput,
    written: Written,
    room: Room,
    books: Spent,
    stamp: Stamp,
) -> ContextCompacted:
    """`room` is that of the model that goes on with the summary."""
    context, count = state.context, record.view.count
    before = context.fold.summary if context.fold is not None else None
    words = record.compaction.words if record.compaction is not None else 0
    text, facts, homeless = carried(before, written, words, fact_characters(room))
    event = _about(state, count, stamp).model_copy(
        update={
            "step_id": record.step_id,
            "model": record.model,
            "summary": text,
            "facts": facts,
            "dropped_facts": homeless,
            "usage": books.usage,
            "cost_usd": books.cost_usd,
            "timing": output.timing,
            "attempt": record.attempts_before + output.attempt,
            "request_sha256": output.request_sha256,
        }
    )
    return _measured(state, event)


def dropped(
    state: SessionState,
    before: int,
    stamp: Stamp,
    *,
    record: StepRecord | None = None,
    books: Spent | None = None,
    error: ToolError | None = None,
) -> ContextCompacted:
    """The messages before this position are left out. `record`: that of the models that were asked in vain."""
    known = state.context.fold.summary if state.context.fold is not None else None
    text = known.text if known is not None else ""
    event = _about(state, before, stamp).model_copy(
        update={
            "how": "dropped",
            "summary": text if text.endswith(_LEFT_OUT) else f"{text}\n\n{_LEFT_OUT}".strip(),
            "facts": known.facts if known is not None else (),
            "dropped_facts": known.dropped if known is not None else 0,
            "step_id": record.step_id if record is not None else None,
            "model": record.model if record is not None else None,
            "usage": books.usage if books is not None else None,
            "cost_usd": books.cost_usd if books is not None else None,
            "error": error,
        }
    )
    return _measured(state, event)


def trimmed(state: SessionState, trim: Trim, stamp: Stamp) -> ContextCompacted:
    event = _about(state, trim.before, stamp)
    return _measured(
        state,
        event.model_copy(update={"how": "trimmed", "keep": trim.keep, "pinned": (), "pinned_bytes": 0, "day": ""}),
    )


def _about(state: SessionState, before: int, stamp: Stamp) -> ContextCompacted:
    """Of the messages before a position."""
    start, until = start_of(state.context), mark_at(state, before)
    pinned = tuple(one.position for one in pinned_before(state, before))
    fit = fit_of(state)
    usable = fit.room.usable if fit is not None else _UNKNOWN
    return ContextCompacted(
        **stamp,
        from_seq=max(start.seq, 1),
        to_seq=max(until.seq - 1, start.seq, 1),
        tokens_before=next_tokens(state),
        tokens_after=0,
        how="summarized",
        messages=before,
        pinned=pinned,
        pinned_bytes=bytes_each(len(pinned), usable) if pinned else 0,
        day=until.day,
    )


def _measured(state: SessionState, event: ContextCompacted) -> ContextCompacted:
    return event.model_copy(update={"tokens_after": next_tokens(compacted(state, event))})
