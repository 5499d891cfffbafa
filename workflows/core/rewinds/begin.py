"""What it means to ask about a rewind, to take a call back, and to let another branch go on. Pure.

Rule 1: nothing is cut before a person has agreed where one has to be asked, and before each call that is to be taken back has
been, once.
Rule 2: a call that could not be taken back does not hold the rewind up: what stands is said to people and to the model.
Rule 3: where a rewind ends before that (it was not agreed to, or its turn was stopped) nothing is cut, and the model is told
what was taken back all the same.
"""

from typing import Final

from pydantic import JsonValue
from pydantic_core import to_json

from perdure.workflows.core.approvers import excluded, refusal, strictest
from perdure.workflows.core.changes import QuestionSettled
from perdure.workflows.core.draft import Draft
from perdure.workflows.core.handlers import asking
from perdure.workflows.core.handlers.carrying_on import begin_handler, handler_of_messages, resume_handler
from perdure.workflows.core.rewind_changes import UndoBegun, UndoStarted
from perdure.workflows.core.rewinds.plan import NOT_WANTED, Plan, bounded, plan, standing, undone_since
from perdure.workflows.core.state.branches import Ended
from perdure.workflows.core.state.rewinding import Rewinding, Undoing
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.core.todo import restore
from perdure.workflows.definition.handlers import MESSAGE
from perdure.workflows.vocabulary.events import MessageAdded, MessageRejected, TurnStarted
from perdure.workflows.vocabulary.ids import question_id, rewound_id, turn_id
from perdure.workflows.vocabulary.parts import Data, Message
from perdure.workflows.vocabulary.question_events import ApprovalRequested, ApprovalResolved
from perdure.workflows.vocabulary.rewinds import Standing, TranscriptRewound, Undone

REWIND: Final = "rewind"
#: `reason` of `message.rejected` of a message whose rewind did not happen.
NOT_REWOUND: Final = "not_rewound"
#: Calls that a question lists; those beyond are counted.
_MOST_LISTED: Final = 40


def take_back(draft: Draft) -> None:
    """Starts the turn in which a person is asked, and calls are taken back."""
    rewinding = _rewinding(draft)
    found = plan(draft.state, rewinding)
    turn = turn_id(draft.state.turns + 1)
    draft.add(TurnStarted(**(draft.stamp | {"turn_id": turn}), cause="answer"))
    asked = _question(draft, rewinding, found, turn)
    if rewinding.undo and (rewinding.by is None or refusal(asked.question, rewinding.by) is None):
        draft.add(UndoBegun(undoing=Undoing(left=found.undo, agreed=True), stands=found.stands, more=found.more))
        return
    undoing = Undoing(left=found.undo, question_id=asked.question_id)
    draft.add(UndoBegun(undoing=undoing, stands=found.stands, more=found.more))
    draft.add(asked)


def _question(draft: Draft, rewinding: Rewinding, found: Plan, turn: str) -> ApprovalRequested:
    """Whether the rewind goes on. Whoever says so has to be one who could have allowed the calls that it takes back."""
    names = dict.fromkeys(one.name for one in found.undo)
    policies = [draft.state.policy(name) for name in names] if rewinding.by is not None else []
    approvals = [policy.approval for policy in policies if policy is not None and policy.approval is not None]
    roles, *further = strictest(one.by for one in approvals if one.by) or ((),)
    return ApprovalRequested(
        **draft.stamp,
        question_id=question_id(rewinding.branch, f"{turn}.approval"),
        subject="rewind",
        call_id=rewinding.branch,
        name=REWIND,
        args=_listed(rewinding, found),
        remember="never",
        prompt=_prompt(found),
        roles=roles,
        further_roles=tuple(further),
        not_by=next((out for one in approvals if (out := excluded(draft.state, one))), ()),
    )


def undo_next(draft: Draft) -> None:
    draft.add(UndoStarted())


def give_up_rewind(draft: Draft, reason: str) -> None:
    """The turn of a rewind ends, and the rewind does not go on, or goes on only if all is done."""
    undoing, rewinding = draft.turn.undoing, draft.state.rewinding
    if undoing is None or rewinding is None:
        return
    if undoing.question_id is not None and undoing.agreed is None:
        draft.add(QuestionSettled(question_id=undoing.question_id))
        draft.add(
            ApprovalResolved(
                **draft.stamp,
                question_id=undoing.question_id,
                call_id=rewinding.branch,
                approved=False,
                reason="stopped",
            )
        )
    if undoing.agreed and not undoing.left and reason == "done":
        return
    if rewinding.undone:
        note = _note(draft, rewinding.branch, rewinding.undone, (), {}, rewound=False)
        draft.add(MessageAdded(**draft.stamp, message=note.of_turn(draft.turn.turn_id)))
    reject(draft, rewinding)


def reject(draft: Draft, rewinding: Rewinding) -> None:
    """The message of a rewind that does not happen has its disposition."""
    if rewinding.message is not None and not rewinding.again:
        draft.add(MessageRejected(**draft.stamp, message_id=rewinding.message.id, reason=NOT_REWOUND))


def cut(draft: Draft) -> None:
    """Lets the branch go on, and begins the turn that follows."""
    rewinding, count = _rewinding(draft), draft.state.transcript.count
    found = (
        Plan(stands=rewinding.stands, more=rewinding.stands_more) if rewinding.settled else plan(draft.state, rewinding)
    )
    # What could be taken back, and was not tried to be, was not to be.
    stands, more = found.stands, found.more
    if found.undo:
        left = (standing(one, NOT_WANTED) for one in reversed(found.undo))
        stands, more = bounded((*stands, *left), more)
    since = undone_since(draft.state, rewinding.branch) if rewinding.cause == "back" else ()
    if rewinding.cause != "retry" or rewinding.kept < count:
        draft.add(
            TranscriptRewound(
                **draft.stamp,
                message_id=_first(draft.state, rewinding),
                branch=rewinding.branch,
                left=draft.state.branches.current,
                kept=rewinding.kept,
                cause=rewinding.cause,
                undone=rewinding.undone,
                stands=stands,
                stands_more=more,
                undone_since=since,
            )
        )
        asking.withdraw(draft, "stopped", left=True)
        restore(draft)
    stood = rewinding.stands or rewinding.stands_more
    told = bool(rewinding.undone or stood or found.matters or since) or _has_timer(found)
    note = _note(draft, rewinding.branch, rewinding.undone, stands, more, since=since) if told else None
    if rewinding.cause == "back":
        if note is not None:
            draft.add(MessageAdded(**draft.stamp, message=note))
        return
    turn = turn_id(draft.state.turns + 1)
    ended, handler = draft.state.ended, _handler(draft.state, rewinding)
    draft.add(
        TurnStarted(
            **(draft.stamp | {"turn_id": turn}), cause="message", continues=rewinding.continues, handler=handler
        )
    )
    for message in (note, rewinding.message):
        if message is not None:
            draft.add(MessageAdded(**draft.stamp, message=message.of_turn(turn)))
    stood_at = ended.run if ended is not None and rewinding.cause == "retry" else None
    if handler is not None:
        resumed = resume_handler(draft, stood_at)
        if not resumed:
            begin_handler(draft, handler, rewinding.message or _asked(draft.state))


def _handler(state: SessionState, rewinding: Rewinding) -> str | None:
    """The handler that the turn of the branch carries out."""
    ended = state.ended
    if rewinding.cause == "retry":
        if ended is None or ended.handler is None or _stands(state, ended):
            return ended.handler if ended is not None else None
        if ended.handler != MESSAGE:
            # What it was triggered with is not known any more.
            return None
    message = rewinding.message or _asked(state)
    return handler_of_messages(state) if message is not None and not message.own else None


def _stands(state: SessionState, ended: Ended) -> bool:
    """Whether the handler of the turn that ended can go on at its block: another definition has other blocks."""
    return ended.run is not None and state.slot.loaded is not None and ended.run.digest == state.slot.loaded.digest


def _asked(state: SessionState) -> Message | None:
    """The user's last message, as far as the state holds it."""
    transcript = state.transcript
    said = transcript.on(transcript.path, 0, transcript.count)
    return next((one for one in reversed(said) if one.role == "user"), None)


def _first(state: SessionState, rewinding: Rewinding) -> str:
    """The id of the first message that leaves; where none does, of the first that comes back."""
    transcript, target = state.transcript, state.branches.find(rewinding.branch)
    leaves = transcript.on(transcript.path, rewinding.kept, rewinding.kept + 1)
    if leaves or target is None or rewinding.kept < transcript.count:
        return leaves[0].id if leaves else rewinding.message_id
    comes = transcript.on(target.path, rewinding.kept, min(rewinding.kept + 1, target.count))
    return comes[0].id if comes else rewinding.message_id


def _rewinding(draft: Draft) -> Rewinding:
    rewinding = draft.state.rewinding
    assert rewinding is not None
    return rewinding


def needs_turn(state: SessionState, rewinding: Rewinding) -> bool:
    """Whether a person has to be asked, or a call to be taken back, before another branch goes on."""
    if rewinding.settled or rewinding.undo is False:
        return False
    found = plan(state, rewinding)
    return bool(found.undo) if rewinding.undo else found.matters


def _has_timer(found: Plan) -> bool:
    return any(one.name == "wake_me" for one in found.stands)


def _listed(rewinding: Rewinding, found: Plan) -> dict[str, JsonValue]:
    """What is taken back and what stands, as a question's arguments."""
    undo = [one.model_dump(mode="json", include={"call_id", "name", "args", "by"}) for one in found.undo]
    stands = [one.model_dump(mode="json") for one in found.stands]
    more = max(len(undo) - _MOST_LISTED, 0) + max(len(stands) - _MOST_LISTED, 0) + sum(found.more.values())
    listed: dict[str, JsonValue] = {
        "message_id": rewinding.message_id,
        "undo": [*undo[:_MOST_LISTED]],
        "stands": [*stands[:_MOST_LISTED]],
    }
    return listed | {"more": more} if more else listed


def _prompt(found: Plan) -> str:
    said = []
    if found.undo:
        back = "; ".join(f"{one.name} by {one.by}" for one in found.undo[:_MOST_LISTED])
        said.append(f"Going back takes back: {back}.")
    if found.stands:
        kept = "; ".join([*(f"{one.name}: {one.why}" for one in found.stands[:_MOST_LISTED]), *_further(found.more)])
        said.append(f"It does not take back: {kept}")
    return " ".join([*said, "Go back all the same?" if not found.undo else "Go back?"])


def _note(
    draft: Draft,
    branch: str,
    undone: tuple[Undone, ...],
    stands: tuple[Standing, ...],
    more: dict[str, int],
    *,
    since: tuple[Undone, ...] = (),
    rewound: bool = True,
) -> Message:
    """What the model has to know of a part of the conversation that it does not see, in the session's own words."""
    lines = ["The conversation was taken back to this point."] if rewound else []
    if undone:
        lines.append(f"These calls were made and have been taken back: {_named(undone)}.")
    if since:
        lines.append(f"These calls above have been taken back since, and stand no more: {_named(since)}.")
    if stands or more:
        lines.append(
            "These calls were made in the part that you no longer see, and what they did may still stand: "
            + "; ".join([*(f"{one.name} with {_json(one.args)}: {one.why}" for one in stands), *_further(more)])
        )
    value: dict[str, JsonValue] = {
        "note": " ".join(lines),
        "undone": [one.model_dump(mode="json") for one in (*undone, *since)],
        "stands": [one.model_dump(mode="json") for one in stands],
    }
    if more:
        value["stands_more"] = {**more}
    part = Data(name="rewound", value=value)
    return Message(id=rewound_id(branch, draft.state.log.seq), role="user", parts=(part,), at=draft.now, own=True)


def _further(more: dict[str, int]) -> list[str]:
    counted = ", ".join(f"{count} of {name}" for name, count in more.items())
    return [f"and further calls: {counted}."] if more else []


def _named(undone: tuple[Undone, ...]) -> str:
    return "; ".join(f"{one.name} ({one.call_id}), by {one.by}" for one in undone)


def _json(value: JsonValue) -> str:
    return to_json(value, inf_nan_mode="strings").decode()
