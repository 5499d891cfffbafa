"""Running tool calls: in parallel, each with exactly one result, whatever happens to it.

Rule 1: a failure is data. Nothing here raises; what a tool raised, or why it never ran, becomes its result.
Rule 2: a call that was given up has its result, and what comes of its activity later is dropped.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from pydantic import JsonValue
from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError, FailureError

from perdure.workflows.core.approvals import STOPPED, UNKNOWN
from perdure.workflows.core.plan import Plan, changed_args
from perdure.workflows.core.private_changes import (
    CallsPlanned,
    Note,
    ToolsChanged,
    TurnBroken,
)
from perdure.workflows.core.state import SessionState
from perdure.workflows.core.tool_failures import as_data, is_final
from perdure.workflows.definition.agent import LoadedAgent
from perdure.workflows.definition.tools import AgentTool, McpServer, ToolUse
from perdure.workflows.protocol.activities import (
    TAKE_RESULT,
    CallMcpToolInput,
    CallOptions,
    TakeResultInput,
    ToolOutput,
    call_mcp_tool,
    take_result,
    tool_config,
)
from perdure.workflows.running.sub_agents import Errand, SubAgents
from perdure.workflows.vocabulary.elicitation import MOST_ROUNDS, ServerAsks, ServerInput, after
from perdure.workflows.vocabulary.errors import (
    INVALID_ARGUMENTS,
    INVALID_RESULT,
    OUTCOME_UNKNOWN,
    TOO_MANY_QUESTIONS,
    TOOL_CHANGED,
    TOOL_FAILED,
    UNKNOWN_TOOL,
)
from perdure.workflows.vocabulary.parts import INLINE_LIMIT, ToolCall, ToolError, ToolResult, preview

#: Key of the one argument of a call whose arguments are folded: the blob that holds the whole part.
FOLDED_ARGS = "$perdure_blob"
#: Key beside the arguments of a call that a person may be asked about: `spec_sha256` of the tool that it is.
ALLOWED_SPEC = "$perdure_spec"
_TOO_MANY: Final = ToolError(
    type=TOO_MANY_QUESTIONS, message="The server of this call asked again and again, so that the call was given up."
)
#: How long a cancelled tool has for its last word.
LAST_WORD: Final = timedelta(seconds=5)


class Toolbox:
    """`state` gives the session's state; `append` adds an event to it, `note` a note; `agents` calls other agents."""

    def __init__(
        self,
        state: Callable[[], SessionState],
        append: Callable[..., None],
        note: Callable[[Note], None],
        agents: SubAgents,
    ) -> None:
        self._state = state
        self._append = append
        self._note = note
        self._agents = agents
        #: By call id.
        self._open: dict[str, _Open] = {}

    @property
    def idle(self) -> bool:
        """No call's activity is open, but for those that were given up."""
        return not self._open

    def start(self, calls: tuple[ToolCall, ...]) -> None:
        """Starts these calls, as they are."""
        plans = self._plans()
        for call in calls:
            plan = plans[call.call_id]
            if plan.started:
                # Its server has been answered.
                self._note(CallsPlanned(plans={call.call_id: plan.model_copy(update={"do": "running"})}))
            else:
                session = None if plan.refused else self._agents.session_of(call)
                self._append("tool.started", **_told(call), session_id=session)
        for call in calls:
            opened = _Open(call, workflow.time())
            self._open[call.call_id] = opened
            opened.task = asyncio.create_task(self._run(opened, plans[call.call_id]))

    def abandon(self, calls: tuple[ToolCall, ...]) -> None:
        """Gives calls that do not run a result that says that they were stopped."""
        for call in calls:
            plan = self._plans().get(call.call_id)
            # Nobody has said yet what became of it, and now nobody will.
            self.settle(call, UNKNOWN if plan is not None and plan.asks == "outcome" else STOPPED)

    def carry_out(self, call: ToolCall, do: Callable[[ToolCall], ToolOutput | ToolError]) -> None:
        """Runs a call in the session itself."""
        self._append("tool.started", **_told(call))
        self._finish(call, do(call), 0.0)

    def settle(self, call: ToolCall, outcome: ToolOutput | ToolError) -> None:
        """Gives a call that does not run its result."""
        plan = self._plans().get(call.call_id)
        if plan is None or not plan.started:
            self._append("tool.started", **_told(call))
        self._finish(call, outcome, 0.0)

    async def cancel(self) -> None:
        """Ends what runs; returns when each call has its result."""
        last_word = LAST_WORD
        for opened in self._open.values():
            opened.errand.stopping = True
            if opened.handle is not None:
                opened.handle.cancel()
            if opened.errand.usage is not None:
                last_word = self._agents.last_word
        try:
            await workflow.wait_condition(lambda: not self._open, timeout=last_word)
        except TimeoutError:
            pass
        for opened in list(self._open.values()):
            use = self._use(opened.call.name)
            once = use is not None and use.side_effects == "once"
            self._close(opened, UNKNOWN if once else STOPPED)

    async def _run(self, opened: "_Open", plan: Plan) -> None:
        call = opened.call
        agent = self._state().loaded
        outcome: ToolOutput | ToolError | None = plan.refused or _refused(call, agent)
        other = agent.use(call.name) if agent else None
        if outcome is None and isinstance(other, AgentTool):
            outcome = await self._agents.carry_out(call, other, opened.errand)
        elif outcome is None:
            use = self._use(call.name)
            assert use is not None
            spec = plan.bound.spec if plan.bound is not None else None
            ran = await self._execute(opened, use, _activity_id(call, plan), plan.server, spec)
            if isinstance(ran, ServerAsks):
                if self._goes_on(opened) and self._ask_for_server(call, ran):
                    self._open.pop(call.call_id, None)
                    return
                ran = _TOO_MANY if self._goes_on(opened) else STOPPED
            outcome = ran
            failed = outcome if isinstance(outcome, ToolError) else outcome.error
            if failed is not None and self._goes_on(opened):
                if use.fallback is not None and not is_final(failed, use):
                    outcome = await self._fall_back(opened, use.fallback, failed)
                elif self._asks_about(call, use, failed):
                    self._open.pop(call.call_id, None)
                    return
        self._close(opened, outcome)

    async def _execute(
        self,
        opened: "_Open",
        use: ToolUse,
        activity_id: str,
        so_far: ServerInput | None = None,
        spec: str | None = None,
    ) -> ToolOutput | ServerAsks | ToolError:
        """`spec`: the tool runs only as long as this is the sha256 of what it says of itself."""
        call = opened.call
        args: dict[str, JsonValue] = {FOLDED_ARGS: call.blob.model_dump()} if call.blob else call.args
        agent = self._state().loaded
        mcp = agent.mcp_tool(use.name) if agent else None
        # The activity's type does not tell the tool of an MCP server.
        config = tool_config(activity_id, _summary(call, use.name if mcp else None), use)
        try:
            if use.task_queue is not None:
                if call.blob is not None:
                    message = (
                        f"The arguments are too long for {call.name}: at most {INLINE_LIMIT} bytes of JSON may be."
                    )
                    return ToolError(type=INVALID_ARGUMENTS, message=message)
                # Undecoded: what is no JSON would fail the session's own task, again and again.
                opened.handle = workflow.start_activity(use.name, args, result_type=RawValue, **config)
                return await self._take(call, use, await opened.handle)
            if agent is not None and mcp is not None:
                request = _mcp_call(use, agent, *mcp, args, so_far, spec)
                opened.handle = workflow.start_activity(call_mcp_tool, request, **config)
            else:
                given = args if spec is None else {**args, ALLOWED_SPEC: spec}
                how = [CallOptions(process=True)] if use.process else []
                opened.handle = workflow.start_activity(use.name, args=[given, *how], result_type=ToolOutput, **config)
            output: ToolOutput | ServerAsks = await opened.handle
            return output
        except ActivityError as failure:
            return as_data(failure, use)

    async def _take(self, call: ToolCall, use: ToolUse, raw: RawValue | None) -> ToolOutput | ToolError:
        """The result of another's worker, checked and, if it is big, put away."""
        try:
            # None: its function returns nothing.
            output = None if raw is None else workflow.payload_converter().from_payload(raw.payload)
            request = TakeResultInput(call_id=call.call_id, name=call.name, output=output, result_schema=use.output)
        except Exception:
            # A converter fails in whatever way it likes.
            return ToolError(type=INVALID_RESULT, message=f"{call.name} ran, but what it returned is no JSON.")
        try:
            taken: ToolOutput = await workflow.execute_local_activity(take_result, request, **TAKE_RESULT)
        except FailureError as failure:
            cause = failure.cause if isinstance(failure, ActivityError) else failure
            if isinstance(cause, ApplicationError):
                return ToolError(type=cause.type or TOOL_FAILED, message=preview(cause.message))
            return ToolError(type=TOOL_FAILED, message=str(cause))
        return taken

    async def _fall_back(self, opened: "_Open", name: str, failed: ToolError) -> ToolOutput | ToolError:
        use = self._use(name)
        if use is None:
            return failed
        outcome = await self._execute(opened, use, f"{opened.call.call_id}.fallback")
        if isinstance(outcome, ServerAsks):
            return failed
        failed_too = outcome if isinstance(outcome, ToolError) else outcome.error
        if failed_too is None:
            return outcome
        message = f"{failed.message} The fallback {name} failed, too: {failed_too.message}"
        return failed.model_copy(update={"message": preview(message)})

    def _goes_on(self, opened: "_Open") -> bool:
        """Whether the call still counts: it was not given up, and its turn is not being ended."""
        turn = self._state().turn
        return opened.call.call_id in self._open and turn is not None and not turn.stopping and turn.error is None

    def _asks_about(self, call: ToolCall, use: ToolUse, failed: ToolError) -> bool:
        """Whether a person is asked about a call that failed in this way; then that is under way."""
        match failed.type:
            case kind if kind == OUTCOME_UNKNOWN:
                return self._ask_what_became(call, use)
            case kind if kind == TOOL_CHANGED and self._plans()[call.call_id].bound is not None:
                return self._ask_again(call)
            case _:
                return False

    def _ask_what_became(self, call: ToolCall, use: ToolUse) -> bool:
        """Whether the definition lets somebody else say what became of a call; then that is under way."""
        turn = self._state().turn
        assert turn is not None
        if use.on_unknown == "stop":
            self._note(TurnBroken(error=UNKNOWN))
        if use.on_unknown != "ask":
            return False
        plan = turn.plans[call.call_id].model_copy(update={"do": "ask", "asks": "outcome"})
        self._note(CallsPlanned(plans={call.call_id: plan}))
        return True

    def _ask_again(self, call: ToolCall) -> bool:
        """Whether a person is asked about a call once more, whose tool is another one than was allowed; then that is
        under way. The tools are looked up anew in any case."""
        self._note(ToolsChanged())
        plan = self._plans()[call.call_id]
        if plan.changed:
            return False
        plan = plan.model_copy(update={"do": "ask", "asks": "approval", "again": "tool_changed", "changed": True})
        self._note(CallsPlanned(plans={call.call_id: plan}))
        return True

    def _ask_for_server(self, call: ToolCall, asks: ServerAsks) -> bool:
        """Whether a person is asked what the call's server wants to know; then that is under way."""
        turn = self._state().turn
        assert turn is not None
        plan = turn.plans[call.call_id]
        server = after(plan.server, asks)
        if server.rounds > MOST_ROUNDS or server.open is None:
            return False
        plan = plan.model_copy(update={"do": "ask", "asks": "server", "server": server})
        self._note(CallsPlanned(plans={call.call_id: plan}))
        return True

    def _close(self, opened: "_Open", outcome: ToolOutput | ToolError) -> None:
        if self._open.pop(opened.call.call_id, None) is not None:
            self._finish(opened.call, outcome, (workflow.time() - opened.started) * 1000, opened.errand)

    def _finish(
        self, call: ToolCall, outcome: ToolOutput | ToolError, milliseconds: float, errand: Errand | None = None
    ) -> None:
        failed = isinstance(outcome, ToolError) or outcome.is_error
        plan = self._plans().get(call.call_id)
        result = ToolResult(
            call_id=call.call_id,
            name=call.name,
            output=outcome.model_dump() if isinstance(outcome, ToolError) else outcome.output,
            is_error=failed,
            blob=None if isinstance(outcome, ToolError) else outcome.blob,
            changed_args=changed_args(plan) if plan is not None else None,
        )
        self._append(
            "tool.finished",
            call_id=call.call_id,
            name=call.name,
            result=result,
            attempts=None if isinstance(outcome, ToolError) else outcome.attempt,
            duration_ms=round(milliseconds, 3),
            usage=errand.usage if errand else None,
            cost_usd=errand.cost_usd if errand else None,
            blocked=None if isinstance(outcome, ToolError) else outcome.blocked,
        )

    def _use(self, name: str) -> ToolUse | None:
        agent = self._state().loaded
        use = agent.use(name) if agent else None
        return use if isinstance(use, ToolUse) else None

    def _plans(self) -> dict[str, Plan]:
        turn = self._state().turn
        return turn.plans if turn else {}


class _Open:
    """A call that runs."""

    def __init__(self, call: ToolCall, started: float) -> None:
        self.call = call
        self.started = started
        self.handle: workflow.ActivityHandle[Any] | None = None
        self.errand = Errand()
        #: Held here, for nobody else does.
        self.task: asyncio.Task[None] | None = None


def _told(call: ToolCall) -> dict[str, Any]:
    """What `tool.started` says of a call."""
    return {"call_id": call.call_id, "name": call.name, "args": call.args, "blob": call.blob}


def _refused(call: ToolCall, agent: LoadedAgent | None) -> ToolError | None:
    """Why a call is not even tried."""
    if agent is None or agent.use(call.name) is None:
        known = ", ".join(tool.name for tool in agent.tools) if agent else ""
        return ToolError(type=UNKNOWN_TOOL, message=f"There is no tool {call.name!r}. Tools: {known or 'none'}.")
    if call.args_raw is not None and not call.args_raw.strip():
        missing = f"{call.name} was not called, because its arguments are missing. Write a JSON object, {{}} for none."
        return ToolError(type=INVALID_ARGUMENTS, message=missing)
    if call.args_raw is not None:
        return ToolError(type=INVALID_ARGUMENTS, message=f"The arguments are not a JSON object: {call.args_raw[:200]}")
    return None


def _activity_id(call: ToolCall, plan: Plan) -> str:
    """The call's own id; with a number where it goes on: its server was answered, or it was asked about again."""
    if plan.server is not None:
        return f"{call.call_id}.again{plan.server.rounds}"
    return f"{call.call_id}.again0" if plan.changed else call.call_id


def _mcp_call(
    use: ToolUse,
    agent: LoadedAgent,
    server: McpServer,
    tool: str,
    args: dict[str, JsonValue],
    so_far: ServerInput | None,
    spec: str | None,
) -> CallMcpToolInput:
    return CallMcpToolInput(
        digest=agent.digest,
        index=agent.mcp[use.name].server,
        label=server.label,
        name=use.name,
        tool=tool,
        args=args,
        once=use.side_effects == "once",
        so_far=so_far,
        spec_sha256=spec,
    )


def _summary(call: ToolCall, tool: str | None = None) -> str:
    text = ", ".join(f"{name}={value!r}" for name, value in call.args.items())
    text = f"{tool}: {text}" if tool else text
    return text if len(text) <= 120 else f"{text[:119]}…"
