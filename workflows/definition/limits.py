"""How much a turn and a session may do and cost, and what all sessions of a user or a tenant may spend together."""

from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from perdure.workflows.definition.tools.options import YEAR
from perdure.workflows.vocabulary.durations import Duration
from perdure.workflows.vocabulary.parts import Frozen, absent

#: How often the same call may have the same result in one turn.
REPEATS: Final = 4
#: Far above any real cap, and small enough to count with. Purses count dollars in billionths.
MOST_USD: Final = 1_000_000_000_000
MOST_COUNTED: Final = 1_000_000_000_000_000


class Caps(Frozen):
    """The most that may be spent. What is absent has no cap."""

    cost_usd: float | None = Field(
        default=None, ge=0, le=MOST_USD, strict=True, allow_inf_nan=False, description="Dollars at most."
    )
    tokens: int | None = Field(
        default=None,
        ge=0,
        le=MOST_COUNTED,
        strict=True,
        exclude_if=absent,
        description="Tokens at most, input and output together.",
    )
    tool_calls: int | None = Field(
        default=None, ge=0, le=MOST_COUNTED, strict=True, exclude_if=absent, description="Tool calls that run at most."
    )

    @property
    def caps_spending(self) -> bool:
        return self.cost_usd is not None or self.tokens is not None or self.tool_calls is not None


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
        default=None,
        ge=0,
        strict=True,
        allow_inf_nan=False,
        description="Dollars that one turn may cost. Without it, there is no cap.",
    )
    tokens: int | None = Field(
        default=None,
        ge=0,
        le=MOST_COUNTED,
        strict=True,
        exclude_if=absent,
        description="Tokens that one turn may use, input and output together. Without it, there is no cap.",
    )
    tool_calls: int | None = Field(
        default=None,
        ge=0,
        le=MOST_COUNTED,
        strict=True,
        exclude_if=absent,
        description="Tool calls that one turn may run, those of its sub-agents included. Without it, there is no cap.",
    )
    working_time: Duration | None = Field(
        default=None,
        ge=timedelta(seconds=1),
        le=YEAR,
        exclude_if=absent,
        description="How long models and tools may work in one turn, as in `5m`. The time in which the turn waits for people "
        "does not count. A model or tool that still works then is ended, and what the model has said stays. Without it, "
        "there is no cap.",
    )
    repeats: int = Field(
        default=REPEATS,
        ge=1,
        le=1000,
        strict=True,
        exclude_if=lambda value: value == REPEATS,
        description="How often the same tool call may have the same result in one turn. The next such call does not run, and "
        f"if the model insists, the turn fails. Default: {REPEATS}.",
    )


class SessionLimits(Frozen):
    """Limits of a session as a whole."""

    cost_usd: float | None = Field(
        default=None,
        ge=0,
        strict=True,
        allow_inf_nan=False,
        description="Dollars that a session may cost in all, its sub-agents included. Without it, there is no cap.",
    )
    tokens: int | None = Field(
        default=None,
        ge=0,
        le=MOST_COUNTED,
        strict=True,
        exclude_if=absent,
        description="Tokens that a session may use in all, input and output together. Without it, there is no cap.",
    )
    tool_calls: int | None = Field(
        default=None,
        ge=0,
        le=MOST_COUNTED,
        strict=True,
        exclude_if=absent,
        description="Tool calls that a session may run in all. Without it, there is no cap.",
    )
    parallel_calls: int = Field(
        default=32,
        ge=1,
        le=1000,
        strict=True,
        description="Tool calls that run at the same time in one session; the others wait their turn. Default: 32.",
    )


class PurseLimits(Frozen):
    """What all sessions of a user, or of a tenant, may spend together."""

    day: Caps | None = Field(default=None, exclude_if=absent, description="In one day, by UTC.")
    month: Caps | None = Field(default=None, exclude_if=absent, description="In one calendar month, by UTC.")
    total: Caps | None = Field(default=None, exclude_if=absent, description="In all.")

    @property
    def caps_spending(self) -> bool:
        return any(caps is not None and caps.caps_spending for caps in (self.day, self.month, self.total))


class Cheaper(Frozen):
    """At a limit, the turn goes on with another model."""

    cheaper: str = Field(
        max_length=64,
        description="The role that takes over, one of `models`. If even its call does not fit, a person is asked.",
    )


def _on_limit(value: Any) -> Any:
    if value in ("ask", "stop") or isinstance(value, Cheaper):
        return value
    if isinstance(value, dict) and list(value) == ["cheaper"]:
        return value
    raise ValueError("is ask, stop or {cheaper: ROLE}")


OnLimit = Annotated[Literal["ask", "stop"] | Cheaper, BeforeValidator(_on_limit)]


def _says_nothing(purse: object) -> bool:
    return purse == PurseLimits()


class Limits(Frozen):
    """How much a turn and a session may do and cost."""

    turn: TurnLimits = Field(default=TurnLimits(), description="Limits of one turn.")
    session: SessionLimits = Field(default=SessionLimits(), description="Limits of the session as a whole.")
    user: PurseLimits = Field(
        default=PurseLimits(), exclude_if=_says_nothing, description="What all sessions of one user may spend together."
    )
    tenant: PurseLimits = Field(
        default=PurseLimits(),
        exclude_if=_says_nothing,
        description="What all sessions of the tenant may spend together.",
    )
    on_limit: OnLimit = Field(
        default="ask",
        exclude_if=lambda value: value == "ask",
        description="What happens when the next step could exceed a limit. `ask`: the turn waits until a person allows it, "
        "raises the limit or declines. `stop`: the turn ends. `{cheaper: ROLE}`: the model of that role takes over. "
        "Default: ask.",
    )

    @property
    def cap_costs(self) -> bool:
        """Whether any cap is in dollars, so that an unknown price is an error."""
        purses = (caps for purse in (self.user, self.tenant) for caps in (purse.day, purse.month, purse.total))
        return any(caps is not None and caps.cost_usd is not None for caps in (self.turn, self.session, *purses))
