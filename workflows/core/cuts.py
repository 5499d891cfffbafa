"""Where a session's past can be cut, counted as it grows. Pure."""

from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.sealing import Sealing
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.core.weights import weight_of, weight_of_message
from perdure.workflows.protocol.segments import message_in, said_in
from perdure.workflows.vocabulary.events import Event, StepFinished, StepStarted, ToolFinished
from perdure.workflows.vocabulary.parts import Message, ToolCall


def with_event(state: SessionState, event: Event) -> SessionState:
    """`state`, to which the event has been applied, with the event counted."""
    sealing = state.sealing.grown(weight_of(event))
    turn = state.turn
    between = turn is None or (turn.step is None and not turn.calls)
    # What a handler asks stays open for long, and nothing of the past answers it.
    asks = any(one.subject != "handler" for one in state.questions.open)
    if between and not asks and state.context.open is None:
        sealing = sealing.cuttable(event.seq, state.transcript.total, len(state.log.steps))
    return replace(state, sealing=sealing)


def counted(state: SessionState) -> SessionState:
    """`state` with all that it holds counted, where nothing is: a state of older behavior, or a fork's past."""
    log, transcript = state.log, state.transcript
    number = transcript.base
    sealing = Sealing(counted=True)
    open_calls: set[str] = set()
    for message in transcript.messages[: orphans(state)]:
        number += 1
        sealing = sealing.grown(weight_of_message(message))
        _follow_calls(open_calls, message)
        if not open_calls:
            sealing = sealing.cuttable(log.oldest - 1, number, 0)
    places = {record.step_id: place for place, record in enumerate(log.steps, 1)}
    steps, step_open = 0, False
    for event in log.events:
        said = message_in(event)
        number += said is not None
        sealing = sealing.grown(weight_of(event))
        if isinstance(event, StepStarted):
            step_open = True
            steps = max(steps, places.get(event.step_id, 0))
        elif isinstance(event, StepFinished):
            step_open = False
            open_calls = {part.call_id for part in event.message.parts if isinstance(part, ToolCall)}
        elif isinstance(event, ToolFinished):
            open_calls.discard(event.call_id)
        if not step_open and not open_calls:
            sealing = sealing.cuttable(event.seq, number, steps)
    numbers = {message.id: transcript.base + index for index, message in enumerate(transcript.messages)}
    return replace(state, sealing=sealing, dates=state.dates.numbered(numbers))


def orphans(state: SessionState) -> int:
    """How many of the messages that the state holds none of its events does; they come before those that one does."""
    return len(state.transcript.messages) - len(said_in(state.log.events))


def _follow_calls(open_calls: set[str], message: Message) -> None:
    for part in message.parts:
        if isinstance(part, ToolCall):
            open_calls.add(part.call_id)
    open_calls.discard(message.id)
