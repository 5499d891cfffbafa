"""What a session holds of the purses of its user and its tenant."""

from dataclasses import dataclass, field
from datetime import datetime

from perdure.workflows.core.state.record import Record, replace
from perdure.workflows.definition.limits import PurseLimits
from perdure.workflows.protocol.amounts import Amounts
from perdure.workflows.protocol.purses import Allowance, Drawn, Refusal, Scope
from perdure.workflows.vocabulary.questions import By


@dataclass(frozen=True, kw_only=True)
class Held(Record):
    """What the session has of one purse. Amounts count from its first request, and only grow."""

    #: Of the last request.
    number: int = 0
    granted: Amounts = field(default_factory=Amounts)
    spent: Amounts = field(default_factory=Amounts)
    #: What the purse has confirmed of `spent`.
    settled: Amounts = field(default_factory=Amounts)
    #: The end of the lease; None: there is none.
    until: datetime | None = None
    #: The end of the last lease that is no longer used.
    ended: datetime | None = None
    #: Why the last request was refused, and what it needed.
    refused: Refusal | None = None
    needed: Amounts = field(default_factory=Amounts)
    #: The purse has it on its list of those that were refused, and tells it once there is more.
    waits: bool = False
    #: The purse says that what was refused may be granted now.
    retry: bool = False
    #: Somebody let a turn go on over the caps: the next requests say so, until the turn ends.
    allowance: Allowance | None = None
    #: The purse caps dollars itself.
    caps_dollars: bool = False
    #: What the limit that refused was raised to, and by whom.
    raised_to: float | None = None
    raised_by: By | None = None

    def answered(self, drawn: Drawn, told: Amounts) -> "Held":
        """The purse has answered the last request, which told it that so much was spent."""
        if drawn.number != self.number:
            return self
        until = self.until if drawn.refused is not None else drawn.until
        return replace(
            self,
            # Less than before, where the purse has taken back what the session had not spent in time.
            granted=drawn.granted,
            settled=self.settled | told,
            until=until,
            ended=self.ended if drawn.refused is not None else None,
            refused=drawn.refused,
            waits=drawn.refused is not None,
            retry=False,
            caps_dollars=drawn.caps_dollars,
        )


@dataclass(frozen=True, kw_only=True)
class Leases(Record):
    held: dict[Scope, Held] = field(default_factory=dict)
    #: Purses that have caps of their own, as the gateway said.
    announced: tuple[Scope, ...] = ()
    #: What the definitions of the sessions above this one cap.
    inherited: dict[Scope, tuple[PurseLimits, ...]] = field(default_factory=dict)
    #: What open model calls may cost at worst, by step.
    open: dict[str, Amounts] = field(default_factory=dict)
    #: Of those, what the models before the one that is asked have cost.
    spent_before: dict[str, Amounts] = field(default_factory=dict)
    #: What the request that is under way told of each purse as spent; None: none is.
    drawing: dict[Scope, Amounts] | None = None
    #: Everything was given back, for the session closes.
    returned: bool = False

    @property
    def all_open(self) -> Amounts:
        return sum(self.open.values(), Amounts())

    def of(self, scope: Scope) -> Held:
        return self.held.get(scope, Held())

    def free(self, scope: Scope) -> Amounts:
        """What the lease still bears."""
        held = self.of(scope)
        return held.granted - held.spent - self.all_open

    def with_held(self, scope: Scope, held: Held) -> "Leases":
        return replace(self, held={**self.held, scope: held})

    def announcing(self, scopes: tuple[Scope, ...]) -> "Leases":
        new = [scope for scope in scopes if scope not in self.announced]
        if not new:
            return self
        held = {**self.held, **{scope: self.of(scope) for scope in new}}
        return replace(self, announced=(*self.announced, *new), held=held)

    def inheriting(self, caps: dict[Scope, tuple[PurseLimits, ...]]) -> "Leases":
        """With what the definitions above the session cap."""
        return replace(self, inherited={scope: told for scope, told in caps.items() if told})

    def reserved(self, key: str, amounts: Amounts, before: Amounts) -> "Leases":
        known = {**self.spent_before, key: before} if before else self.spent_before
        return replace(self, open={**self.open, key: amounts}, spent_before=known)

    def given_up(self, key: str, spent: Amounts) -> "Leases":
        """A model of an open step gave no answer; the models of the step so far have cost this."""
        return self if key not in self.open else replace(self, open={**self.open, key: spent})

    def charged(self, amounts: Amounts, key: str | None = None) -> "Leases":
        """So much was spent; with `key`, by a call that is no longer open."""
        if not self.held and key not in self.open:
            return self
        held = {scope: replace(one, spent=one.spent + amounts) for scope, one in self.held.items()}
        opened, before = (
            {known: one for known, one in kept.items() if known != key} for kept in (self.open, self.spent_before)
        )
        return replace(self, held=held, open=opened, spent_before=before)
