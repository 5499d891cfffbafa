"""How a conversation is shortened: what begins, and what is true before it does. Pure."""

from perdure.workflows.core.context.cuts import within
from perdure.workflows.core.context.estimate import next_tokens
from perdure.workflows.core.context.events import dropped, trimmed
from perdure.workflows.core.context.relief import fit_of
from perdure.workflows.core.context.sizes import BYTES_PER_TOKEN
from perdure.workflows.core.context.summarizers import (
    Summarizer,
    is_affordable,
    need_of,
    reserved,
    room_of,
    summarizers,
    told_tokens,
)
from perdure.workflows.core.context.summary import words_for
from perdure.workflows.core.context.windows import Room
from perdure.workflows.core.context_actions import Compact
from perdure.workflows.core.context_changes import CompactionAbandoned, CompactionOpened, CompactionPassedOn
from perdure.workflows.core.dates import turn_start
from perdure.workflows.core.draft import Draft
from perdure.workflows.core.effects import AskModel
from perdure.workflows.core.limit_changes import SetAside
from perdure.workflows.core.passing_on import TOO_LONG
from perdure.workflows.core.state.context import Mark, OpenCompaction
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.definition.pricing import Spent, spent
from perdure.workflows.protocol.compacted import Trim
from perdure.workflows.protocol.steps import Compaction, Left, StepRecord, View
from perdure.workflows.vocabulary.ids import compaction_id, turn_id
from perdure.workflows.vocabulary.parts import ToolError, Usage


def compact(draft: Draft, action: Compact) -> tuple[AskModel, ...]:
    state = draft.state
    summarizer = summarizers(state)[action.candidate]
    record = _record(state, summarizer, action.until, action.room, action.usd, action.fit)
    draft.add(CompactionOpened(record=record, candidate=action.candidate, until=action.until))
    draft.add(_set_aside(record))
    return (AskModel(record),)


def ask_next(draft: Draft) -> tuple[AskModel, ...]:
    """Asks the next model for the summary. If none is left, gives up, and leaves the messages out where the next request
    cannot be made with them."""
    state, open_ = draft.state, draft.state.context.open
    assert open_ is not None
    found = None if open_.stale or state.closing is not None else _next(state, open_)
    if found is None:
        _give_up(draft, open_)
        return ()
    candidate, summarizer, until, room, usd = found
    fit = fit_of(state)
    made = _record(state, summarizer, until, room, usd, fit.room if fit is not None else Room(room, room, room))
    begun = open_.record
    kept = {"step_id": begun.step_id, "tried": begun.tried, "turn_id": begun.turn_id, "turn_at": begun.turn_at}
    record = made.model_copy(update=kept)
    draft.add(CompactionPassedOn(record=record, candidate=candidate, until=until))
    draft.add(_set_aside(record))
    return (AskModel(record),)


def _set_aside(record: StepRecord) -> SetAside:
    """What the summary may take, with what the models before its own have taken already."""
    spent_before = sum((one.spent for one in record.tried), Spent())
    left = record.left or Left()
    used = spent_before.usage.input_tokens + spent_before.usage.output_tokens
    return SetAside(
        call_id=record.step_id,
        usd=(left.usd or 0.0) + (spent_before.cost_usd or 0.0),
        tokens=(left.tokens or 0) + used,
    )


def trim(draft: Draft, wanted: Trim) -> None:
    draft.add(trimmed(draft.state, wanted, draft.stamp))


def drop(draft: Draft, before: int, error: ToolError | None = None) -> None:
    draft.add(dropped(draft.state, before, draft.stamp, error=error))


def _next(state: SessionState, open_: OpenCompaction) -> tuple[int, Summarizer, Mark, int, float | None] | None:
    """Who is asked next, and for what: its place, the cut, the room for the conversation, the dollars."""
    models = summarizers(state)
    candidate, until = open_.candidate, open_.until
    if open_.record.tried[-1].reason == TOO_LONG and candidate < len(models):
        # Half of what it was given, which may be far less than it had room for: so there is always less than before.
        compaction = open_.record.compaction
        room_before = compaction.room // BYTES_PER_TOKEN if compaction is not None else 0
        half = min(open_.record.estimate, room_before) // 2
        room = min(room_of(state, models[candidate]), half)
        smaller = within(state, until, room)
        tokens = told_tokens(state, smaller, room)
        usd = reserved(state, models[candidate], tokens)
        if room > 100 and is_affordable(state, models[candidate], usd, tokens):
            return candidate, models[candidate], smaller, room, usd
    for place in range(candidate + 1, len(models)):
        room = room_of(state, models[place])
        smaller = within(state, until, room)
        tokens = told_tokens(state, smaller, room)
        usd = reserved(state, models[place], tokens)
        if is_affordable(state, models[place], usd, tokens):
            return place, models[place], smaller, room, usd
    return None


def _give_up(draft: Draft, open_: OpenCompaction) -> None:
    state = draft.state
    books = sum((one.spent for one in open_.record.tried), Spent())
    fit = None if open_.stale or state.closing is not None else fit_of(state)
    last = open_.record.tried[-1]
    if fit is None or not fit.over:
        draft.add(CompactionAbandoned(spent=books, tokens=next_tokens(state) if fit is not None else 0))
        return
    error = ToolError(
        type="no_summary", message=f"No model could summarise the conversation. {last.model}: {last.message}"
    )
    draft.add(dropped(state, open_.until.position, draft.stamp, record=open_.record, books=books, error=error))


def _record(
    state: SessionState, summarizer: Summarizer, until: Mark, room: int, usd: float | None, fit: Room
) -> StepRecord:
    loaded = state.slot.loaded
    assert loaded is not None
    context, transcript = state.context, state.transcript
    step_id = compaction_id(context.number + 1)
    turn = state.turn_id or turn_id(state.turns)
    price = loaded.prices.get(summarizer.hop.key)
    tokens = told_tokens(state, until, room)
    places = summarizers(state)
    behind = len(places) - places.index(summarizer) - 1
    return StepRecord(
        step_id=step_id,
        turn_id=turn,
        digest=loaded.digest,
        role=summarizer.role,
        model=summarizer.hop.model.use,
        view=View(
            epoch=transcript.epoch,
            count=until.position,
            # Of the whole branch, whose beginning it shows.
            prefix=f"{transcript.prefix}.{until.position}",
            path=transcript.path,
            start=context.start,
            fold=context.fold.summary.fold if context.fold is not None else None,
            trim=None,
        ),
        reserved_usd=usd,
        # What runs beside it counts on the rest.
        left=Left(usd=usd, tokens=need_of(summarizer, usd, tokens).tokens),
        sent=spent(price, Usage(input_tokens=tokens, estimated=True)),
        hop=summarizer.place,
        ahead=behind,
        turn_at=turn_start(state, turn),
        timezone=state.timezone,
        estimate=tokens,
        compaction=Compaction(
            room=room * BYTES_PER_TOKEN, words=words_for(fit, summarizer.hop.model.max_output_tokens)
        ),
    )
