"""What a handler, and one of its blocks, may use. A turn's limits hold beside them: the lowest counts."""

from datetime import timedelta

from pydantic import Field

from perdure.workflows.definition.limits import MOST_COUNTED, MOST_USD, TurnLimits
from perdure.workflows.definition.tools.options import YEAR
from perdure.workflows.vocabulary.durations import Duration
from perdure.workflows.vocabulary.parts import Frozen, absent


class BlockLimits(Frozen):
    """What a block that asks a model may use, counted from where it began. Nobody is asked at these limits: reaching one is
    an error of the block."""

    cost_usd: float | None = Field(
        default=None,
        ge=0,
        le=MOST_USD,
        strict=True,
        allow_inf_nan=False,
        exclude_if=absent,
        description="Dollars that the block may cost. A call that could cost more is not begun: the error is "
        "`budget_exceeded`.",
    )
    tokens: int | None = Field(
        default=None,
        ge=0,
        le=MOST_COUNTED,
        strict=True,
        exclude_if=absent,
        description="Tokens that the block may use, input and output together. The error is `budget_exceeded`.",
    )


class RespondLimits(BlockLimits):
    """What a `respond` may use, counted from where it began. Nobody is asked at these limits: reaching one is an error of
    the block."""

    steps: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        strict=True,
        exclude_if=absent,
        description="Model calls of the block. The error is `max_steps`.",
    )


class HandlerLimits(Frozen):
    """Limits of turns that carry out the handler. The turn's own limits hold, too: the lower counts."""

    steps: int | None = Field(
        default=None, ge=1, le=1000, strict=True, exclude_if=absent, description="Model calls in one turn."
    )
    cost_usd: float | None = Field(
        default=None,
        ge=0,
        le=MOST_USD,
        strict=True,
        allow_inf_nan=False,
        exclude_if=absent,
        description="Dollars that one turn may cost.",
    )
    tokens: int | None = Field(
        default=None,
        ge=0,
        le=MOST_COUNTED,
        strict=True,
        exclude_if=absent,
        description="Tokens that one turn may use, input and output together.",
    )
    tool_calls: int | None = Field(
        default=None,
        ge=0,
        le=MOST_COUNTED,
        strict=True,
        exclude_if=absent,
        description="Tool calls that one turn may run, those of its sub-agents included.",
    )
    working_time: Duration | None = Field(
        default=None,
        ge=timedelta(seconds=1),
        le=YEAR,
        exclude_if=absent,
        description="How long models and tools may work in one turn, as in `5m`.",
    )

    def below(self, turn: TurnLimits) -> frozenset[str]:
        """The names of those that are lower than the turn's."""
        return frozenset(name for name in HandlerLimits.model_fields if _is_lower(self, turn, name))

    def narrowing(self, turn: TurnLimits) -> TurnLimits:
        """`turn` with the lower of both."""
        return turn.model_copy(update={name: getattr(self, name) for name in self.below(turn)})


def _is_lower(limits: HandlerLimits, turn: TurnLimits, name: str) -> bool:
    own, top = getattr(limits, name), getattr(turn, name)
    return own is not None and (top is None or own < top)
