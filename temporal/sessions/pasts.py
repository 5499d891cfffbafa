"""A session's past up to one of its turns, wherever its parts lie.

Rule: what `core/fork.py` makes of a session that holds what it needs is the past; here that is put into its hands.
"""

import asyncio
import base64
import zlib
from typing import Final

from perdure.temporal.sessions.backend import Backend
from perdure.temporal.sessions.errors import InvalidRequest, TooMany, TurnRunning
from perdure.temporal.sessions.sealed import Sealed
from perdure.workflows.core.fork import ends_in, last_finished, past
from perdure.workflows.core.state.log import Log
from perdure.workflows.core.state.session import SessionState, read_state
from perdure.workflows.core.unsealing import holding_again
from perdure.workflows.protocol.queries import PastRequest
from perdure.workflows.protocol.segment_refs import SegmentRef
from perdure.workflows.protocol.segments import Segment
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.events import TurnStarted
from perdure.workflows.vocabulary.ids import turn_id as turn_id_of
from perdure.workflows.vocabulary.ids import turn_number

#: How often an answer is begun anew whose session moves on while it is read.
_READS: Final = 5


async def read_past(
    backend: Backend, sealed: Sealed, session: str, turn_id: str | None, *, keep_turn: bool
) -> SessionState:
    """The past of `session` (a workflow id) up to the end of a turn or its beginning; None: the last that has ended.
    Segments that lie in it as a whole stay sealed.

    Raises `InvalidRequest` naming `turn_id`, `TurnRunning`, and what `Backend.query` raises."""
    data, sha256, reads = b"", None, 0
    while True:
        request = PastRequest(turn_id=turn_id, keep_turn=keep_turn, after=len(data), sha256=sha256)
        page = await backend.query(session, SessionWorkflow.past, request)
        if page.refused == "unknown_turn":
            raise InvalidRequest("turn_id", "is no turn of this session" if turn_id else "no turn has ended yet")
        if page.refused == "turn_running":
            raise TurnRunning(f"{turn_id} has not ended yet, so it cannot be forked.")
        if page.start == 0:
            reads += 1
            if reads > _READS:
                raise TooMany("The session changes faster than its past can be read.")
        sha256, data = page.sha256, data[: page.start] + base64.b64decode(page.data)
        if not page.more:
            break
    state = await asyncio.to_thread(_read_state, data)
    if not page.sealed:
        return state
    turn_id = last_finished(state) if turn_id is None else turn_id
    state = await _holding(sealed, session, state, turn_id, keep_turn)
    waiting = await sealed.waiting(session, state.log.segments)
    return await asyncio.to_thread(past, state, turn_id, keep_turn, waiting)


def _read_state(data: bytes) -> SessionState:
    return read_state(zlib.decompress(data))


async def in_whole(sealed: Sealed, session: str, state: SessionState) -> SessionState:
    """`state` with nothing sealed."""
    parts = [part async for part in sealed.segments(session, state.log.segments)]
    return holding_again(state, parts, ()) if parts else state


async def _holding(sealed: Sealed, session: str, state: SessionState, turn_id: str, keep_turn: bool) -> SessionState:
    """`state` that holds again what a past up to the turn has to be cut from."""
    number = turn_number(turn_id) or 0
    turns = number if keep_turn else number - 1
    if ends_in(state.log.events, turn_id, keep_turn) and _tells(state.log, turns=turns):
        return state
    leaves = [leaf async for leaf in sealed.leaves(session, state.log.segments)]
    end = await _end(sealed, session, state, leaves, turn_id, keep_turn)
    parts: list[Segment] = []
    first = len(leaves) if end is None else end + 1
    tail = (state.log,) if end is None else ()
    while first > 0 and not (parts and _tells(*parts, *tail, turns=turns)):
        first -= 1
        parts.insert(0, await sealed.segment(session, leaves[first]))
    before = await sealed.before(session, state.log.segments, leaves[first]) if first else ()
    if end is not None and not ends_in(parts[-1].events, turn_id, keep_turn):
        # Its events were dropped before anything was sealed, and only its messages are left.
        parts, before = [await sealed.segment(session, leaf) for leaf in leaves[: end + 1]], ()
    return holding_again(state, parts, before, tail=end is None)


async def _end(
    sealed: Sealed, session: str, state: SessionState, leaves: list[SegmentRef], turn_id: str, keep_turn: bool
) -> int | None:
    """Which of the leaves this past ends in; None: in what the session holds."""
    number = turn_number(turn_id) or 0
    of_turn = [index for index, leaf in enumerate(leaves) if leaf.first_turn <= number <= leaf.last_turn]
    if not of_turn or ends_in(state.log.events, turn_id, keep_turn):
        return None
    for index in of_turn:
        if ends_in((await sealed.segment(session, leaves[index])).events, turn_id, keep_turn):
            return index
    return of_turn[-1]


def _tells(*parts: Segment | Log, turns: int) -> bool:
    """Whether parts of a past tell of the branch that went on when so many turns had ended, and of the last of these: there
    is a step, and the beginning of that turn."""
    steps = (step for part in parts for step in part.steps)
    events = (event for part in parts for event in part.events)
    return any((turn_number(step.turn_id) or 0) <= turns for step in steps) and any(
        isinstance(event, TurnStarted) and event.turn_id == turn_id_of(turns) for event in events
    )
