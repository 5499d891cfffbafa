"""What a handler says that no model wrote. Pure."""

from perdure.workflows.core.draft import Draft
from perdure.workflows.core.state.handlers import HandlerRun
from perdure.workflows.core.state.record import replace
from perdure.workflows.vocabulary.events import MessageAdded
from perdure.workflows.vocabulary.ids import said_id
from perdure.workflows.vocabulary.parts import Message, Text


def said(draft: Draft, run: HandlerRun, text: str) -> HandlerRun:
    """Adds the message; returns the run that has said it."""
    turn = draft.turn.turn_id
    message = Message(
        id=said_id(turn, run.said + 1),
        role="assistant",
        parts=(Text(text=text),),
        turn_id=turn,
        at=draft.now,
    )
    draft.add(MessageAdded(**draft.stamp, message=message))
    return replace(run, said=run.said + 1)
