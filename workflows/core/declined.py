"""Which part of a conversation is left out of later requests once a provider has declined to answer it. Pure.

Nobody says which part it was. So where the declined request ended with tool results, these give way to a note; else the whole
exchange is left out. Where the next message is declined as well, the results were not it, and their exchange goes, too.
"""

from typing import Final

from perdure.workflows.core.rewinds.fold import exchange
from perdure.workflows.core.state.session import SessionState, in_turn
from perdure.workflows.core.step import StepFailure
from perdure.workflows.protocol.activities import StepOutput
from perdure.workflows.protocol.left_out import LeftOut
from perdure.workflows.protocol.steps import StepRecord
from perdure.workflows.vocabulary.errors import MODEL_CONTENT_POLICY
from perdure.workflows.vocabulary.ids import turn_id, turn_number

_STOPS: Final = ("refusal", "content_filter")


def is_declined(outcome: StepOutput | StepFailure) -> bool:
    """The model refused, or a filter of its provider cut the answer or refused the request."""
    if isinstance(outcome, StepOutput):
        return outcome.stop in _STOPS
    return outcome.error.type == MODEL_CONTENT_POLICY


def left_out_for(state: SessionState, record: StepRecord) -> tuple[LeftOut, ...]:
    """What is left out because the answer of the step `record`, of the turn that runs, was declined."""
    turn, transcript = in_turn(state), state.transcript
    epoch = transcript.epoch + 1
    seen = transcript.seen(record.view)
    # A turn that was run on belongs to the exchange.
    turns = exchange(transcript) | {turn.turn_id}
    calls: list[str] = []
    for message in reversed(seen):
        if message.role != "tool" or message.turn_id not in turns:
            break
        calls.insert(0, message.id)
    here = LeftOut(turn_id=turn.turn_id, step_id=record.step_id, epoch=epoch, calls=tuple(calls))
    if calls:
        return (here,)
    in_part = {one.turn_id: one for one in transcript.left_out if one.calls}
    whole = {one.turn_id for one in transcript.left_out if not one.calls and one.until is None}
    run_on = sorted(turns - {turn.turn_id}, key=_number, reverse=True)
    before = [LeftOut(turn_id=one, step_id=record.step_id, epoch=epoch) for one in run_on]
    number = min(map(_number, turns)) - 1
    while (earlier := turn_id(number)) in in_part or earlier in whole:
        if earlier not in whole:
            before.append(LeftOut(turn_id=earlier, step_id=in_part[earlier].step_id, epoch=epoch))
        number -= 1
    return (*reversed(before), here)


def _number(turn: str) -> int:
    return turn_number(turn) or 0
