"""A session's past up to one of its turns, as a state that another session can begin with. Pure.

Rule 1: what is told is what was: transcript, events and steps are a prefix of the session's own, and `seq` is that of the
last event that is kept. A message that waited then and has no turn in this past is rejected (`forked`), so that each
message still has its disposition. A message of this past that is sent again is a repeat, wherever it lies.
Rule 2: the books begin anew. What the kept turns used and cost was paid by the session that they belong to, so usage and
cost of this state are zero, and a cap on the session's cost begins to count from there.
Rule 3: what is no event is taken as it is now: the definition, the model's role, limits, metadata; and session
variables, where it is no longer known what they held then. What belongs to a session at work (inbox, turn, commands, close)
is left out.
"""

from collections.abc import Collection, Iterable

from perdure.workflows.core.approvers import asked_by
from perdure.workflows.core.context.index import inherited
from perdure.workflows.core.rewinds.past import Then, branches_then, ended_then
from perdure.workflows.core.session_variables import values_then
from perdure.workflows.core.state.agent_slot import AgentSlot
from perdure.workflows.core.state.dates import Dates
from perdure.workflows.core.state.handlers import AskingPerson
from perdure.workflows.core.state.inbox import Inbox
from perdure.workflows.core.state.log import Log
from perdure.workflows.core.state.packed_ids import taken_before
from perdure.workflows.core.state.questions import Questions
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.core.state.timers import Timers
from perdure.workflows.core.state.transcript import Transcript
from perdure.workflows.protocol.paths import Path
from perdure.workflows.protocol.steps import StepRecord
from perdure.workflows.vocabulary.events import (
    Event,
    MessageAdded,
    MessageQueued,
    MessageRejected,
    TurnFinished,
    TurnStarted,
)
from perdure.workflows.vocabulary.ids import turn_id as turn_id_of
from perdure.workflows.vocabulary.ids import turn_number, turn_of
from perdure.workflows.vocabulary.parts import Message
from perdure.workflows.vocabulary.question_events import InputReceived, InputRequested

FORKED = "forked"


class UnknownTurn(Exception):
    """The session has had no such turn."""


class PastSealed(Exception):
    """Parts of the past are sealed, so the session alone cannot tell it."""


class TurnRuns(Exception):
    """The turn has not ended yet, so nothing that includes it is a past."""


def last_finished(state: SessionState) -> str:
    """The id of the last turn that ended. Raises `UnknownTurn`."""
    number = state.turns if state.turn is None else state.turn.number - 1
    if number < 1:
        raise UnknownTurn("no turn has ended yet")
    return turn_id_of(number)


def past(state: SessionState, turn_id: str, keep_turn: bool, waiting: Collection[str] | None = None) -> SessionState:
    """The state of a session that rests with the past up to the end of `turn_id`, or up to its beginning.

    Where the events of that time are no longer kept there are none, as in a session that has dropped its oldest. `waiting`:
    ids of the messages that waited before the oldest event that is held; a session with sealed parts has to be given them,
    and has to hold the end of that past, a step before it, and all of its last turn.
    Raises `UnknownTurn`; `TurnRuns` where `keep_turn` and the turn has not ended; `PastSealed`.
    """
    number = _number(state, turn_id)
    if keep_turn and state.turn is not None and state.turn.number == number:
        raise TurnRuns(turn_id)
    turns = number if keep_turn else number - 1
    if state.log.segments and waiting is None:
        raise PastSealed(turn_id)
    told = _events(state, turn_id, keep_turn)
    seq = told[-1].seq if told else state.log.oldest - 1
    forked = still_waiting(told, dict.fromkeys(waiting or ())) if told else {}
    events = _withdrawn(_disposed(told, forked), state, turns)
    then = branches_then(state, turns, after=not keep_turn)
    transcript = _transcript(state, turns, then)
    messages = transcript.messages
    steps = tuple(step for step in state.log.steps if _turn_number(step.turn_id) <= turns)
    starts = tuple(start for start in state.log.turn_starts if start <= seq)
    said = {message.id for message in messages}
    sealed = {one for one in state.dates.later if state.dates.numbers.get(one, transcript.base) < transcript.base}
    sealed_to = state.log.segments[-1].last if state.log.segments else 0
    # Events that are kept, and what only began a turn that this past does not have.
    elsewhere = {event.event_id for event in state.handlers.events} | {
        event.trigger_id for event in state.log.events if isinstance(event, TurnStarted) and event.seq > seq
    }
    seen = {
        message_id: seen
        for message_id, seen in state.inbox.seen.items()
        if message_id in said or (seen.cursor < sealed_to and message_id not in forked and message_id not in elsewhere)
    }
    # Questions, what people allowed, and plans stay with the session. Its words go along, and so does who asked for them.
    kept = SessionState(
        new=state.new,
        created_at=state.created_at,
        slot=_slot(state.slot, steps),
        log=Log(seq=seq, segments=state.log.segments, turn_starts=starts, steps=steps),
        transcript=transcript,
        inbox=Inbox(seen=seen, seen_before=taken_before(state.inbox.seen_before, seq)),
        turns=turns,
        metadata=state.metadata,
        timezone=state.timezone,
        dates=_dates(state, said | sealed, transcript),
        todo=state.todo.before(transcript.path, transcript.count, transcript.total),
        feedback=state.feedback.up_to(seq),
        branches=then.branches,
        ended=ended_then(events, turn_id_of(turns), transcript),
        requesters=asked_by(state),
        limits=state.limits,
        limit_changes=state.limit_changes,
        variables=values_then(state, turns),
        variables_before=state.variables_before.up_to(turns),
    )
    return inherited(state, retold(kept, messages, events))


def at_rest(state: SessionState) -> SessionState:
    """All that a session holds of its past, without what it is at: for whoever has the sealed parts as well."""
    return replace(
        state,
        inbox=Inbox(seen=state.inbox.seen, seen_before=state.inbox.seen_before),
        questions=Questions(),
        timers=Timers(),
        turn=None,
        turns=state.turns if state.turn is None else state.turn.number - 1,
        rewinding=None,
        closing=None,
        closed=False,
    )


def ends_in(events: Iterable[Event], turn_id: str, keep_turn: bool) -> bool:
    """Whether a past up to the end of the turn, or up to its beginning, ends among these events."""
    kind = TurnFinished if keep_turn else TurnStarted
    return any(isinstance(event, kind) and event.turn_id == turn_id for event in events)


def still_waiting(events: Iterable[Event], waiting: dict[str, None]) -> dict[str, None]:
    """The ids of the messages that wait after these events, where `waiting` did before them."""
    waiting = dict(waiting)
    for event in events:
        match event:
            case MessageQueued():
                waiting[event.message_id] = None
            case MessageAdded():
                waiting.pop(event.message.id, None)
            case TurnStarted(trigger_id=str(trigger_id)):
                waiting.pop(trigger_id, None)
            case MessageRejected() if event.reason != "conflict":
                waiting.pop(event.message_id, None)
            case _:
                pass
    return waiting


def retold(state: SessionState, messages: tuple[Message, ...], events: tuple[Event, ...]) -> SessionState:
    """`state` with these messages and events, which are as many as it has turns for; hash and size are theirs.

    Views of its steps keep the hashes that they had: nobody has a conversation of this session yet to compare with them.
    """
    transcript = replace(state.transcript, messages=messages).measured(state.log.segments)
    seq, at = (events[-1].seq, events[-1].at) if events else (state.log.seq, state.log.last_at)
    return replace(state, transcript=transcript, log=replace(state.log, events=events, seq=seq, last_at=at))


def _slot(slot: AgentSlot, steps: tuple[StepRecord, ...]) -> AgentSlot:
    """The agent as it is now, with the definitions that these steps ran with."""
    needed = {step.digest for step in steps} | ({slot.loaded.digest} if slot.loaded else set())
    return AgentSlot(
        digest=slot.digest,
        pinned=slot.pinned,
        loaded=slot.loaded,
        kept={digest: agent for digest, agent in slot.kept.items() if digest in needed},
        stale=slot.stale,
        role=slot.role,
        last_model=steps[-1].model if steps else None,
    )


def _number(state: SessionState, turn_id: str) -> int:
    number = turn_number(turn_id)
    if number is None or number > state.turns:
        raise UnknownTurn(turn_id)
    return number


def _turn_number(turn_id: str) -> int:
    return turn_number(turn_id) or 0


def _transcript(state: SessionState, turns: int, then: Then) -> Transcript:
    """What was said until the end of the turn, on the branch that went on then."""
    transcript = state.transcript
    steps = [step for step in state.log.steps if _turn_number(step.turn_id) <= turns]
    kept = transcript.messages
    for index, message in enumerate(kept):
        if message.turn_id is not None and _turn_number(message.turn_id) > turns:
            kept = kept[:index]
            break
    if state.log.segments:
        left_out = tuple(one for one in transcript.left_out if _turn_number(one.turn_id) <= turns)
    else:
        there = {message.turn_id for message in kept}
        left_out = tuple(one for one in transcript.left_out if one.turn_id in there)
    if then.stop is not None:
        kept = kept[: max(then.stop - transcript.base, 0)]
    path = then.path if then.path is not None else steps[-1].view.path if steps else Path()
    return replace(transcript, messages=kept, path=path, left_out=left_out)


def _dates(state: SessionState, said: set[str], transcript: Transcript) -> Dates:
    """What its model was told of the date by then."""
    dates = state.dates.of(said).before(transcript.total)
    return dates.on(transcript.path, transcript.count) if dates.known else dates


def _events(state: SessionState, turn_id: str, keep_turn: bool) -> tuple[Event, ...]:
    """The kept events up to the turn's last, or those before its first; none where these were dropped."""
    for index, event in enumerate(state.log.events):
        if keep_turn and isinstance(event, TurnFinished) and event.turn_id == turn_id:
            return state.log.events[: index + 1]
        if not keep_turn and isinstance(event, TurnStarted) and event.turn_id == turn_id:
            return state.log.events[:index]
    return ()


def _withdrawn(events: tuple[Event, ...], state: SessionState, turns: int) -> tuple[Event, ...]:
    """What handlers asked up to the end of the turn stays with the session."""
    waits = [run.doing.question_id for run in state.handlers.parked if isinstance(run.doing, AskingPerson)]
    asked = dict.fromkeys(one for one in waits if one is not None and _turn_number(turn_of(one)) <= turns)
    for event in events:
        if isinstance(event, InputRequested) and event.subject == "handler":
            asked[event.question_id] = None
        elif isinstance(event, InputReceived):
            asked.pop(event.question_id, None)
    for asked_id in asked if events else ():
        last = events[-1]
        received = InputReceived(seq=last.seq + 1, at=last.at, question_id=asked_id, value=None, reason="stopped")
        events = (*events, received)
    return events


def _disposed(events: tuple[Event, ...], waiting: Iterable[str]) -> tuple[Event, ...]:
    for message_id in waiting:
        last = events[-1]
        events = (*events, MessageRejected(seq=last.seq + 1, at=last.at, message_id=message_id, reason=FORKED))
    return events
