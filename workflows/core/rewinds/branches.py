"""The branches of a session as it tells of them, and the places where they part. Pure."""

from perdure.workflows.core.last_words import last_words
from perdure.workflows.core.rewinds.receive import ENDED_WELL
from perdure.workflows.core.state.branches import MAX_BRANCHES, Branch
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.protocol.branch_queries import BranchesPage, BranchesRequest, BranchLine, Place, Taken
from perdure.workflows.protocol.paths import shared_by
from perdure.workflows.vocabulary.parts import Message


def branches(state: SessionState, request: BranchesRequest) -> BranchesPage:
    known = known_branches(state)
    asked = next((one for one in known if one.branch == request.branch), None)
    taken = state.rewinds.by_id.get(request.command_id or "")
    ended = state.ended
    retried = None if ended is None or ended.reason in ENDED_WELL or state.turn is not None else ended.turn_id
    return BranchesPage(
        current=state.branches.current,
        branches=tuple(_line(one) for one in known),
        places=places(state, known),
        path=asked.path if asked is not None else None,
        count=asked.count if asked is not None else 0,
        seq=state.log.seq,
        closed=state.closed or state.closing is not None,
        full=state.branches.made >= MAX_BRANCHES,
        rewinding=state.rewinding.branch if state.rewinding is not None else None,
        turn_id=state.turn_id,
        last_turn=ended.turn_id if ended is not None else None,
        retried=retried,
        taken=None
        if taken is None
        else Taken(
            content_sha256=taken.content_sha256,
            cursor=taken.cursor,
            branch=taken.branch,
            message_id=taken.message_id,
            turn_id=taken.turn_id,
        ),
        undone=()
        if request.command_id is None
        else tuple(call_id for call_id, undo in state.branches.undos.items() if undo.over),
    )


def known_branches(state: SessionState) -> tuple[Branch, ...]:
    """All of them, the one that goes on as it is now."""
    transcript, current = state.transcript, state.branches.current
    last = _at(state, transcript.count - 1)
    known = state.branches.find(current) or Branch(branch=current, created_at=state.created_at)
    now = replace(
        known, path=transcript.path, count=transcript.count, words=last_words(last) if last is not None else known.words
    )
    return state.branches.with_branch(now).known


def places(state: SessionState, known: tuple[Branch, ...]) -> tuple[Place, ...]:
    """Where others part from the branch that goes on. A message that was said once more is the same message."""
    by_name = {one.branch: one for one in known}
    current = by_name[state.branches.current]
    first: dict[int, int] = {}
    for one in known:
        parent = by_name.get(one.parent or "")
        if one.again and parent is not None and one.count > one.shared:
            said = parent.path.number(one.shared)
            first[one.path.number(one.shared)] = first.get(said, said)
    part_at = {one.branch: _parts(current, one, first) for one in known}
    used = {switch.branch: index for index, switch in enumerate(state.branches.switches)}
    found: list[Place] = []
    for position in sorted({at for name, at in part_at.items() if name != current.branch}):
        siblings: dict[int | None, Branch] = {}
        for one in sorted(known, key=lambda one: used.get(one.branch, -1)):
            if part_at[one.branch] >= position or one is current:
                number = one.path.number(position) if position < one.count else None
                child = None if number is None else first.get(number, number)
                if siblings.get(child) is not current:
                    siblings[child] = one
        ordered = [siblings[child] for child in sorted(siblings, key=lambda child: (child is None, child or 0))]
        message = _at(state, position)
        if len(ordered) > 1:
            found.append(
                Place(
                    position=position,
                    message_id=message.id if message is not None else None,
                    siblings=tuple(one.branch for one in ordered),
                    current=ordered.index(current),
                )
            )
    return tuple(found)


def _parts(current: Branch, other: Branch, first: dict[int, int]) -> int:
    """How many messages another branch has in common with the one that goes on."""
    shared = shared_by(current.path, current.count, other.path, other.count)
    if shared >= min(current.count, other.count):
        return shared
    here, there = current.path.number(shared), other.path.number(shared)
    return shared + 1 if first.get(here, here) == first.get(there, there) else shared


def _at(state: SessionState, position: int) -> Message | None:
    """The message at a position of the branch that goes on, if the state holds it."""
    transcript = state.transcript
    held = transcript.on(transcript.path, position, position + 1) if position >= 0 else ()
    return held[0] if held else None


def _line(branch: Branch) -> BranchLine:
    return BranchLine(
        branch=branch.branch,
        parent=branch.parent,
        cause=branch.cause,
        message_id=branch.message_id,
        position=branch.shared,
        messages=branch.count,
        created_at=branch.created_at,
        words=branch.words,
    )
