"""What rewinds, and the calls that take calls back, make of a session's state."""

import hashlib
import math

from perdure.workflows.core.calls.call import Call, Ready
from perdure.workflows.core.handlers.fold import cut_off
from perdure.workflows.core.last_words import last_words
from perdure.workflows.core.rewind_changes import RewindTaken, UndoBegun
from perdure.workflows.core.state.branches import Branch, Branches, Ended, Switch, Undo
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.rewinding import Undoing
from perdure.workflows.core.state.session import SessionState, in_turn, with_turn
from perdure.workflows.core.state.transcript import Transcript
from perdure.workflows.core.state.turn import Turn
from perdure.workflows.protocol.paths import Path
from perdure.workflows.vocabulary import errors
from perdure.workflows.vocabulary.events import ToolFinished, TurnFinished, TurnStarted
from perdure.workflows.vocabulary.parts import ToolCall, ToolError
from perdure.workflows.vocabulary.question_events import ApprovalRequested, ApprovalResolved
from perdure.workflows.vocabulary.rewinds import Standing, TranscriptRewound, Undone

#: After these, nobody knows whether a call was taken back.
_UNSURE = frozenset([errors.OUTCOME_UNKNOWN, errors.TOOL_TIMEOUT, errors.TOOL_CRASHED])


def taken(state: SessionState, note: RewindTaken) -> SessionState:
    slot = state.slot
    fresh = not slot.pinned and (slot.taken is None or note.taken.cursor >= slot.taken.at)
    digest = note.digest if note.digest and fresh else slot.digest
    error = slot.error if state.turn is not None and slot.loaded is None else None
    return replace(
        state,
        rewinding=note.rewinding,
        rewinds=state.rewinds.with_one(note.rewinding.id, note.taken),
        slot=replace(slot, digest=digest, error=error),
    )


def began_undoing(state: SessionState, note: UndoBegun) -> SessionState:
    rewinding = state.rewinding
    assert rewinding is not None
    return _with(replace(state, rewinding=replace(rewinding, stands=note.stands, stands_more=note.more)), note.undoing)


def asked(state: SessionState, event: ApprovalRequested) -> SessionState:
    return replace(state, questions=state.questions.asked(event.question))


def answered(state: SessionState, event: ApprovalResolved) -> SessionState | None:
    """`state` after the answer to a rewind's question; None: it is to another."""
    undoing = state.turn.undoing if state.turn is not None else None
    if undoing is None or undoing.question_id != event.question_id:
        return None
    return _with(state, replace(undoing, agreed=event.approved))


def started_undo(state: SessionState) -> SessionState:
    """The first of those that are left is being taken back."""
    turn, undoing = _undoing(state)
    planned, *left = undoing.left
    call = Call(ToolCall(call_id=planned.undo_call_id, name=planned.by, args=planned.given), stage=Ready())
    tries = state.branches.undos.get(planned.call_id, Undo()).tries + 1
    # From now on it may have worked, until its result says otherwise.
    branches = state.branches.with_undo(planned.call_id, Undo(tries=tries, over=True))
    undoing = replace(undoing, now=planned, left=tuple(left))
    return replace(state, turn=replace(turn, calls=(*turn.calls, call), undoing=undoing), branches=branches)


def finished_undo(state: SessionState, event: ToolFinished) -> SessionState:
    turn, undoing = _undoing(state)
    planned, rewinding = undoing.now, state.rewinding
    if planned is None or rewinding is None or planned.undo_call_id != event.call_id:
        raise ValueError(f"{event.call_id} does not fit what is being taken back")
    branches = state.branches
    if not event.result.is_error:
        undone = Undone(call_id=planned.call_id, name=planned.name, by=planned.by, undo_call_id=planned.undo_call_id)
        rewinding = replace(rewinding, undone=(*rewinding.undone, undone))
        undo = replace(branches.undos[planned.call_id], undone=undone, left=branches.current, kept=rewinding.kept)
        branches = branches.with_undo(planned.call_id, undo)
    else:
        error = ToolError.model_validate(event.result.output)
        tries = branches.undos[planned.call_id].tries
        branches = branches.with_undo(planned.call_id, Undo(tries=tries, over=error.type in _UNSURE))
        stands = Standing(
            call_id=planned.call_id,
            name=planned.name,
            args=planned.args,
            why=f"{planned.by} failed to take it back ({error.type}): {error.message}",
        )
        rewinding = replace(rewinding, stands=(*rewinding.stands, stands))
    turn = replace(turn, undoing=replace(undoing, now=None))
    return replace(state, turn=turn, rewinding=rewinding, branches=branches)


def started(state: SessionState, event: TurnStarted) -> SessionState:
    """`state` with the turn that a rewind or a retry begins; any other changes nothing."""
    rewinding, turn = state.rewinding, in_turn(state)
    if rewinding is None or event.cause == "answer":
        return state
    if rewinding.traceparent is not None:
        turn = turn.traced(rewinding.traceparent)
    state = replace(state, turn=replace(turn, role=rewinding.role), rewinding=None)
    return state if event.continues is None else _asking_again(state)


def ended(state: SessionState, turn: Turn, event: TurnFinished) -> SessionState:
    """`state` after a turn: what a retry has to know of it, and whether a rewind that it was for goes on."""
    if turn.undoing is None:
        run = turn.run
        kept = Ended(
            turn_id=turn.turn_id,
            reason=event.reason,
            sound=turn.sound,
            role=turn.role,
            handler=run.handler if run is not None else None,
            run=run if event.reason not in ("done", "parked") else None,
            error=event.error,
            result=event.result,
        )
        return replace(state, ended=kept)
    rewinding = state.rewinding
    agreed = turn.undoing.agreed and not turn.undoing.left and event.reason == "done"
    return replace(state, rewinding=replace(rewinding, settled=True) if rewinding is not None and agreed else None)


def rewound(state: SessionState, event: TranscriptRewound) -> SessionState:
    """Another branch goes on."""
    transcript, branches = state.transcript, _left(state, event)
    target = branches.find(event.branch)
    total, count = transcript.total, transcript.count
    if target is None:
        path = transcript.path.cut(event.kept, total)
        parted = transcript.on(transcript.path, event.kept, event.kept + 1)
        target = Branch(
            branch=event.branch,
            parent=event.left,
            cause=event.cause,
            shared=event.kept,
            message_id=event.message_id,
            created_at=event.at,
        )
        branches = replace(branches.with_branch(target), made=branches.made + 1)
        oldest = parted[0].at if parted else None
    else:
        path = Path(closed=target.path.between(0, target.count), opened=total)
        there = transcript.on(target.path, event.kept, min(event.kept + 1, target.count))
        here = transcript.on(transcript.path, event.kept, min(event.kept + 1, count))
        times = [message.at for message in (*there, *here)]
        # Of what is sealed nobody knows here when it was said.
        parting = (event.kept < count) + (event.kept < target.count)
        oldest = min(times, default=event.at) if len(times) == parting else None
    for one in event.undone_since:
        undo = branches.undos[one.call_id]
        branches = branches.with_undo(one.call_id, replace(undo, told=(*undo.told, event.branch)))
    state = replace(
        state,
        branches=branches.switched(Switch(turns=state.turns, branch=event.branch, path=path)),
        transcript=_on(transcript, path, event),
        ended=target.ended,
        questions=replace(
            state.questions,
            # What a person allowed after the place where the branches part was allowed to another conversation.
            allowed=tuple(
                one for one in state.questions.allowed if one.at is not None and oldest is not None and one.at < oldest
            ),
        ),
    )
    state = _with_days(state)
    cut = transcript.path.number(event.kept) if event.kept < count else None
    state = state if cut is None else cut_off(state, cut)
    return replace(state, rewinding=None) if event.cause == "back" else state


def added(branches: Branches, count: int, message_id: str) -> Branches:
    """The branches once a message is added to the one that goes on, which had `count` messages."""
    current = branches.find(branches.current)
    if current is None or current.parent is None or current.shared != count or current.message_id != message_id:
        return branches
    return branches.with_branch(replace(current, again=True))


def _left(state: SessionState, event: TranscriptRewound) -> Branches:
    """The branches, with the one that is left as it is now."""
    transcript, branches = state.transcript, state.branches
    known = branches.find(event.left) or Branch(branch=event.left, created_at=state.created_at)
    last = transcript.on(transcript.path, transcript.count - 1, transcript.count) if transcript.count else ()
    left = replace(
        known,
        path=transcript.path,
        count=transcript.count,
        words=last_words(last[0]) if last else known.words,
        # What its handler held would stay for ever.
        ended=replace(state.ended, run=None) if state.ended is not None else None,
    )
    return branches.with_branch(left)


def _on(transcript: Transcript, path: Path, event: TranscriptRewound) -> Transcript:
    """The transcript with another branch going on. Nobody who knew the conversation before may take it for this one."""
    moved = replace(transcript, path=path, epoch=transcript.epoch + 1).measured()
    seed = f"{event.branch} {event.seq} {moved.prefix}"
    moved = replace(moved, prefix=hashlib.sha256(seed.encode()).hexdigest()[:32])
    sealed = path.reached(transcript.base)
    if not sealed:
        return moved
    # What is sealed is not looked at: its size is taken for the average.
    average = transcript.size / max(transcript.path.count(transcript.total), 1)
    return replace(moved, size=moved.size + math.ceil(average * sealed))


def _with_days(state: SessionState) -> SessionState:
    """With the day that the model of this branch knows last."""
    return replace(state, dates=state.dates.on(state.transcript.path, state.transcript.count))


def _asking_again(state: SessionState) -> SessionState:
    """The model is shown again what was left out of the exchange that is run on."""
    transcript = state.transcript
    turns = exchange(transcript)
    epoch = transcript.epoch + 1
    left_out = tuple(
        one.model_copy(update={"until": epoch}) if one.turn_id in turns and not one.calls and one.until is None else one
        for one in transcript.left_out
    )
    if left_out == transcript.left_out:
        return state
    return replace(state, transcript=replace(transcript, left_out=left_out, epoch=epoch))


def exchange(transcript: Transcript) -> frozenset[str]:
    """The turns that answer the last message of a user: more than one where a turn was run on."""
    turns: set[str] = set()
    for message in reversed(transcript.on(transcript.path, 0, transcript.count)):
        if message.turn_id is not None:
            turns.add(message.turn_id)
        if message.role == "user" and not message.own:
            break
    return frozenset(turns)


def dropped(state: SessionState) -> SessionState:
    return replace(state, rewinding=None)


def _with(state: SessionState, undoing: Undoing) -> SessionState:
    return with_turn(state, replace(in_turn(state), undoing=undoing))


def _undoing(state: SessionState) -> tuple[Turn, Undoing]:
    turn = in_turn(state)
    if turn.undoing is None:
        raise ValueError("this does not fit a turn that takes nothing back")
    return turn, turn.undoing
