"""What a session asks of people and apps: the questions of tool calls, their answers, and what holds without one.

Rule 1: a question is settled once. The first answer counts, whoever comes later does nothing.
Rule 2: whatever becomes of a question, its call gets exactly one result.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, assert_never

from pydantic import JsonValue
from temporalio import workflow

from perdure.workflows.core.approvals import UNKNOWN, declined, denied, expired
from perdure.workflows.core.binding import Allowed, args_sha256, binding
from perdure.workflows.core.plan import Plan, as_run
from perdure.workflows.core.private_changes import (
    CallsPlanned,
    Note,
    QuestionSettled,
)
from perdure.workflows.core.state import SessionState
from perdure.workflows.definition.agent import LoadedAgent
from perdure.workflows.definition.tools import AgentTool, ClientTool, ToolUse
from perdure.workflows.protocol.activities import ToolOutput
from perdure.workflows.protocol.commands import Answer
from perdure.workflows.running.toolbox import Toolbox
from perdure.workflows.vocabulary.elicitation import Reply, answered
from perdure.workflows.vocabulary.parts import BlobRef, By, Question, ToolCall, ToolError


class Questions:
    """`state` gives the session's state; `append` adds an event to it, `note` a note; `tools` takes results; `now` gives
    the session's time."""

    def __init__(
        self,
        state: Callable[[], SessionState],
        append: Callable[..., None],
        note: Callable[[Note], None],
        tools: Toolbox,
        now: Callable[[], datetime] = workflow.now,
    ) -> None:
        self._state = state
        self._append = append
        self._note = note
        self._tools = tools
        self._now = now

    def ask(self, calls: tuple[ToolCall, ...]) -> None:
        """Puts the question of each of these calls."""
        turn = self._state().turn
        assert turn is not None
        for call in calls:
            plan = turn.plans[call.call_id]
            fields = {"call_id": call.call_id, "name": call.name, "args": call.args, "blob": call.blob}
            match plan.asks:
                case "approval":
                    self._ask_approval(call, plan, fields)
                case "input":
                    self._append("tool.started", **fields)
                    at = self._until(_input_time(self._state().loaded, call.name))
                    prompt = call.args.get("prompt")
                    words = prompt if isinstance(prompt, str) else None
                    self._append(
                        "input.requested", question_id=f"{call.call_id}.input", expires_at=at, prompt=words, **fields
                    )
                case "outcome":
                    prompt = (
                        f"The connection to {call.name} was lost while it ran, so nobody knows whether it took effect. "
                        "Find out, and give its result; or decline, and the model is told that it is unknown."
                    )
                    self._append("input.requested", question_id=f"{call.call_id}.outcome", prompt=prompt, **fields)
                case "server":
                    self._ask_for_server(call, plan)
                case None:
                    raise ValueError(f"{call.call_id} has nothing to ask")
                case _:
                    assert_never(plan.asks)

    def answer(self, command: Answer) -> None:
        """The first answer to an open question settles it; any other does nothing."""
        found = self._open(command.question_id)
        if found is None:
            return
        call, plan, question = found
        folded = command.args_blob is not None or call.blob is not None
        changed = command.approved and question.kind == "approval" and (folded or command.args != question.args)
        self._note(
            QuestionSettled(
                question_id=question.question_id,
                answer_id=command.id,
                args=command.args if changed else None,
                args_blob=command.args_blob if changed else None,
                allow=self._allowed(call, question, command),
            )
        )
        if question.kind == "approval":
            self._resolve(call, question, command.approved, command.reason, command.by)
            return
        if plan.asks == "server":
            reply: Reply = "accept" if command.approved else "decline"
            result = command.result if command.approved else None
            self._tell_server(call, plan, reply, result, command.blob, command.by)
        elif command.approved:
            self._append("input.received", question_id=question.question_id, value=command.result, by=command.by)
            self._tools.settle(call, ToolOutput(output=command.result, blob=command.blob, attempt=None))
        else:
            self._tools.settle(call, UNKNOWN if plan.asks == "outcome" else declined(command.reason))

    def expire(self, now: datetime) -> None:
        """Settles the questions whose time is over."""
        for question in self._state().questions:
            found = self._open(question.question_id)
            if found is None or question.expires_at is None or question.expires_at > now:
                continue
            call, plan, _ = found
            self._note(QuestionSettled(question_id=question.question_id))
            if question.kind == "approval":
                use = _use(self._state().loaded, call.name)
                approved = use is not None and use.approval is not None and use.approval.default == "approve"
                self._resolve(call, question, approved, "expired", None)
            elif plan.asks == "server":
                self._tell_server(call, plan, "cancel")
            else:
                self._tools.settle(call, expired("answer"))

    def withdraw(self, calls: tuple[ToolCall, ...]) -> None:
        """Takes back the questions of calls that are being stopped; their results come from whoever stops them."""
        for question in self._state().questions:
            if question.call_id not in {call.call_id for call in calls}:
                continue
            self._note(QuestionSettled(question_id=question.question_id))
            if question.kind == "approval":
                self._append(
                    "approval.resolved",
                    question_id=question.question_id,
                    call_id=question.call_id,
                    approved=False,
                    reason="stopped",
                )

    def _ask_approval(self, call: ToolCall, plan: Plan, fields: dict[str, Any]) -> None:
        agent = self._state().loaded
        use = _use(agent, call.name)
        number = ""
        if plan.changed:
            if agent is None or use is None:
                # The tool is gone; the call's result says so.
                self._note(CallsPlanned(plans={call.call_id: plan.model_copy(update={"do": "run", "asks": None})}))
                return
            # It has been asked about once, as the tool that it was.
            number = "2"
            plan = plan.model_copy(update={"bound": binding(agent, call.name, use)})
            self._note(CallsPlanned(plans={call.call_id: plan}))
            asked = as_run(call, plan)
            fields = {**fields, "args": asked.args, "blob": asked.blob}
        policy = use.approval if use is not None else None
        self._append(
            "approval.requested",
            question_id=f"{call.call_id}.approval{number}",
            expires_at=self._until(policy.expires if policy else None),
            reason=plan.again,
            remember=policy.remember if policy else None,
            bound=plan.bound,
            **fields,
        )

    def _allowed(self, call: ToolCall, question: Question, command: Answer) -> Allowed | None:
        """What an answer allows beyond the call that was asked about."""
        if question.kind != "approval" or not (command.approved and command.remember):
            return None
        match question.remember:
            case "never":
                return None
            case "same_args":
                changed = command.args is not None
                if (command.args_blob if changed else question.blob) is not None:
                    return None
                args = command.args if command.args is not None else question.args or {}
                return Allowed(name=call.name, bound=question.bound, args_sha256=args_sha256(args))
            case None:
                return Allowed(name=call.name, bound=question.bound)
            case _:
                assert_never(question.remember)

    def _ask_for_server(self, call: ToolCall, plan: Plan) -> None:
        server = plan.server
        assert server is not None
        question = server.open
        assert question is not None
        agent = self._state().loaded
        mcp = agent.mcp_tool(call.name) if agent else None
        asked = as_run(call, plan)
        self._append(
            "input.requested",
            question_id=f"{call.call_id}.input{server.asked + 1 if server.asked else ''}",
            call_id=call.call_id,
            name=call.name,
            args=asked.args,
            blob=asked.blob,
            prompt=question.prompt,
            output=question.output,
            expires_at=self._until(mcp[0].expires if mcp else None),
        )

    def _tell_server(
        self,
        call: ToolCall,
        plan: Plan,
        reply: Reply,
        content: JsonValue = None,
        blob: BlobRef | None = None,
        by: By | None = None,
    ) -> None:
        """Lets the call go on with an answer, unless its server wants to know more. A refusal has no value."""
        assert plan.server is not None and plan.question is not None
        self._append("input.received", question_id=plan.question.question_id, value=content, by=by)
        server = answered(plan.server, reply, content, blob)
        goes_on = {"do": "run", "asks": None} if server.open is None else {"do": "ask"}
        plan = plan.model_copy(update={"question": None, "server": server, **goes_on})
        self._note(CallsPlanned(plans={call.call_id: plan}))

    def _resolve(self, call: ToolCall, question: Question, approved: bool, reason: str | None, by: By | None) -> None:
        self._append(
            "approval.resolved",
            question_id=question.question_id,
            call_id=call.call_id,
            approved=approved,
            reason=reason,
            by=by,
        )
        if not approved:
            error: ToolError = expired("approval") if reason == "expired" else denied(reason)
            self._tools.settle(call, error)

    def _open(self, question_id: str) -> tuple[ToolCall, Plan, Question] | None:
        turn = self._state().turn
        for call in turn.calls if turn else ():
            plan = turn.plans.get(call.call_id) if turn else None
            if plan is not None and plan.question is not None and plan.question.question_id == question_id:
                return call, plan, plan.question
        return None

    def _until(self, time: timedelta | None) -> datetime | None:
        return None if time is None else self._now() + time


def _use(agent: LoadedAgent | None, name: str) -> ToolUse | AgentTool | None:
    use = agent.use(name) if agent else None
    return use if isinstance(use, ToolUse | AgentTool) else None


def _input_time(agent: LoadedAgent | None, name: str) -> timedelta | None:
    use = agent.use(name) if agent else None
    return use.expires if isinstance(use, ClientTool) else None
