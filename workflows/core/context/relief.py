"""What is to be done before the next request so that it fits: nothing, shorten old results, summarise, or leave out. Pure.

Rule 1: a summary is written beside the turns, and a turn waits for it only where its request would not fit without it.
Rule 2: an estimate alone never fails a turn. Where nothing is left to be done, the provider says whether a request fits.
Rule 3: each of these shows less of the conversation than before, so they come to an end.
"""

from dataclasses import dataclass
from typing import Final

from perdure.workflows.core.actions import Wait
from perdure.workflows.core.context.cuts import best_cut, last_cut, start_of, within
from perdure.workflows.core.context.estimate import beside, next_tokens, note_tokens, ratio_of
from perdure.workflows.core.context.sizes import BYTES_PER_TOKEN
from perdure.workflows.core.context.summarizers import is_affordable, reserved, room_of, summarizers, told_tokens
from perdure.workflows.core.context.windows import Room, room_in, window_of
from perdure.workflows.core.context_actions import AskNextSummarizer, Compact, DropOldest, EndCompaction, TrimResults
from perdure.workflows.core.routing import first_hop
from perdure.workflows.core.state.context import Mark
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.protocol.compacted import Trim

#: Characters of the head and of the tail of an old result.
TRIMMED: Final = 300
#: Shares, in percent: of what fits, that it must gain to be worth a new beginning of all requests; of the limit, that a
#: shortened conversation may fill.
_WORTH: Final = 5
_ENOUGH: Final = 85

Relief = TrimResults | Compact | DropOldest


@dataclass(frozen=True)
class Fit:
    """How the next request fits its model."""

    tokens: int
    room: Room
    #: It does not fit, as far as can be known.
    over: bool
    #: It has been refused before, with less shown each time.
    refused: int
    #: Tokens that one of those is worth which bytes say; a provider that refuses a request is believed, whatever it says.
    scale: float


def fit_of(state: SessionState) -> Fit | None:
    """None where the model's window is unknown, and no request was too long for it."""
    hop = first_hop(state)
    if hop is None:
        return None
    overflow = state.turn.overflow if state.turn is not None else None
    window = window_of(state, hop)
    if window is None:
        if overflow is None:
            return None
        window = overflow.tokens + hop.model.max_output_tokens
    tokens, room = next_tokens(state), room_in(state, hop, window)
    if overflow is None:
        return Fit(tokens, room, tokens > room.usable, 0, ratio_of(state.context.measured))
    unchanged = overflow.epoch == state.transcript.epoch
    return Fit(tokens, room, unchanged or tokens > room.usable, overflow.times, overflow.scale)


def before_step(state: SessionState) -> Relief | Wait | None:
    """What comes before the turn's next model call; None: nothing."""
    if state.behavior < 1:
        return None
    fit = fit_of(state)
    if fit is None or (fit.tokens <= fit.room.soft and not fit.over):
        return None
    if state.context.open is not None:
        return Wait(frozenset([state.context.open.record.step_id])) if fit.over else None
    if state.rehearsal and not fit.over:
        return None
    return relief(state, fit)


def at_rest(state: SessionState) -> Relief | None:
    """What is done between two turns, so that none of them has to wait for it."""
    if state.behavior < 1 or state.rehearsal or state.context.open is not None or state.context.measured is None:
        return None
    fit = fit_of(state)
    return relief(state, fit) if fit is not None and fit.tokens > fit.room.soft else None


def of_open(state: SessionState) -> AskNextSummarizer | EndCompaction | Wait | None:
    """What is to be done about the summary that is being written; None: nothing, or only to wait."""
    compaction = state.context.open
    if compaction is None:
        return None
    step_id = compaction.record.step_id
    ends = compaction.stale or state.closing is not None
    if compaction.between:
        return AskNextSummarizer(step_id)
    if ends:
        return Wait(frozenset([step_id])) if compaction.ending else EndCompaction(step_id)
    return None


def relief(state: SessionState, fit: Fit) -> Relief | None:
    """The next thing that shows less of the conversation; None where there is none, or none that is worth it."""
    hard = fit.refused > 1
    cut = best_cut(state, 0 if hard else _recent(state, fit), fit.scale)
    trim = trim_of(state, fit, cut, hard=hard)
    if trim is not None and (hard or cut is None or _suffices(state, fit, trim)):
        return TrimResults(trim)
    gain = _gain(state, cut, fit.scale)
    if cut is None or (not fit.over and not _is_worth(state, fit, gain)):
        return TrimResults(trim) if trim is not None and fit.over else None
    return compaction_until(state, fit, cut) or (DropOldest(cut.position) if fit.over else None)


def compaction_until(state: SessionState, fit: Fit, cut: Mark) -> Compact | None:
    """The summary that comes next on the way to `cut`; None where no model can be asked for one."""
    for candidate, summarizer in enumerate(summarizers(state)):
        room = room_of(state, summarizer)
        until = within(state, cut, room)
        tokens = told_tokens(state, until, room)
        usd = reserved(state, summarizer, tokens)
        if is_affordable(state, summarizer, usd, tokens):
            return Compact(candidate=candidate, until=until, room=room, usd=usd, fit=fit.room)
    return None


def trim_of(state: SessionState, fit: Fit, cut: Mark | None, *, hard: bool) -> Trim | None:
    """Which long results give way to a note. `hard`: all that the model has answered, and nothing of them is left."""
    before = last_cut(state) if hard or cut is None else cut.position
    trim = Trim(before=before, keep=0 if hard else TRIMMED)
    known = state.context.trim
    if known is not None and (known.before >= trim.before and known.keep <= trim.keep):
        return None
    saved = saved_by(state, trim)
    return trim if saved * 100 >= fit.room.usable * _WORTH or (hard and saved > 0) else None


def saved_by(state: SessionState, trim: Trim) -> int:
    """Tokens that the next request would have less."""
    context = state.context
    trimmed = replace(context, trim=trim)
    before, after = note_tokens(context), note_tokens(trimmed)
    old = context.trim.before if context.trim is not None else 0
    saved = 0
    for one in context.results:
        if context.start <= one.position < trim.before:
            shown = min(one.tokens, before) if one.position < old else one.tokens
            saved += max(shown - after, 0)
    return int(saved * ratio_of(context.measured))


def _recent(state: SessionState, fit: Fit) -> int:
    """Tokens that may stay word for word: what the definition says, if all else leaves so much."""
    fold = state.context.fold
    fixed = (beside(state) // BYTES_PER_TOKEN + (fold.tokens if fold else 0)) * fit.scale
    left = max(int(fit.room.soft - fixed), 0)
    return min(fit.room.recent, left * 2 // 3)


def _suffices(state: SessionState, fit: Fit, trim: Trim) -> bool:
    return (fit.tokens - saved_by(state, trim)) * 100 <= fit.room.soft * _ENOUGH


def _gain(state: SessionState, cut: Mark | None, scale: float) -> int:
    return 0 if cut is None else int((cut.tokens - start_of(state.context).tokens) * scale)


def _is_worth(state: SessionState, fit: Fit, gain: int) -> bool:
    worth = fit.room.usable * _WORTH // 100
    return gain > worth and fit.tokens > state.context.gave_up_at + (worth if state.context.gave_up_at else 0)
