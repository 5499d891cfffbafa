"""What each run of a purse starts with."""

from perdure.workflows.core.ledger.state import Ledger
from perdure.workflows.protocol.purses import PurseName
from perdure.workflows.vocabulary.parts import Frozen


class LedgerInput(Frozen):
    """A new purse, or what a run hands to the next."""

    name: PurseName | None = None
    carried: Ledger | None = None
