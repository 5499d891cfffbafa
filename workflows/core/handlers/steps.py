"""The steps of blocks: what the record of one keeps, and which of them a turn is about to take. Pure."""

from typing import Final

from perdure.workflows.core.context.sizes import BYTES_PER_TOKEN
from perdure.workflows.core.context.windows import usable_of, window_of
from perdure.workflows.core.endings import nudge_after
from perdure.workflows.core.handlers.answers import length_of
from perdure.workflows.core.state.handlers import Asking, Responding
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.definition.route import Hop
from perdure.workflows.protocol.blocks import StepBlock

#: Characters of the conversation that a block which asks is given at most, and at least.
_MOST_ROOM: Final = 40_000
_LEAST_ROOM: Final = 1_000


def asking_of(state: SessionState) -> Asking | None:
    """What the turn's handler asks a model now; None: its next step, if there is one, answers in the conversation."""
    run = state.turn.run if state.turn is not None else None
    return run.doing if run is not None and isinstance(run.doing, Asking) else None


def step_block(state: SessionState, hop: Hop) -> StepBlock | None:
    """Of the step that opens next, with this model; None: it carries out no handler's block."""
    turn = state.turn
    doing = turn.run.doing if turn is not None and turn.run is not None else None
    match doing:
        case Responding():
            return StepBlock(
                block=doing.block,
                thinking=doing.thinking,
                text=doing.instructions,
                follows_answer=_follows_answer(state),
            )
        case Asking():
            made = StepBlock(
                block=doing.block,
                thinking=doing.thinking,
                text=doing.prompt,
                output=doing.output,
                options=doing.options,
                misfits=doing.misfits,
            )
            return made.model_copy(update={"room": _room(state, hop, made)})
        case _:
            return None


def most_bytes(asking: Asking) -> int:
    """Bytes of the request of a block that asks, at most."""
    return length_of(asking) + 4 * _MOST_ROOM


def _room(state: SessionState, hop: Hop, block: StepBlock) -> int:
    window = window_of(state, hop)
    if window is None:
        return _MOST_ROOM
    left = usable_of(hop, window) * BYTES_PER_TOKEN * 8 // 10 - length_of(block)
    return max(min(left, _MOST_ROOM), _LEAST_ROOM)


def _follows_answer(state: SessionState) -> bool:
    transcript, turn = state.transcript, state.turn
    if turn is None or nudge_after(turn.stop, turn.odd) is not None:
        return False
    last = transcript.on(transcript.path, transcript.count - 1, transcript.count)
    # A trigger may come before anything was said.
    return not last or last[0].role == "assistant"
