"""What the next request shows of the conversation. Pure."""

from perdure.workflows.core.state.session import SessionState
from perdure.workflows.protocol.steps import View


def view_of(state: SessionState) -> View:
    context = state.context
    fold = context.fold.summary.fold if context.fold is not None else None
    return state.transcript.view.model_copy(update={"start": context.start, "fold": fold, "trim": context.trim})
