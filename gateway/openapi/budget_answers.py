"""What the routes of budgets answer."""

from datetime import datetime
from typing import Literal

from perdure.workflows.vocabulary.parts import Frozen
from perdure.workflows.vocabulary.questions import By


class Amounts(Frozen):
    #: Dollars of model calls.
    cost_usd: float
    #: Of model calls, input and output together.
    tokens: int
    #: Tool calls that ran.
    tool_calls: int


class PeriodCaps(Frozen):
    #: Dollars at most; null: no cap.
    cost_usd: float | None
    #: Tokens at most, input and output together; null: no cap.
    tokens: int | None
    #: Tool calls at most; null: no cap.
    tool_calls: int | None


class AmountsByPeriod(Frozen):
    #: On this day, by UTC.
    day: Amounts
    #: In this month, by UTC.
    month: Amounts
    #: In all.
    total: Amounts


class CapsByPeriod(Frozen):
    #: In one day, by UTC; null: there is no cap.
    day: PeriodCaps | None
    #: In one month, by UTC; null: there is no cap.
    month: PeriodCaps | None
    #: In all; null: there is no cap.
    total: PeriodCaps | None


class Periods(Frozen):
    """The day and the month that are counted now, by UTC."""

    #: As `2026-11-28`.
    day: str
    #: As `2026-11`.
    month: str


class AllowedTurn(Frozen):
    #: The question that was answered.
    question_id: str
    #: The session that asked.
    session_id: str
    #: When the purse granted it.
    at: datetime
    #: Who allowed it.
    by: By | None
    #: What was granted beyond the caps.
    amounts: Amounts


class Budget(Frozen):
    """What a user or a tenant may spend, and has spent."""

    #: Whose it is.
    scope: Literal["user", "tenant"]
    #: Of the user, or of the tenant.
    id: str
    #: Caps that were set on the budget itself. Those of definitions apply as well, and are not shown here.
    caps: CapsByPeriod
    #: What was spent.
    spent: AmountsByPeriod
    #: What sessions may still spend without asking again. It counts in each period.
    leased: AmountsByPeriod
    #: Which day and month it is.
    periods: Periods
    #: Sessions that hold leases.
    sessions: int
    #: Sessions that wait because they were refused.
    waiting: int
    #: The last turns that somebody allowed to exceed a cap.
    allowed: tuple[AllowedTurn, ...]


class BudgetList(Frozen):
    #: The newest first.
    budgets: tuple[Budget, ...]
