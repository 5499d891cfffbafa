"""Events: what other systems tell a session, and handlers wait for. Pure.

Rule 1: an event that was taken in ends with exactly one `turn.started` or `message.rejected` that bears its id. Until then
it is kept.
Rule 2: it goes to the oldest handler that waits for it and whose `when` holds. Of several events, the oldest comes first.
Rule 3: a `when` that fails, or gives neither true nor false, does not hold for this event: another handler may want it, and
so may this one want the next. What can never be evaluated is found when the definition is read.
Rule 4: an event is offered once to those that wait when it comes, and once to each handler that begins to wait later.
Session variables count as they are then.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

from perdure.workflows.core.changes import CallerTraced, TurnBroken
from perdure.workflows.core.conditions import ConditionError, is_true
from perdure.workflows.core.draft import Draft
from perdure.workflows.core.event_changes import EventCame, EventLeft, KeptLeft
from perdure.workflows.core.handler_changes import HandlerResumed
from perdure.workflows.core.prompt import names_in
from perdure.workflows.core.session_variables import values_in
from perdure.workflows.core.state.events import KeptEvent
from perdure.workflows.core.state.handlers import HandlerRun, Reply, Waiting
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.protocol.signals import Trigger
from perdure.workflows.vocabulary.errors import EXPIRED, HANDLER_INVALID
from perdure.workflows.vocabulary.events import TurnStarted
from perdure.workflows.vocabulary.ids import turn_id
from perdure.workflows.vocabulary.parts import ToolError

#: What a condition reads beside the run's variables and the event, by the digest of the run's definition.
Names = Callable[[str], Mapping[str, object]]

#: Events that a session keeps, and bytes of what they say together.
MOST_KEPT: Final = 100
MOST_BYTES: Final = 512 * 1024
#: Handlers of a session that wait for events at a time.
MOST_WAITING: Final = 100
#: What `message.rejected` says of an event that comes when no more are kept.
TOO_MANY: Final = "too_many_events"


def event_room(state: SessionState) -> int:
    """How many more events may come; none where those that are kept say too much already."""
    kept = state.handlers.events
    return MOST_KEPT - len(kept) if sum(one.size for one in kept) < MOST_BYTES else 0


def came(command: Trigger) -> EventCame:
    """The event is taken in."""
    event = KeptEvent(event_id=command.id, name=command.name, inputs=command.inputs, traceparent=command.traceparent)
    return EventCame(event=event, content_sha256=command.content_sha256, cursor=command.cursor)


def too_many_wait(draft: Draft, waiting: Waiting) -> bool:
    """Whether no more handlers may wait for events; then the turn is broken."""
    there = sum(isinstance(run.doing, Waiting) and run.doing.event is not None for run in draft.state.handlers.parked)
    if there < MOST_WAITING:
        return False
    message = f"{waiting.at}: {MOST_WAITING} handlers of this session wait for events already"
    draft.add(TurnBroken(error=ToolError(type=HANDLER_INVALID, message=message)))
    return True


def offer(draft: Draft, event_id: str) -> None:
    """Begins the turn in which a handler goes on with this event; where none wants it, it is kept."""
    state = draft.state
    event = next(one for one in state.handlers.events if one.event_id == event_id)
    names = _names(state)
    run = next((run for run in state.handlers.parked if _takes(run, event, names)), None)
    if run is None:
        draft.add(EventLeft(event_id=event_id))
    else:
        _give(draft, run, event)


def offer_kept(draft: Draft) -> None:
    """The same for the run that has begun to wait, and the events that were kept by then. Those that have come since are
    offered to all."""
    state = draft.state
    run = state.handlers.looking
    assert run is not None
    names = _names(state)
    kept = (event for event in state.handlers.events if not event.fresh)
    event = next((event for event in kept if _takes(run, event, names)), None)
    if event is None:
        draft.add(KeptLeft(run=run))
    else:
        _give(draft, run, event)


def _give(draft: Draft, run: HandlerRun, event: KeptEvent) -> None:
    turn = turn_id(draft.state.turns + 1)
    started = {"cause": "trigger", "handler": run.handler, "trigger_id": event.event_id}
    draft.add(TurnStarted.model_validate({**draft.stamp, "turn_id": turn, **started}))
    if event.traceparent is not None:
        draft.add(CallerTraced(traceparent=event.traceparent))
    draft.add(HandlerResumed(run=run, reply=Reply(value=event.inputs), event_id=event.event_id))


def expire(draft: Draft, run: HandlerRun) -> None:
    """The turn of the run has begun whose event has not come in time."""
    assert isinstance(run.doing, Waiting)
    error = ToolError(type=EXPIRED, message=f"{run.doing.at}: the event {run.doing.event} did not come in time")
    draft.add(HandlerResumed(run=run, reply=Reply(error=error)))


def _names(state: SessionState) -> Names:
    @cache
    def names(digest: str) -> Mapping[str, object]:
        agent = state.slot.kept.get(digest)
        there = names_in(state, turn_id(state.turns), agent)
        if agent is not None:
            there |= values_in(agent.definition, state.variables)
        # No turn runs that a condition could speak of.
        return {name: value for name, value in there.items() if name != "turn"}

    return names


def _takes(run: HandlerRun, event: KeptEvent, names: Names) -> bool:
    waiting = run.doing
    if not isinstance(waiting, Waiting) or waiting.event != event.name:
        return False
    if waiting.when is None:
        return True
    try:
        return is_true(waiting.when, {**names(run.digest), **run.variables, "event": event.inputs})
    except ConditionError:
        return False
