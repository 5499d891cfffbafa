"""The ids of the AI SDK's messages: what they say of a session, and how they are found again. Pure.

| message | id | in the session |
|---|---|---|
| a user's | the client's own | the same; `{id}~e1a2b3c4` once it was edited, for an edit is a message of its own there |
| an answer | `t7` | the turn |
| an answer to a message that joined a turn | `t7.{id of that message}` | the rest of the turn |
"""

import re
from dataclasses import dataclass
from typing import Final

from perdure.workflows.vocabulary.ids import turn_number
from perdure.workflows.vocabulary.parts import Message

_EDIT: Final = re.compile(r"~e[0-9a-f]{8}$")


@dataclass(frozen=True, slots=True)
class AnswerId:
    """What an answer's id names."""

    turn_id: str
    #: The user's message that joined the turn; None: the answer is the turn's first.
    message_id: str | None


def user_id(message_id: str) -> str:
    """What clients call a user's message, by its id in the session."""
    return _EDIT.sub("", message_id)


def edit_id(user: str, mark: str) -> str:
    """The id in the session of an edit of a message; `mark` are eight hexadecimal digits that tell it from others."""
    return f"{user}~e{mark}"


def answer_id(turn_id: str, joined: Message | None = None) -> str:
    """The id of an answer; `joined` is the message that joined the turn."""
    return turn_id if joined is None else f"{turn_id}.{user_id(joined.id)}"


def read_answer_id(given: str) -> AnswerId | None:
    """What an id names that a client gives; None: it is no answer's."""
    turn_id, _, message = given.partition(".")
    return None if turn_number(turn_id) is None else AnswerId(turn_id, message or None)


def sub_question_id(session_id: str, question_id: str) -> str:
    """The id of the part that tells of a sub-agent's question: two sub-agents may ask under the same id."""
    return f"{session_id}/{question_id}"


def said_by_user(message: Message) -> bool:
    """Whether a message is a user's own, and not what the session notes or its agent says."""
    return message.role == "user" and not message.own
