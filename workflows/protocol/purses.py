"""What sessions and the purses of users and tenants tell each other.

A purse is a workflow of its own (`LedgerWorkflow`). So that no model call waits for it, a session draws a *lease*: an amount
that it may spend without asking, for a while. All amounts between the two count from the session's first draw and only ever
grow, so a message that is lost, repeated or late does no harm.
"""

import operator
from datetime import datetime, timedelta
from typing import Final, Literal

from pydantic import Field

from perdure.workflows.definition.limits import PurseLimits
from perdure.workflows.definition.purse_caps import Period, Unit
from perdure.workflows.protocol.amounts import Amounts
from perdure.workflows.vocabulary.parts import Frozen, absent
from perdure.workflows.vocabulary.questions import Answerer

#: Whose purse: of the session's user, or of its tenant.
Scope = Literal["user", "tenant"]
SCOPES: Final[tuple[Scope, ...]] = ("user", "tenant")

#: A lease is good for so long.
LEASE: Final = timedelta(minutes=20)
#: No call begins under a lease that ends sooner, so that few calls outlive theirs.
MARGIN: Final = timedelta(minutes=5)

#: Key of a purse's memo that says whether it has caps of its own.
CAPPED: Final = "capped"

#: The limit of a refusal that no cap is the reason of.
FAULT: Final = "fault"


class Allowance(Frozen):
    """Somebody let a turn go on over the caps."""

    #: Of the question that they answered.
    id: str
    by: Answerer | None = Field(default=None, exclude_if=absent)


class PurseName(Frozen):
    """Whose purse it is."""

    tenant: str
    scope: Scope
    #: Of the user, or of the tenant.
    id: str

    @property
    def workflow_id(self) -> str:
        """No session has such an id, for those have one slash."""
        return f"{self.tenant}/{self.scope}/{self.id}"


class Draw(Frozen):
    """What a session tells one purse, and asks of it."""

    #: When the session began, which tells it from an erased one of the same id.
    since: datetime
    #: Of the session's requests to this purse, from 1.
    number: int = Field(ge=1)
    #: All that was spent under leases so far.
    spent: Amounts = Amounts()
    #: How much of that the purse has confirmed.
    settled: Amounts = Amounts()
    #: What calls that are open may still cost.
    open: Amounts = Amounts()
    #: What the next step costs at worst.
    needs: Amounts = Amounts()
    #: What definitions cap for this user, or tenant: the session's, and those of its callers.
    caps: tuple[PurseLimits, ...] = Field(default=(), exclude_if=operator.not_)
    #: The last lease has ended with nothing open, so whoever asked the session since knows all that it had spent.
    lapsed: bool = Field(default=False, exclude_if=operator.not_)
    #: Nothing is needed any more, and the session closes.
    closes: bool = Field(default=False, exclude_if=operator.not_)
    allowance: Allowance | None = Field(default=None, exclude_if=absent)


class Refusal(Frozen):
    """Why a purse does not bear the next step."""

    #: As `day.cost_usd`; `FAULT`: the purse failed at this request alone, and `words` says how.
    limit: str
    #: In the limit's unit, as the rest.
    cap: float
    spent: float
    #: What sessions hold and have not spent, this one's included.
    leased: float
    needs: float
    #: What this session could have at most, what it holds included.
    left: Amounts = Amounts()
    #: Leases that others hold are being asked back, so it is worth asking again in a moment.
    again: bool = Field(default=False, exclude_if=operator.not_)
    words: str | None = Field(default=None, exclude_if=absent)


class Drawn(Frozen):
    """A purse's answer to a `Draw`."""

    #: Of the request.
    number: int
    #: All that was ever granted, including what is spent.
    granted: Amounts
    until: datetime
    refused: Refusal | None = Field(default=None, exclude_if=absent)
    #: The purse has caps of its own; without, a session asks it no more unless its definition does.
    capped: bool = True
    #: One of them is a cap on dollars.
    caps_dollars: bool = Field(default=False, exclude_if=operator.not_)


class SetCaps(Frozen):
    """Sets caps of a purse."""

    id: str
    #: What is left out stays as it is; None lifts.
    caps: dict[Period, dict[Unit, int | float | None] | None]
    by: Answerer | None = Field(default=None, exclude_if=absent)
    #: Sessions that are at work are told where the purse had no caps before. Older callers did not ask for it.
    announces: bool = Field(default=False, exclude_if=operator.not_)


class DrawLeases(Frozen):
    """Input of the activity `draw_leases`. The session, and with it the tenant, is the one that runs the activity."""

    #: Id of the session's user.
    user: str
    #: By whose purse.
    draws: dict[Scope, Draw]


class LeasesDrawn(Frozen):
    drawn: dict[Scope, Drawn]


class PurseChanged(Frozen):
    """Signal from a purse to a session: what was refused may be granted now, or a lease is asked back."""

    id: str
    scope: Scope
    #: The lease is asked back: it ends now, but for what is open.
    recall: bool = Field(default=False, exclude_if=operator.not_)
    #: The purse has caps of its own now, so the session has to ask it.
    capped: bool = Field(default=False, exclude_if=operator.not_)
    #: The limit that refused, and its cap now, where somebody raised it.
    limit: str | None = Field(default=None, exclude_if=absent)
    value: float | None = Field(default=None, exclude_if=absent)
    by: Answerer | None = Field(default=None, exclude_if=absent)


class HolderReport(Frozen):
    """Answer to a session's query `lease(scope)`: what it has of a purse."""

    since: datetime
    number: int
    spent: Amounts
    #: What calls that are open may still cost.
    open: Amounts
    #: The end of the lease; None: it has none.
    until: datetime | None
    #: A request is under way.
    drawing: bool


class Draws(Frozen):
    """Input of a purse's update `draw`: requests of several sessions, by session id."""

    draws: dict[str, Draw]


class DrawsTaken(Frozen):
    drawn: dict[str, Drawn]


class AllowedOver(Frozen):
    """Somebody let a turn go on over the caps."""

    #: Of the question that they answered.
    question_id: str
    session_id: str
    at: datetime
    by: Answerer | None = Field(default=None, exclude_if=absent)
    #: What was granted beyond the caps.
    amounts: Amounts


class PeriodState(Frozen):
    """One period of a purse."""

    #: As `2026-11-28` or `2026-11`; empty: since the purse began.
    period: str
    spent: Amounts


class PurseState(Frozen):
    """Answer to a purse's query `state`."""

    name: PurseName
    caps: PurseLimits
    day: PeriodState
    month: PeriodState
    total: PeriodState
    #: What sessions hold and have not spent; it counts in every period.
    leased: Amounts
    #: Sessions that hold leases, and sessions that wait because they were refused.
    holders: int
    waiting: int
    #: Turns that somebody let go on over the caps, the last ones.
    allowed: tuple[AllowedOver, ...] = Field(default=(), exclude_if=operator.not_)


class PurseStateRequest(Frozen):
    at: datetime
