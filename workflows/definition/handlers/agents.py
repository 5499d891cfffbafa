"""The block that runs another agent: `run_agent`."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue

from perdure.workflows.definition.handlers.compensation import Compensation
from perdure.workflows.definition.handlers.plain import CallTool
from perdure.workflows.definition.tools.agent import AgentTool
from perdure.workflows.definition.tools.options import Name
from perdure.workflows.vocabulary.near_names import did_you_mean
from perdure.workflows.vocabulary.parts import Frozen, absent


def _no_message(inputs: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if "message" in inputs:
        raise ValueError("no agent has an input named message; what the agent is told is the block's own `message`")
    return inputs


class RunAgent(Frozen):
    """Another agent answers, in a session of its own below this one. Its answer goes to a variable, and not into the
    conversation: `text` is what it says, `result` the checked value of an agent with `answer`."""

    kind: Literal["run_agent"] = "run_agent"
    agent: Name = Field(description="The agent, one of `tools` (`agent: {name: ...}`); that entry says its share.")
    message: str = Field(min_length=1, description="What the agent is told: a Jinja2 template.")
    inputs: Annotated[dict[Name, JsonValue], AfterValidator(_no_message)] = Field(
        default={},
        description="The agent's inputs by name. Each text in them is a Jinja2 template; one that is exactly one `{{ }}` "
        "keeps the type of its value.",
    )
    into: Name | None = Field(default=None, exclude_if=absent, description="The variable that the answer goes to.")
    display: Literal["hidden", "name"] = Field(
        default="hidden",
        description="What viewers are shown of the agent at work: nothing (`hidden`), or as much as of any other call "
        "(`name`). Default: hidden.",
    )
    compensate: Compensation | None = Field(
        default=None,
        exclude_if=absent,
        description="What takes back what the agent has done, if a block `compensate` comes to be carried out after it "
        "has succeeded.",
    )

    def as_call(self) -> CallTool:
        """The call of the agent's tool."""
        return CallTool(
            tool=self.agent,
            arguments={"message": self.message, **self.inputs},
            into=self.into,
            display=self.display,
            compensate=self.compensate,
        )


def agent_fault(agent: str, entries: Iterable[AgentTool], tools: Iterable[str]) -> str | None:
    """Why `run_agent` cannot run this agent; None: it can. `entries` are the agents among `tools`, which are names."""
    handoffs = {entry.name: entry.handoff for entry in entries}
    if agent in handoffs:
        return f"{agent!r} takes the conversation over (`handoff: true`); use `call`" if handoffs[agent] else None
    if agent in tools:
        return f"{agent!r} is a tool and no agent; use `call`"
    there = [name for name, is_handoff in handoffs.items() if not is_handoff]
    near = did_you_mean(agent, there) or f"; there are: {', '.join(there) or 'none'}"
    return f"{agent!r} is not one of the agents among tools{near}"
