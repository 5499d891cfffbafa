"""A session's past up to one of its turns, as a state that another session can begin with. Pure.

Rule 1: what is told is what was: transcript, events and steps are a prefix of the session's own, and `seq` is that of the
last event that is kept. A message that waited then and has no turn in this past is rejected (`forked`), so that each
message still has its disposition.
Rule 2: the books begin anew. What the kept turns used and cost was paid by the session that they belong to, so usage and
cost of this state are zero, and a cap on the session's cost begins to count from there.
Rule 3: what is no event is taken as it is now: the definition, the model's role, limits, metadata. What belongs to a
session at work (inbox, turn, commands, close) is left out.
"""

from perdure.workflows.core.fold import say
from perdure.workflows.core.state import SessionState
from perdure.workflows.vocabulary.events import (
    Event,
    MessageAdded,
    MessageQueued,
    MessageRejected,
    TurnFinished,
    TurnStarted,
)
from perdure.workflows.vocabulary.parts import Message, Usage

FORKED = "forked"


class UnknownTurn(Exception):
    """The session has had no such turn."""


class TurnRuns(Exception):
    """The turn has not ended yet, so nothing that includes it is a past."""


def last_finished(state: SessionState) -> str:
    """The id of the last turn that ended. Raises `UnknownTurn`."""
    number = state.turns if state.turn is None else state.turn.number - 1
    if number < 1:
        raise UnknownTurn("no turn has ended yet")
    return f"t{number}"


def past(state: SessionState, turn_id: str, keep_turn: bool) -> SessionState:
    """The state of a session that rests with the past up to the end of `turn_id`, or up to its beginning.

    Where the events of that time are no longer kept there are none, as in a session that has dropped its oldest.
    Raises `UnknownTurn`; `TurnRuns` where `keep_turn` and the turn has not ended.
    """
    number = _number(state, turn_id)
    if keep_turn and state.turn is not None and state.turn.number == number:
        raise TurnRuns(turn_id)
    turns = number if keep_turn else number - 1
    events = _events(state, turn_id, keep_turn)
    seq = events[-1].seq if events else state.oldest - 1
    transcript = _transcript(state, turns)
    steps = tuple(step for step in state.steps if _turn_number(step.turn_id) <= turns)
    said = {message.id for message in transcript}
    needed = {step.digest for step in steps} | ({state.loaded.digest} if state.loaded else set())
    return retold(
        state.model_copy(
            update={
                "seq": seq,
                "turn_starts": tuple(start for start in state.turn_starts if start <= seq),
                "inbox": (),
                "seen": {message_id: seen for message_id, seen in state.seen.items() if message_id in said},
                "command_ids": (),
                "agents": {digest: agent for digest, agent in state.agents.items() if digest in needed},
                "load_error": None,
                "last_model": steps[-1].model if steps else None,
                "turn": None,
                "turns": turns,
                "steps": steps,
                "usage": Usage(),
                "cost_usd": 0.0,
                "cost_known": True,
                "closing": None,
                "closed": False,
                # What was asked, allowed and planned in the session stays with it.
                "answered": (),
                "allowed": (),
                "timers": (),
                "taken_by": None,
                "taken_inputs": {},
                "taken_at": 0,
            }
        ),
        transcript,
        events,
    )


def retold(state: SessionState, transcript: tuple[Message, ...], events: tuple[Event, ...]) -> SessionState:
    """`state` with these messages and events, which are as many as it has turns for; hashes and sizes are theirs.

    The views of its steps are told anew as well: a model call compares its own with those.
    """
    told = state.model_copy(update={"transcript": (), "transcript_bytes": 0, "prefix": ""})
    prefixes = [told.prefix]
    for message in transcript:
        told = say(told, message)
        prefixes.append(told.prefix)
    steps = tuple(
        step.model_copy(update={"view": step.view.model_copy(update={"prefix": prefixes[step.view.count]})})
        if step.view.count < len(prefixes)
        else step
        for step in state.steps
    )
    return told.model_copy(update={"steps": steps, "events": events, "seq": events[-1].seq if events else state.seq})


def _number(state: SessionState, turn_id: str) -> int:
    number = _turn_number(turn_id) if turn_id.startswith("t") and turn_id[1:].isdecimal() else 0
    if not 1 <= number <= state.turns or turn_id != f"t{number}":
        raise UnknownTurn(turn_id)
    return number


def _turn_number(turn_id: str) -> int:
    return int(turn_id[1:])


def _transcript(state: SessionState, turns: int) -> tuple[Message, ...]:
    for index, message in enumerate(state.transcript):
        if message.turn_id is not None and _turn_number(message.turn_id) > turns:
            return state.transcript[:index]
    return state.transcript


def _events(state: SessionState, turn_id: str, keep_turn: bool) -> tuple[Event, ...]:
    """The kept events up to the turn's last, or those before its first; none where these were dropped."""
    for index, event in enumerate(state.events):
        if keep_turn and isinstance(event, TurnFinished) and event.turn_id == turn_id:
            return _disposed(state.events[: index + 1])
        if not keep_turn and isinstance(event, TurnStarted) and event.turn_id == turn_id:
            return _disposed(state.events[:index])
    return ()


def _disposed(events: tuple[Event, ...]) -> tuple[Event, ...]:
    waiting: dict[str, None] = {}
    for event in events:
        match event:
            case MessageQueued():
                waiting[event.message_id] = None
            case MessageAdded():
                waiting.pop(event.message.id, None)
            case MessageRejected() if event.reason != "conflict":
                waiting.pop(event.message_id, None)
            case _:
                pass
    for message_id in waiting:
        last = events[-1]
        events = (*events, MessageRejected(seq=last.seq + 1, at=last.at, message_id=message_id, reason=FORKED))
    return events
