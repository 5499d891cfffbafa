"""How much a turn and a session may do and cost, and how much of a conversation a model is shown."""

import operator

from pydantic import Field

from perdure.workflows.vocabulary.parts import Frozen


class TurnLimits(Frozen):
    """Limits of one turn: from a message until the agent rests."""

    steps: int = Field(
        default=25,
        ge=1,
        le=1000,
        strict=True,
        description="Model calls in one turn; the turn ends after the last. Default: 25.",
    )
    calls_per_step: int = Field(
        default=64,
        ge=1,
        le=1000,
        strict=True,
        description="Tool calls that one model call may ask for; any more get an error as their result. Default: 64.",
    )
    cost_usd: float | None = Field(
        default=None, ge=0, strict=True, description="Dollars that one turn may cost. Without it, there is no cap."
    )


class SessionLimits(Frozen):
    """Limits of a session as a whole."""

    cost_usd: float | None = Field(
        default=None,
        ge=0,
        strict=True,
        description="Dollars that a session may cost in all, its sub-agents included. Without it, there is no cap.",
    )
    parallel_calls: int = Field(
        default=32,
        ge=1,
        le=1000,
        strict=True,
        description="Tool calls that run at the same time in one session; the others wait their turn. Default: 32.",
    )


class Limits(Frozen):
    """How much a turn and a session may do and cost."""

    turn: TurnLimits = Field(default=TurnLimits(), description="Limits of one turn.")
    session: SessionLimits = Field(default=SessionLimits(), description="Limits of the session as a whole.")

    @property
    def cap_costs(self) -> bool:
        return self.turn.cost_usd is not None or self.session.cost_usd is not None


#: Of a tool result that a model is shown where the definition says nothing else.
TOOL_OUTPUT_TOKENS = 16_000


class ContextPolicy(Frozen):
    """What a model is shown of a conversation."""

    tool_output_tokens: int = Field(
        default=TOOL_OUTPUT_TOKENS,
        ge=100,
        le=1_000_000,
        strict=True,
        description="About how many tokens of one tool result the model is shown, head and tail; people and the trace see "
        f"the whole. Default: {TOOL_OUTPUT_TOKENS}.",
    )
    date: bool = Field(
        default=True,
        exclude_if=operator.truth,
        description="Whether the model is told the date: on which day the session began, at the end of the instructions, "
        "and each later day before its first message. Where the instructions name `turn.date` themselves, they alone tell "
        "it. Default: true.",
    )
