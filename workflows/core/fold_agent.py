"""What a definition that was loaded, or was not, makes of a session's state."""

from perdure.workflows.core.binding import still_allowed
from perdure.workflows.core.fold_limits import with_definition_limits
from perdure.workflows.core.session_variables import only_declared
from perdure.workflows.core.state.agent_slot import TakenOver
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.core.state.turn import Handoff, Turn
from perdure.workflows.definition.agent import LoadedAgent
from perdure.workflows.vocabulary.parts import ToolError


def loaded(state: SessionState, agent: LoadedAgent) -> SessionState:
    transcript = state.transcript
    if state.slot.loaded is not None:
        transcript = replace(transcript, epoch=transcript.epoch + 1)
    questions = replace(state.questions, allowed=still_allowed(state.questions.allowed, agent))
    lent = state.turn.lent if state.turn is not None else None
    needed = state.handlers.digests | ({lent} if lent is not None else frozenset())
    state = replace(state, slot=state.slot.with_loaded(agent, needed), transcript=transcript, questions=questions)
    return with_definition_limits(state)


def failed(state: SessionState, error: ToolError) -> SessionState:
    """A definition could not be loaded."""
    slot = state.slot
    # Asking for the old digest again keeps the session from loading the broken one again and again. Within a turn, only
    # the old one is loaded, and a newer one still waits.
    digest = slot.loaded.digest if slot.loaded and state.turn is None else slot.digest
    problem = None if slot.loaded else error
    return replace(state, slot=replace(slot, digest=digest, stale=False, loading=False, error=problem))


def taken_over(state: SessionState, turn: Turn, handoff: Handoff) -> SessionState:
    name = handoff.agent.definition.name
    earlier = state.slot.taken.inputs if state.slot.taken else {}
    state = only_declared(loaded(state, handoff.agent))
    taken = TakenOver(by=name, inputs={**earlier, name: handoff.inputs}, at=state.log.seq)
    return replace(
        state,
        # Its handler was the other agent's.
        turn=replace(turn, handoff=None, run=None),
        slot=replace(state.slot, digest=handoff.agent.digest, pinned=False, taken=taken),
        # What a person allowed was allowed to the other agent.
        questions=replace(state.questions, allowed=()),
    )
