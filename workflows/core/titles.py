"""What a session is called in lists: the beginning of what was said first. Pure."""

from collections.abc import Sequence
from typing import Final

from perdure.workflows.core.last_words import words_of
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.vocabulary.parts import File, Part, Text

#: Characters. Temporal's summary has room for 400 bytes.
LONGEST: Final = 60
#: Sessions of older behavior that began without a message never had a title.
GETS_TITLE: Final = 4


def title_of(parts: Sequence[Part]) -> str:
    """The beginning of a message's first text, or else the name of its first file."""
    if not any(isinstance(part, Text) for part in parts):
        return next((part.name for part in parts if isinstance(part, File)), "")[:LONGEST]
    return words_of(parts)[:LONGEST]


def title_said(answer: str) -> str:
    """What a model that was asked for a name has said, without the marks around it; empty where that is nothing."""
    words = " ".join(answer.split()).strip(" \"'`*_#.“”„«»")
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 1].rstrip()}…"


def late_title(state: SessionState) -> str:
    """What a session that began without a message is called as its first turn begins; empty at any other time."""
    if state.behavior < GETS_TITLE or state.turns != 1 or state.turn is None:
        return ""
    said = next((message for message in state.transcript.messages if message.role == "user"), None)
    return "" if said is None else title_of(said.parts)
