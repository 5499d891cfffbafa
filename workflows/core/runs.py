"""What each run of a session starts with.

A run hands over at a rest point only, and hands over everything: no viewer notices.
"""

import operator

from pydantic import Field

from perdure.workflows.core.cuts import counted, orphans
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.protocol.segments import said_in
from perdure.workflows.protocol.signals import NewSession, SendMessage
from perdure.workflows.vocabulary.parts import Frozen


class SessionInput(Frozen):
    """A new session, or the state that a run hands to the next, or that a fork begins with."""

    new: NewSession | None = None
    carried: SessionState | None = None
    #: `carried` is without what stands in a state twice.
    lean: bool = Field(default=False, exclude_if=operator.not_)
    #: The first message of a fork; a new session's comes in `new`.
    message: SendMessage | None = None


def handed_over(state: SessionState) -> SessionInput:
    """What the next run is given: the state, without messages that events hold, and with the definition that runs once."""
    slot, transcript = state.slot, state.transcript
    older = transcript.messages[: orphans(state)]
    if not state.seals or (*older, *said_in(state.log.events)) != transcript.messages:
        return SessionInput(carried=state)
    kept = {digest: agent for digest, agent in slot.kept.items() if agent is not slot.loaded}
    lean = replace(state, transcript=replace(transcript, messages=older), slot=replace(slot, kept=kept))
    return SessionInput(carried=lean, lean=True)


def taken_over(start: SessionInput) -> SessionState | None:
    """The state that was handed over, or that a fork begins with; None where the session is new."""
    state = start.carried
    if state is None or not start.lean:
        return state
    slot, transcript = state.slot, state.transcript
    messages = (*transcript.messages, *said_in(state.log.events))
    kept = {**slot.kept, slot.loaded.digest: slot.loaded} if slot.loaded is not None else slot.kept
    return replace(state, transcript=replace(transcript, messages=messages), slot=replace(slot, kept=kept))


def lifted(state: SessionState, behavior: int) -> SessionState:
    """`state` with this behavior, which is no lower than its own, and with all counted that this needs."""
    state = replace(state, behavior=behavior)
    return counted(state) if state.seals and not state.sealing.counted else state
