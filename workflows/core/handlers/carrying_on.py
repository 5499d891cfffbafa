"""How a turn's handler begins, goes on to its next block, and makes the calls of its own. Pure."""

from perdure.workflows.core.calls.call import Call
from perdure.workflows.core.changes import CallerTraced, TurnBroken
from perdure.workflows.core.draft import Draft
from perdure.workflows.core.handler_changes import BlockCalled, ErrorCaught, HandlerMoved, TriggerTaken, VariablesSet
from perdure.workflows.core.handlers.branching import kept
from perdure.workflows.core.handlers.compensation import again
from perdure.workflows.core.handlers.interpreter import HandlerFault, advanced, carried_on, caught
from perdure.workflows.core.handlers.limits import allotted, begun_anew
from perdure.workflows.core.handlers.saying import said
from perdure.workflows.core.handlers.shared import Shared
from perdure.workflows.core.handlers.triggers import Triggered, inputs_of
from perdure.workflows.core.prompt import names_in
from perdure.workflows.core.session_variables import values_of
from perdure.workflows.core.state.compensating import Compensating
from perdure.workflows.core.state.handlers import (
    Asking,
    AskingPerson,
    Calling,
    HandlerRun,
    Responding,
    Saying,
    Waiting,
)
from perdure.workflows.core.state.record import replace
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.core.state.together import CallingMany
from perdure.workflows.definition.handlers import MESSAGE
from perdure.workflows.vocabulary.events import MessageRejected, TurnStarted
from perdure.workflows.vocabulary.ids import handler_call_id, turn_id
from perdure.workflows.vocabulary.parts import Message, Text, ToolCall, ToolError


def handler_of_messages(state: SessionState) -> str | None:
    """The handler that answers messages; None: the agent responds."""
    loaded = state.slot.loaded
    return MESSAGE if loaded is not None and MESSAGE in loaded.definition.handlers else None


def begin_handler(draft: Draft, name: str | None, message: Message | None) -> None:
    """The turn carries out the handler `name` from now on, for this message; None: the agent responds."""
    loaded = draft.state.slot.loaded
    if name is None or loaded is None:
        return
    texts = [part.text for part in message.parts if isinstance(part, Text)] if message is not None else []
    began = draft.state.transcript.total - (message is not None)
    run = HandlerRun(handler=name, digest=loaded.digest, began=began, variables={"message": "\n".join(texts)})
    draft.add(HandlerMoved(run=run))


def start_triggered(draft: Draft, message: Message, wanted: Triggered) -> None:
    """Begins the turn of a trigger, unless the definition as it is now has no such handler."""
    loaded = draft.state.slot.loaded
    inputs = inputs_of(wanted, loaded) if loaded is not None else {}
    if inputs is None:
        draft.add(MessageRejected(**draft.stamp, message_id=message.id, reason="no_handler"))
        return
    turn = turn_id(draft.state.turns + 1)
    began = draft.state.transcript.total
    started = {"cause": "trigger", "handler": wanted.name, "trigger_id": message.id}
    draft.add(TurnStarted.model_validate({**draft.stamp, "turn_id": turn, **started}))
    traceparent = draft.state.inbox.traces.get(message.id)
    draft.add(TriggerTaken(trigger_id=message.id))
    if traceparent is not None:
        draft.add(CallerTraced(traceparent=traceparent))
    if loaded is not None:
        run = HandlerRun(handler=wanted.name, digest=loaded.digest, began=began, variables=inputs)
        draft.add(HandlerMoved(run=run))


def resume_handler(draft: Draft, run: HandlerRun | None) -> bool:
    """Whether the turn goes on with a handler of one before, at the block where that stood. Another definition has other
    blocks."""
    loaded = draft.state.slot.loaded
    if run is None or loaded is None or run.digest != loaded.digest:
        return False
    doing = run.doing
    match doing:
        case Asking():
            doing = begun_anew(replace(doing, misfits=()))
        case Responding():
            doing = begun_anew(doing)
        case Calling():
            doing = replace(doing, call_id=None)
        case CallingMany():
            doing = doing.again()
        case Compensating():
            run = again(run, doing)
            doing = run.doing
        case AskingPerson():
            doing = replace(doing, question_id=None, reply=None)
        case Waiting():
            doing = replace(doing, timer_id=None, looked=False)
        case _:
            pass
    draft.add(HandlerMoved(run=replace(run, doing=doing)))
    return True


def carry_on(draft: Draft) -> None:
    state, run = draft.state, _run(draft)
    loaded = state.slot.loaded
    assert loaded is not None
    program = loaded.definition.handlers[run.handler].program(run.handler)
    shared = Shared(loaded.definition.variables, values_of(state))
    try:
        run = carried_on(run, program, names_in(state, draft.turn.turn_id, loaded), shared=shared)
    except HandlerFault as fault:
        _keep(draft, shared)
        draft.add(HandlerMoved(run=fault.run))
        draft.add(TurnBroken(error=fault.error))
        return
    _keep(draft, shared)
    run = allotted(run, program, draft.turn)
    draft.add(HandlerMoved(run=run))
    if isinstance(run.doing, Saying):
        draft.add(HandlerMoved(run=advanced(said(draft, run, run.doing.text))))


def _keep(draft: Draft, shared: Shared) -> None:
    if shared.written:
        draft.add(VariablesSet(values=shared.written))


def leave_block(draft: Draft) -> None:
    draft.add(HandlerMoved(run=advanced(_run(draft))))


def catch_error(draft: Draft, error: ToolError) -> None:
    run, _ = kept(draft, _run(draft))
    goes_on = caught(run, error)
    assert goes_on is not None
    draft.add(ErrorCaught(run=goes_on))


def call_tool(draft: Draft) -> None:
    run = _run(draft)
    assert isinstance(run.doing, Calling)
    made = ToolCall(
        call_id=handler_call_id(draft.turn.turn_id, run.calls + 1), name=run.doing.tool, args=run.doing.args
    )
    draft.add(BlockCalled(call=Call(made, block=run.doing.block)))


def _run(draft: Draft) -> HandlerRun:
    run = draft.turn.run
    assert run is not None
    return run
