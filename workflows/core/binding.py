"""What an approval is bound to: the tool as its model and a person saw it, and the definition's policy for it. Pure.

Rule: an approval counts for exactly that. Where the tool describes itself otherwise, or the definition has another policy
for it, a person is asked again.
"""

import hashlib
import json
import operator
from typing import Any, Final

from pydantic import Field, JsonValue

from perdure.workflows.definition.agent import LoadedAgent
from perdure.workflows.definition.tools import AgentTool, ToolUse
from perdure.workflows.vocabulary.parts import Binding, Frozen, ToolCall, ToolSpec, absent

#: Of a tool's options, those that decide whether somebody has to be asked, and what may come of a call.
_POLICY: Final = {"kind", "approval", "side_effects", "on_unknown", "fallback", "task_queue", "handoff", "share"}


class Allowed(Frozen):
    """Calls that a person allowed for the rest of the session."""

    name: str
    #: None: allowed in a run of an earlier version.
    bound: Binding | None = None
    #: Of the arguments with which alone they are; None: with any.
    args_sha256: str | None = Field(default=None, exclude_if=absent)
    #: The tool is another one now, so they are no longer allowed, and whoever is asked is told why.
    lapsed: bool = Field(default=False, exclude_if=operator.not_)


def read_allowed(value: Any) -> Any:
    """Earlier versions wrote a tool's name alone."""
    return {"name": value} if isinstance(value, str) else value


def spec_sha256(spec: ToolSpec) -> str:
    """Of all that a tool says of itself."""
    return _sha256([spec.name, spec.description, spec.input, spec.output])


def args_sha256(args: dict[str, JsonValue]) -> str:
    return _sha256(args)


def binding(agent: LoadedAgent, name: str, use: ToolUse | AgentTool) -> Binding:
    """What an approval of the agent's tool `name` is bound to."""
    spec = agent.spec(name)
    mcp = agent.mcp_tool(name)
    policy = use.model_dump(mode="json", include=_POLICY)
    address = None if mcp is None else [mcp[0].address.model_dump(mode="json"), mcp[1]]
    # Whoever allowed a call of another agent allowed it to the one that this was then.
    other = agent.agents.get(use.name) if isinstance(use, AgentTool) else None
    of = [policy, address] if other is None else [policy, address, other]
    return Binding(spec="" if spec is None else spec_sha256(spec), policy=_sha256(of))


def still_allowed(allowed: tuple[Allowed, ...], agent: LoadedAgent) -> tuple[Allowed, ...]:
    """What remains of it under this definition, with these tools."""
    kept: list[Allowed] = []
    for one in allowed:
        use = agent.use(one.name)
        if one.bound is None or not isinstance(use, ToolUse | AgentTool):
            continue
        bound = binding(agent, one.name, use)
        if bound.policy == one.bound.policy:
            kept.append(one if bound == one.bound else one.model_copy(update={"lapsed": True}))
    return tuple(kept)


def is_allowed(allowed: tuple[Allowed, ...], call: ToolCall, bound: Binding, *, validated: bool) -> bool:
    """Whether a person allowed such a call. `validated`: its arguments are what the tool will find."""
    digest = args_sha256(call.args) if validated and call.blob is None else ""
    return any(
        one.name == call.name and one.bound == bound and not one.lapsed and one.args_sha256 in (None, digest)
        for one in allowed
    )


def has_changed(allowed: tuple[Allowed, ...], name: str, bound: Binding) -> bool:
    """Whether a tool that a person allowed is another one now."""
    return any(one.name == name and one.bound is not None and one.bound.spec != bound.spec for one in allowed)


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
