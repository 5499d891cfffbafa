"""What an approval is bound to: the tool as its model and a person saw it, and the definition's policy for it. Pure.

Rule: an approval counts for exactly that. Where the tool describes itself otherwise, or the definition has another policy
for it, a person is asked again.
"""

import hashlib
import json
import operator
from datetime import datetime
from typing import Any

from pydantic import Field, JsonValue

from perdure.workflows.definition.agent import LoadedAgent
from perdure.workflows.definition.tools.policy import Policy
from perdure.workflows.vocabulary.parts import Frozen, ToolCall, ToolSpec, absent
from perdure.workflows.vocabulary.questions import Binding


class Allowed(Frozen):
    """Calls that a person allowed for the rest of the session."""

    name: str
    bound: Binding
    #: Of the arguments with which alone they are; None: with any.
    args_sha256: str | None = Field(default=None, exclude_if=absent)
    #: The tool is another one now, so they are no longer allowed, and whoever is asked is told why.
    lapsed: bool = Field(default=False, exclude_if=operator.not_)
    #: When; None: an older version did not say. A rewind to before it forgets it.
    at: datetime | None = Field(default=None, exclude_if=absent)


def spec_sha256(spec: ToolSpec) -> str:
    """Of all that a tool says of itself."""
    return _sha256([spec.name, spec.description, spec.input, spec.output])


def args_sha256(args: dict[str, JsonValue]) -> str:
    return _sha256(args)


def binding(agent: LoadedAgent, policy: Policy) -> Binding:
    """What an approval of this tool of the agent is bound to."""
    spec = agent.spec(policy.name)
    # Whoever allowed a call of another agent allowed it to the one that this was then.
    of = [policy.binds, agent.agents.get(policy.name)]
    return Binding(spec="" if spec is None else spec_sha256(spec), policy=_sha256(of))


def still_allowed(allowed: tuple[Allowed, ...], agent: LoadedAgent) -> tuple[Allowed, ...]:
    """What remains of it under this definition, with these tools."""
    kept: list[Allowed] = []
    for one in allowed:
        policy = agent.policy(one.name)
        if policy is None or policy.binds is None:
            continue
        bound = binding(agent, policy)
        if bound.policy == one.bound.policy:
            lapsed = one.lapsed or bound != one.bound
            kept.append(one.model_copy(update={"lapsed": lapsed}))
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
    return any(one.name == name and one.bound.spec != bound.spec for one in allowed)


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
