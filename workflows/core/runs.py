"""What each run of a session starts with.

A run hands over at a rest point only, and hands over everything: no viewer notices.
"""

from perdure.workflows.core.state.session import SessionState
from perdure.workflows.protocol.signals import NewSession, SendMessage
from perdure.workflows.vocabulary.parts import Frozen


class SessionInput(Frozen):
    """A new session, or the state that a run hands to the next, or that a fork begins with."""

    new: NewSession | None = None
    carried: SessionState | None = None
    #: The first message of a fork; a new session's comes in `new`.
    message: SendMessage | None = None
