"""A tool that is another agent."""

from datetime import timedelta
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from perdure.workflows.definition.tools.options import APPROVAL, BINDS, YEAR, Approvals, Name, keyed
from perdure.workflows.definition.tools.policy import Policy
from perdure.workflows.vocabulary.durations import Duration
from perdure.workflows.vocabulary.parts import Frozen


class AgentTool(Frozen):
    """A tool that is another agent: it answers as a session of its own, or takes this session over."""

    kind: Literal["agent"] = Field(default="agent", description="What kind of entry this is.")
    name: Name = Field(description="The other agent's name; the model calls the tool by it, too.")
    description: str | None = Field(
        default=None, description="What the model is told. Without it, the description of the other agent."
    )
    share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="The part of what the turn and the session may still cost that one call may spend: above 0, up to 1. It "
        "counts only under a cap on cost. Default: 0.5.",
    )
    handoff: bool = Field(
        default=False,
        description="Whether the other agent takes the conversation over, instead of answering as a tool. Default: false.",
    )
    timeout: Duration | None = Field(
        default=None,
        ge=timedelta(seconds=1),
        le=YEAR,
        description="How long the answer may take, the time that it waits for people included. Without it, for ever.",
    )
    approval: Approvals = Field(default=None, description=APPROVAL)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for field in ("share", "timeout"):
            if self.handoff and getattr(self, field) != type(self).model_fields[field].default:
                raise ValueError(f"{field}: does not count with handoff: true, where no other session runs")
        return self

    def policy(self) -> Policy:
        return Policy(
            name=self.name,
            runner="handoff" if self.handoff else "child",
            checked_by="schema",
            approval=self.approval,
            timeout=self.timeout,
            share=self.share,
            binds=self.model_dump(mode="json", include=BINDS),
        )


def read(value: Any) -> dict[str, Any] | None:
    """An entry of `tools:` with its kind named; None: it is of another kind."""
    return keyed(value, "agent", "name, description, share, handoff, timeout, approval")
