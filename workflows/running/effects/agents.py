"""Calls that another agent answers: what it is given, its session below this one, and its definition."""

from typing import Any

from pydantic import ValidationError
from temporalio import workflow
from temporalio.exceptions import FailureError

from perdure.workflows.core.calls.superseding import SUPERSEDED
from perdure.workflows.core.effects import AdoptAgent, OpenAgent, RunSession, StoreAnswer
from perdure.workflows.core.outcomes import AgentAdopted, AgentOpened, SessionEnded, ToolEnded
from perdure.workflows.core.sub_answer import SubAnswer
from perdure.workflows.definition.agent import LoadedAgent
from perdure.workflows.protocol.activities import OpenedAgent, ToolOutput, load_agent, take_answer
from perdure.workflows.protocol.activities import open_agent as open_agent_activity
from perdure.workflows.protocol.signals import Close, Supersede
from perdure.workflows.running.activity_options import LOAD_AGENT, TAKE_RESULT
from perdure.workflows.running.children import start_child
from perdure.workflows.running.effects.opened import Opened
from perdure.workflows.running.failures import local_failure
from perdure.workflows.vocabulary.errors import AGENT_FAILED
from perdure.workflows.vocabulary.folding import preview
from perdure.workflows.vocabulary.ids import close_id, supersede_id
from perdure.workflows.vocabulary.parts import ToolError


async def open_agent(effect: OpenAgent) -> AgentOpened:
    call_id = effect.request.call_id
    try:
        opened: OpenedAgent = await workflow.execute_local_activity(open_agent_activity, effect.request, **LOAD_AGENT)
    except FailureError as failure:
        return AgentOpened(call_id, local_failure(failure))
    return AgentOpened(call_id, opened)


async def run_session(effect: RunSession, opened: Opened) -> SessionEnded:
    """Told to end, it tells the session to close, and waits for its end like for any other."""
    new = effect.new
    assert new.parent is not None
    try:
        handle = await start_child(f"{new.tenant}/{new.session_id}", new, effect.demo, new.parent.session_id)
    except FailureError as failure:
        error = ToolError(type=AGENT_FAILED, message=f"{new.agent} could not be asked: {failure.message}")
        return SessionEnded(effect.call_id, error, began=False)
    await workflow.wait_condition(lambda: handle.done() or opened.ending or opened.telling)
    reason = SUPERSEDED if opened.telling else "stopped"
    if opened.telling and not opened.ending and not handle.done():
        await _signal(handle, "supersede", Supersede(id=supersede_id(effect.call_id)))
        await workflow.wait_condition(lambda: handle.done() or opened.ending)
        reason = "stopped"
    if not handle.done():
        await _signal(handle, "close", Close(id=close_id(effect.call_id), reason=reason))
    try:
        return SessionEnded(effect.call_id, SubAnswer.model_validate(await handle))
    except (FailureError, ValidationError) as failure:
        cause = failure.cause if isinstance(failure, FailureError) else None
        message = f"{new.agent} came to no answer: {preview(str(cause or failure))}"
        return SessionEnded(effect.call_id, ToolError(type=AGENT_FAILED, message=message))


async def _signal(handle: "workflow.ChildWorkflowHandle[Any, Any]", name: str, command: Supersede | Close) -> None:
    try:
        await handle.signal(name, command)
    except FailureError:
        # It is gone already, and says so itself.
        pass


async def store_answer(effect: StoreAnswer) -> ToolEnded:
    call_id = effect.request.call_id
    try:
        taken: ToolOutput = await workflow.execute_local_activity(take_answer, effect.request, **TAKE_RESULT)
    except FailureError as failure:
        return ToolEnded(call_id, local_failure(failure))
    return ToolEnded(call_id, taken)


async def adopt_agent(effect: AdoptAgent) -> AgentAdopted:
    try:
        agent: LoadedAgent = await workflow.execute_local_activity(load_agent, effect.request, **LOAD_AGENT)
    except FailureError as failure:
        return AgentAdopted(effect.call_id, local_failure(failure))
    return AgentAdopted(effect.call_id, agent)
