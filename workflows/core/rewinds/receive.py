"""What a rewind, a retry and the answer to a rewind's question mean for a session. Pure.

Rule: a command that does not fit the session changes nothing; whoever sent it finds out by asking whether it was taken in.
"""

from perdure.workflows.core.approvers import refusal
from perdure.workflows.core.calls.superseding import SUPERSEDED
from perdure.workflows.core.changes import CallerTraced, QuestionSettled, StopRequested
from perdure.workflows.core.draft import Draft
from perdure.workflows.core.rewind_changes import RewindTaken
from perdure.workflows.core.state.branches import MAX_BRANCHES
from perdure.workflows.core.state.rewinding import Rewinding, TakenRewind
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.protocol.paths import shared_by
from perdure.workflows.protocol.signals import Answer, Retry, Rewind
from perdure.workflows.vocabulary.event_base import TurnEnd
from perdure.workflows.vocabulary.ids import branch_id, turn_id
from perdure.workflows.vocabulary.parts import Message, as_foreign
from perdure.workflows.vocabulary.question_events import ApprovalResolved

#: Turns that ended so have nothing to run on.
ENDED_WELL: frozenset[TurnEnd] = frozenset(["done", "parked"])


def rewind(draft: Draft, command: Rewind) -> None:
    state = draft.state
    if not _is_free(state):
        return
    rewinding = _going_back(state, command) if command.branch is not None else _cutting(draft, command)
    if rewinding is None:
        return
    taken = TakenRewind(
        content_sha256=command.content_sha256,
        cursor=command.cursor,
        branch=rewinding.branch,
        message_id=command.new_id if rewinding.message is not None else None,
    )
    draft.add(RewindTaken(rewinding=rewinding, taken=taken, digest=command.digest))
    if draft.state.turn is not None:
        draft.add(StopRequested(interrupted=True))


def retry(draft: Draft, command: Retry) -> None:
    state, ended = draft.state, draft.state.ended
    if not _is_free(state) or state.turn is not None or ended is None:
        return
    if ended.turn_id != command.turn_id or ended.reason in ENDED_WELL:
        return
    cuts = ended.sound < state.transcript.count
    if cuts and state.branches.made >= MAX_BRANCHES:
        return
    first = state.transcript.on(state.transcript.path, ended.sound, ended.sound + 1)
    rewinding = Rewinding(
        id=command.id,
        cause="retry",
        branch=branch_id(state.branches.made + 1) if cuts else state.branches.current,
        kept=ended.sound,
        message_id=first[0].id if first else "",
        continues=ended.turn_id,
        role=command.model or ended.role,
        traceparent=command.traceparent,
        # No call of an answer that ended badly has run.
        settled=True,
    )
    taken = TakenRewind(
        content_sha256=command.content_sha256,
        cursor=command.cursor,
        branch=rewinding.branch,
        turn_id=turn_id(state.turns + 1),
    )
    draft.add(RewindTaken(rewinding=rewinding, taken=taken, digest=command.digest))


def answer_rewind(draft: Draft, command: Answer) -> bool:
    """Whether what is answered is the question of a rewind; then it is settled, unless by somebody who may not answer."""
    turn = draft.state.turn
    undoing = turn.undoing if turn is not None else None
    if undoing is None or undoing.question_id != command.question_id or undoing.agreed is not None:
        return False
    question = draft.state.questions.find(command.question_id)
    if question is not None and refusal(question, command.by) is not None:
        return True
    if command.traceparent is not None:
        draft.add(CallerTraced(traceparent=command.traceparent))
    settle_rewind(draft, command.approved, command.reason, command)
    return True


def settle_rewind(draft: Draft, agreed: bool, reason: str | None, command: Answer | None = None) -> None:
    """Settles the open question of a rewind."""
    undoing, rewinding = draft.turn.undoing, draft.state.rewinding
    assert undoing is not None
    assert undoing.question_id is not None
    assert rewinding is not None
    draft.add(QuestionSettled(question_id=undoing.question_id, answer_id=command.id if command else None))
    draft.add(
        ApprovalResolved(
            **draft.stamp,
            question_id=undoing.question_id,
            call_id=rewinding.branch,
            approved=agreed,
            reason=reason,
            by=command.by if command else None,
        )
    )


def supersede_rewind(draft: Draft) -> None:
    """People have said something else instead of answering the question of a rewind: it does not happen."""
    undoing = draft.state.turn.undoing if draft.state.turn is not None else None
    if undoing is not None and undoing.question_id is not None and undoing.agreed is None:
        settle_rewind(draft, False, SUPERSEDED)


def _is_free(state: SessionState) -> bool:
    return not state.closed and state.closing is None and state.rewinding is None


def _cutting(draft: Draft, command: Rewind) -> Rewinding | None:
    """From a message of the branch that goes on."""
    state, transcript = draft.state, draft.state.transcript
    kept = transcript.path.position(command.number)
    if kept is None or kept >= transcript.count or command.message_id is None:
        return None
    held = transcript.on(transcript.path, kept, kept + 1)
    if (held and held[0].id != command.message_id) or state.branches.made >= MAX_BRANCHES:
        return None
    message = None
    if command.parts is not None and command.new_id is not None:
        # What is said once more was a caller's, or the session's own.
        parts = command.parts if command.again else tuple(map(as_foreign, command.parts))
        own = command.again and (held[0].own if held else command.own)
        message = Message(id=command.new_id, role="user", parts=parts, at=draft.now, own=own)
    return Rewinding(
        id=command.id,
        cause="rewind",
        branch=branch_id(state.branches.made + 1),
        kept=kept,
        message_id=command.message_id,
        message=message,
        again=command.again,
        continues=command.continues if message is None else None,
        role=command.model,
        traceparent=command.traceparent,
        undo=command.undo,
        by=command.by,
        calls=command.calls,
        more=command.more,
    )


def _going_back(state: SessionState, command: Rewind) -> Rewinding | None:
    """To a branch that was left."""
    transcript, target = state.transcript, state.branches.find(command.branch or "")
    if target is None or target.branch == state.branches.current:
        return None
    kept = shared_by(transcript.path, transcript.count, target.path, target.count)
    return Rewinding(
        id=command.id,
        cause="back",
        branch=target.branch,
        kept=kept,
        message_id=command.message_id or "",
        undo=command.undo,
        by=command.by,
        calls=command.calls,
        more=command.more,
    )
