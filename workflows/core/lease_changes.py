"""What changes in what a session holds of purses. All are notes: viewers see none of them."""

from dataclasses import dataclass, field

from perdure.workflows.protocol.amounts import Amounts
from perdure.workflows.protocol.purses import Allowance, Draw, LeasesDrawn, Scope
from perdure.workflows.vocabulary.questions import By


@dataclass(frozen=True, kw_only=True)
class LeaseAsked:
    """Purses are being asked."""

    draws: dict[Scope, Draw]


@dataclass(frozen=True, kw_only=True)
class LeaseAnswered:
    #: None: the purses could not be reached.
    answer: LeasesDrawn | None


@dataclass(frozen=True, kw_only=True)
class LeaseEnded:
    """Nothing begins under this lease any more."""

    scope: Scope


@dataclass(frozen=True, kw_only=True)
class LeaseReserved:
    """An open model call may cost so much at worst."""

    step_id: str
    amounts: Amounts
    #: Of that, what the models before it have cost the step.
    before: Amounts = field(default_factory=Amounts)


@dataclass(frozen=True, kw_only=True)
class PurseHasMore:
    """What a purse refused, it may grant now."""

    scope: Scope
    #: What the limit that refused was raised to, and by whom.
    value: float | None = None
    by: By | None = None


@dataclass(frozen=True, kw_only=True)
class PursesAnnounced:
    """These purses have caps of their own."""

    scopes: tuple[Scope, ...]


@dataclass(frozen=True, kw_only=True)
class LeaseAllowed:
    """Somebody let the turn go on over the caps of a purse."""

    scope: Scope
    allowance: Allowance


LeaseChange = LeaseAsked | LeaseAnswered | LeaseEnded | LeaseReserved | PurseHasMore | PursesAnnounced | LeaseAllowed
