"""What of a session's past is sealed, and what the session is without it. Pure.

Sealing is an effect beside the turn: nobody waits for it. Until it is done the session holds the part, and where it fails
the session goes on and tries again later. Nothing else takes from the oldest end of the past, so the part stays the same.
"""

import hashlib
from typing import Final

from perdure.workflows.core.cuts import orphans
from perdure.workflows.core.state.agent_slot import AgentSlot
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.sealing import Cut
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.protocol.sealing import Sealed, SealInput, grown
from perdure.workflows.protocol.segment_refs import SegmentRef, index_of, run_of
from perdure.workflows.protocol.segments import Segment

#: Exchanges that a provider declined, which requests leave out for as long as they are kept in mind.
KEPT_LEFT_OUT: Final = 200


def part_of(state: SessionState) -> Segment:
    """The part that is being sealed. Raises ValueError where none is."""
    cut = state.sealing.open
    if cut is None:
        raise ValueError("nothing is being sealed")
    log, transcript = state.log, state.transcript
    events = log.events[: cut.seq + 1 - log.oldest]
    steps = log.steps[: _steps_before(state, cut)]
    messages = transcript.messages[: cut.number - transcript.base]
    digests = dict.fromkeys(step.digest for step in steps)
    return Segment(
        first=log.oldest,
        start=transcript.base,
        events=events,
        steps=steps,
        messages=messages[: min(orphans(state), len(messages))],
        agents={digest: state.slot.kept[digest] for digest in digests if digest in state.slot.kept},
        days=state.dates.between(transcript.base, cut.number),
    )


def seal_input(state: SessionState) -> SealInput:
    """What the activity is told of the part that is being sealed."""
    part = part_of(state)
    cut = state.sealing.open
    assert cut is not None
    return SealInput(
        first=part.first,
        last=cut.seq,
        start=part.start,
        stop=cut.number,
        steps=len(part.steps),
        sha256=hashlib.sha256(part.model_dump_json().encode()).hexdigest(),
    )


def fits(state: SessionState, sealed: Sealed) -> bool:
    """Whether a segment is the part that is being sealed, and its indexes are of the refs that there are."""
    cut, refs = state.sealing.open, (*state.log.segments, sealed.ref)
    if cut is None or _extent(sealed.ref) != (
        state.log.oldest,
        cut.seq,
        state.transcript.base,
        cut.number,
        _steps_before(state, cut),
    ):
        return False
    for index in sealed.indexes:
        run = run_of(refs)
        if not run or index != index_of(run, index.sha256, index.size):
            return False
        refs = (*refs[: -len(run)], index)
    return True


def without_sealed(state: SessionState, sealed: Sealed) -> SessionState:
    """`state` without the part that was being sealed, which `sealed` tells of."""
    cut = state.sealing.open
    assert cut is not None
    log, transcript = state.log, state.transcript
    steps = log.steps[_steps_before(state, cut) :]
    return replace(
        state,
        log=replace(
            log,
            segments=grown(log.segments, sealed),
            events=log.events[cut.seq + 1 - log.oldest :],
            turn_starts=tuple(seq for seq in log.turn_starts if seq > cut.seq),
            steps=steps,
        ),
        transcript=replace(
            transcript,
            base=cut.number,
            messages=transcript.messages[cut.number - transcript.base :],
            left_out=transcript.left_out[-KEPT_LEFT_OUT:],
        ),
        slot=_needed(state.slot, {step.digest for step in steps} | state.handlers.digests | _lent(state)),
        dates=state.dates.bounded(cut.number),
        sealing=state.sealing.done(),
    )


def _extent(ref: SegmentRef) -> tuple[int, int, int, int, int]:
    return ref.first, ref.last, ref.start, ref.stop, ref.steps


def _steps_before(state: SessionState, cut: Cut) -> int:
    """How many of the steps that the state holds come before the cut."""
    return cut.steps - state.sealing.steps_before


def _lent(state: SessionState) -> set[str]:
    """The definition that the session goes on with after this turn."""
    return {state.turn.lent} if state.turn is not None and state.turn.lent is not None else set()


def _needed(slot: AgentSlot, digests: set[str]) -> AgentSlot:
    """With the definition that runs, and those of these digests."""
    running = {slot.loaded.digest} if slot.loaded is not None else set()
    return replace(slot, kept={digest: agent for digest, agent in slot.kept.items() if digest in digests | running})
