"""A session that holds sealed parts of its past again, for whoever looks into that past. Pure."""

from collections.abc import Iterable

from perdure.workflows.core.state.dates import keys_of
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.protocol.segment_refs import SegmentRef
from perdure.workflows.protocol.segments import Segment
from perdure.workflows.vocabulary.events import TurnStarted


def holding_again(
    state: SessionState, parts: Iterable[Segment], before: tuple[SegmentRef, ...], *, tail: bool = True
) -> SessionState:
    """`state` that holds `parts`, which follow each other and the sealed `before`; and what it held itself comes behind
    them, or, without `tail`, is left out."""
    parts = tuple(parts)
    log, transcript, dates = state.log, state.transcript, state.dates
    events = tuple(event for part in parts for event in part.events)
    steps = tuple(step for part in parts for step in part.steps)
    messages = tuple(message for part in parts for message in part.said())
    if tail:
        events, steps, messages = (*events, *log.events), (*steps, *log.steps), (*messages, *transcript.messages)
    numbers = {
        key: number
        for part in parts
        for number, message in enumerate(part.said(), part.start)
        for key in keys_of(message)
        if key in part.days
    }
    days = {message_id: day for part in parts for message_id, day in part.days.items()}
    agents = {digest: agent for part in parts for digest, agent in part.agents.items()}
    return replace(
        state,
        log=replace(
            log,
            seq=events[-1].seq if events else before[-1].last if before else 0,
            segments=before,
            events=events,
            turn_starts=tuple(event.seq for event in events if isinstance(event, TurnStarted)),
            steps=steps,
        ),
        transcript=replace(transcript, base=parts[0].start if parts else transcript.base, messages=messages),
        dates=replace(
            dates,
            later={**days, **dates.later},
            numbers={**numbers, **dates.numbers},
        ),
        slot=replace(state.slot, kept={**agents, **state.slot.kept}),
    )
