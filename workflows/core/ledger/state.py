"""What a purse knows: records that only the functions beside this file change.

Rule 1: for each cap, what was spent in its period and what is leased never exceed it by a grant. What lowers the cap, or
what a person allows beyond it, is the only way above.
Rule 2: a lease is what was granted to a session and not yet spent. It shrinks only by what the session is known to have
spent, or by what it is known not to spend any more.
Rule 3: the state is bounded by the sessions that were at work within the last lease or wait for the purse.
"""

from dataclasses import dataclass, field
from datetime import datetime

from perdure.workflows.core.state.record import Record, replace
from perdure.workflows.definition.limits import PurseLimits
from perdure.workflows.definition.purse_caps import Period
from perdure.workflows.protocol.amounts import Amounts
from perdure.workflows.protocol.purses import AllowedOver, Drawn, PurseName
from perdure.workflows.vocabulary.questions import By

#: Turns that somebody let go on over the caps, and commands, that are kept.
KEPT: int = 50
#: Sessions that are over, so that what comes late of them is known.
KEPT_GONE: int = 1_000


@dataclass(frozen=True, kw_only=True)
class Spendings(Record):
    day: Amounts = field(default_factory=Amounts)
    month: Amounts = field(default_factory=Amounts)
    total: Amounts = field(default_factory=Amounts)

    def of(self, period: Period) -> Amounts:
        found: Amounts = getattr(self, period)
        return found


@dataclass(frozen=True, kw_only=True)
class Holder(Record):
    """A session that holds a lease, or held one a moment ago."""

    #: When the session began.
    since: datetime
    #: Of its last request.
    number: int
    #: All that it was ever granted, and of that, what it is known to have spent.
    granted: Amounts
    spent: Amounts
    #: What its open calls may still cost, as it last said.
    open: Amounts = field(default_factory=Amounts)
    until: datetime
    #: Of its last request; repeated to whoever repeats that.
    answer: Drawn
    drawn_at: datetime
    #: Its lease is to be asked back.
    recall: bool = False
    #: It was asked back since the last request.
    recalled: bool = False
    #: When to look for it again, after so many looks that told too little.
    look_at: datetime | None = None
    looks: int = 0
    #: What was charged without being known to be spent, before it came back.
    off: Amounts = field(default_factory=Amounts)
    off_at: datetime | None = None

    @property
    def leased(self) -> Amounts:
        return self.granted - self.spent


@dataclass(frozen=True, kw_only=True)
class Waiting(Record):
    """A session that was refused."""

    lacks: Amounts
    #: What definitions cap.
    caps: tuple[PurseLimits, ...]
    #: The limit that refused.
    limit: str
    #: When it was told that there may be enough now.
    told_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Gone(Record):
    """A session that returned everything, or that nothing more is expected of."""

    since: datetime
    number: int
    spent: Amounts
    #: What was charged without being known to be spent.
    off: Amounts = field(default_factory=Amounts)
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Ledger(Record):
    name: PurseName
    created_at: datetime
    #: Of UTC, as `2026-11-28` and `2026-11`.
    day: str
    month: str
    caps: PurseLimits = field(default_factory=PurseLimits)
    #: Who set a cap last.
    caps_by: By | None = None
    spent: Spendings = field(default_factory=Spendings)
    #: What all holders' leases come to.
    leased: Amounts = field(default_factory=Amounts)
    #: By session id.
    holders: dict[str, Holder] = field(default_factory=dict)
    #: By session id, who waits the longest first.
    waiting: dict[str, Waiting] = field(default_factory=dict)
    gone: dict[str, Gone] = field(default_factory=dict)
    allowed: tuple[AllowedOver, ...] = ()
    #: Id of the command that gave the purse caps, which sessions at work are not told of yet.
    untold: str = ""
    #: Ids of the last commands.
    commands: tuple[str, ...] = ()


def new_ledger(name: PurseName, at: datetime) -> Ledger:
    return Ledger(name=name, created_at=at, day=f"{at:%Y-%m-%d}", month=f"{at:%Y-%m}")


def with_holder(ledger: Ledger, session: str, holder: Holder | None) -> Ledger:
    """With this in place of what the session held; None: it holds nothing."""
    before = ledger.holders.get(session)
    leased = ledger.leased - before.leased if before is not None else ledger.leased
    if holder is None:
        holders = {known: one for known, one in ledger.holders.items() if known != session}
    else:
        holders, leased = {**ledger.holders, session: holder}, leased + holder.leased
    return replace(ledger, holders=holders, leased=leased)
