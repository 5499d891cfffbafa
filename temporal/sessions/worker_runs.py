"""Agents that are run once for a result: `POST /v1/runs`, `perdure run`.

Rule 1: a run is a session, with the same id. It closes by itself once its agent has answered, and what came of it is the
result of its workflow, so that a run that is over is read without a worker.
Rule 2: the caller's key makes the id, so that the same run asked for again, by whomever, is the same session.
"""

import asyncio
import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import JsonValue
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.service import RPCError

from perdure.temporal.sessions.creating import Creator
from perdure.temporal.sessions.errors import IdConflict, SessionNotFound, from_rpc
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.requests import CreateSession, FirstMessage, RunAgent
from perdure.temporal.sessions.runs import RPC_TIMEOUT
from perdure.temporal.sessions.session import Session
from perdure.temporal.stores.blobs import BlobStore, unfold
from perdure.workflows.core.sub_answer import SubAnswer, text_of
from perdure.workflows.protocol.queries import SnapshotPage
from perdure.workflows.session import SessionWorkflow
from perdure.workflows.vocabulary.errors import AGENT_FAILED, TOOL_STOPPED
from perdure.workflows.vocabulary.parts import ToolError, Usage
from perdure.workflows.vocabulary.questions import Question

#: Of the ids of runs, for whoever reads lists.
_PREFIX: Final = "run-"
#: What an agent is told that is given nothing.
_BEGIN: Final = "Begin."
_OPEN: Final = (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.CONTINUED_AS_NEW)
_WHY: Final = {
    "stopped": "The run was stopped before it had finished.",
    "interrupted": "The run was interrupted before it had finished.",
    "closed": "The run was closed before it had finished.",
}


@dataclass(frozen=True, slots=True)
class RunStarted:
    run_id: str
    workflow_id: str
    #: False: it was there already, asked for by the same request.
    is_new: bool


@dataclass(frozen=True, slots=True)
class RunState:
    """A run as it is now. Exactly one of `page` and `answer` is given."""

    #: While it goes on: what the session says of itself, without messages.
    page: SnapshotPage | None = None
    #: What people have to answer first.
    questions: tuple[Question, ...] = ()
    #: Once it is over; its texts are whole.
    answer: SubAnswer | None = None

    @property
    def error(self) -> ToolError | None:
        """Why a run that is over has no result."""
        if self.answer is None or self.answer.reason == "done":
            return None
        if self.answer.error is not None:
            return self.answer.error
        reason = self.answer.reason
        kind = TOOL_STOPPED if reason in _WHY else AGENT_FAILED
        return ToolError(type=kind, message=_WHY.get(reason, f"The run ended as {reason}."))

    @property
    def result(self) -> JsonValue:
        """The answer as a checked value, where the agent says its form; else its text."""
        if self.answer is None or self.answer.reason != "done":
            return None
        return text_of(self.answer.parts) if self.answer.result is None else self.answer.result


class WorkerRuns:
    def __init__(self, client: Client, creator: Creator, blobs: BlobStore) -> None:
        self._client = client
        self._creator = creator
        self._blobs = blobs

    async def start(self, caller: Principal, request: RunAgent) -> RunStarted:
        """Starts a run; the same request with the same key again finds the run that it made. Raises as `Creator.create`."""
        wanted = CreateSession(
            agent=request.agent,
            inputs=request.inputs,
            session_id=_run_id(request.user or caller.user, request.idempotency_key),
            message=request.message or FirstMessage(text=told(request.inputs)),
            user=request.user,
            metadata=request.metadata,
        )
        try:
            created = await self._creator.create(caller, wanted, once=True)
        except IdConflict:
            raise IdConflict(
                f"The idempotency_key {request.idempotency_key} belongs to a run of another body."
            ) from None
        return RunStarted(created.session_id, created.workflow_id, created.is_new)

    async def state(self, session: Session, wait_s: float = 0) -> RunState:
        """What has become of a run, once it is over or `wait_s` seconds have passed. Raises what `Session` raises, and
        `SessionNotFound` for a session that is no run."""
        await session.check("read")
        answer = await self._answer(session.workflow_id, wait_s)
        if answer is not None:
            return RunState(answer=answer)
        page = await session.facts()
        return RunState(page=page, questions=await session.questions() if page.questions else ())

    async def _answer(self, workflow_id: str, wait_s: float) -> SubAnswer | None:
        """None: it goes on."""
        handle: WorkflowHandle[SessionWorkflow, Any] = self._client.get_workflow_handle_for(
            SessionWorkflow.run, workflow_id
        )
        try:
            described = await handle.describe(rpc_timeout=RPC_TIMEOUT)
            if not await described.memo_value("run", False, type_hint=bool):
                raise SessionNotFound("There is no such run.")
            if described.status in _OPEN and not wait_s:
                return None
            # Temporal answers as soon as the workflow ends, and no worker is asked.
            async with asyncio.timeout(wait_s if described.status in _OPEN else None):
                answer = SubAnswer.model_validate(await handle.result())
        except TimeoutError:
            return None
        except WorkflowFailureError:
            ended = ToolError(type=AGENT_FAILED, message="The workflow of the run was ended from outside.")
            return SubAnswer(reason="closed", error=ended, usage=Usage(), cost_usd=None)
        except RPCError as error:
            raise from_rpc(error) from error
        return answer.model_copy(update={"parts": await unfold(self._blobs, answer.parts)})


def told(inputs: Mapping[str, JsonValue]) -> str:
    """What the agent is told of its inputs, where the request has no message: a line for each."""
    lines = [
        f"{name}: {one if isinstance(one, str) else json.dumps(one, ensure_ascii=False)}"
        for name, one in inputs.items()
    ]
    return "\n".join(lines).strip() or _BEGIN


def _run_id(user: str | None, key: str | None) -> str:
    """Of the caller's key, which is each user's own."""
    if key is None:
        return f"{_PREFIX}{uuid.uuid4().hex}"
    whose = "" if user is None else user
    return _PREFIX + hashlib.sha256("\0".join((whose, key)).encode()).hexdigest()[:40]
