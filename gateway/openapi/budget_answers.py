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
    #: Dollars at most; null: as many as it likes.
    cost_usd: float | None
    #: Tokens at most, input and output together; null: as many as it likes.
    tokens: int | None
    #: Tool calls at most; null: as many as it likes.
    tool_calls: int | None


class AmountsByPeriod(Frozen):
    #: In the day of UTC.
    day: Amounts
    #: In the month of UTC.
    month: Amounts
    #: In all.
    total: Amounts


class CapsByPeriod(Frozen):
    #: In one day of UTC; null: there is no cap.
    day: PeriodCaps | None
    #: In one month of UTC; null: there is no cap.
    month: PeriodCaps | None
    #: In all; null: there is no cap.
    total: PeriodCaps | None


class Periods(Frozen):
    """The periods of UTC that are counted now."""

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
    #: Those that were set here; what definitions cap beside holds, too, and is not told.
    caps: CapsByPeriod
    #: What was spent.
    spent: AmountsByPeriod
    #: What sessions may spend without asking again, and have not spent. It counts in each period.
    leased: AmountsByPeriod
    #: Which day and month it is.
    periods: Periods
    #: Sessions that hold leases.
    sessions: int
    #: Sessions that wait because they were refused.
    waiting: int
    #: Turns that somebody let go on over the caps, the last ones.
    allowed: tuple[AllowedTurn, ...]


class BudgetList(Frozen):
    #: The newest first.
    budgets: tuple[Budget, ...]
