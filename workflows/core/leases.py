"""What the purses of a session's user and tenant say to its next step. Pure."""

from perdure.workflows.core.need import Need
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.vocabulary.questions import Shortfall


def refusal(state: SessionState, need: Need) -> Shortfall | None:
    """The purse that refuses `need`; None: none does."""
    return None
