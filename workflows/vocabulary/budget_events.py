"""Events of a turn that comes to a limit, and of what is decided then."""

from typing import Literal

from pydantic import Field

from perdure.workflows.vocabulary.event_base import EventBase
from perdure.workflows.vocabulary.parts import absent
from perdure.workflows.vocabulary.questions import Answerer, Question, Scope, Shortfall


class BudgetPaused(EventBase):
    """The next step does not fit below a cap. The turn waits as long as it takes, and then continues at that step."""

    type: Literal["budget.paused"] = "budget.paused"
    question_id: str
    scope: Scope
    #: The limit: `cost_usd`, `tokens`, `tool_calls` or `working_time` (in seconds); of a user's or tenant's purse with its
    #: period, as in `day.cost_usd`; `provider` for the provider's own quota.
    limit: str
    #: In the unit of the limit; null for `provider`.
    cap: float | None = None
    #: Spent so far, in the unit of the limit.
    spent: float = 0
    #: What the next step takes at worst, in the unit of the limit.
    needs: float = 0
    #: Dollars spent so far; null where a price is unknown.
    spent_usd: float | None = None
    #: Dollars that the next step costs at worst; null where that is not what is missing.
    needs_usd: float | None = None
    prompt: str
    #: The provider's own words.
    words: str | None = Field(default=None, exclude_if=absent)
    #: Of a turn: the handler whose own limit it is. A cap that is set in its place holds for this turn.
    handler: str | None = Field(default=None, exclude_if=absent)

    @property
    def short(self) -> Shortfall:
        """What does not fit."""
        return Shortfall(
            scope=self.scope,
            limit=self.limit,
            cap=self.cap,
            spent=self.spent,
            needs=self.needs,
            spent_usd=self.spent_usd,
            needs_usd=self.needs_usd,
            words=self.words,
            handler=self.handler,
        )

    @property
    def question(self) -> Question:
        """What is asked."""
        return Question(
            question_id=self.question_id, kind="budget", subject="budget", prompt=self.prompt, budget=self.short
        )


class BudgetRaised(EventBase):
    """More may be spent than before."""

    type: Literal["budget.raised"] = "budget.raised"
    #: The question that this answers.
    question_id: str | None = Field(default=None, exclude_if=absent)
    scope: Scope
    limit: str
    #: How much may be spent now, in the unit of the limit; null: there is no cap any more, or the limit has no number.
    value: float | None = None
    #: This turn alone may spend so much; the cap stays.
    this_turn: bool = Field(default=False, exclude_if=lambda value: not value)
    #: Who decided.
    by: Answerer | None = Field(default=None, exclude_if=absent)
