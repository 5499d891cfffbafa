"""A session's conversation as the AI SDK's messages, put together from all its events. Pure."""

from perdure.gateway.projections.ai_sdk import Answer
from perdure.gateway.projections.ai_sdk_ids import said_by_user
from perdure.gateway.projections.ai_sdk_message import AnswerMessage, UIMessage, user_message
from perdure.workflows.protocol.segments import message_in
from perdure.workflows.vocabulary.events import Event, MessageAdded, TurnStarted
from perdure.workflows.vocabulary.rewinds import TranscriptRewound


class Transcript:
    """Give it the session's events from the first one on."""

    def __init__(self, session_id: str) -> None:
        self._session_id = session_id
        #: Those of the branch that goes on.
        self._events: list[Event] = []
        self._branches: dict[str, list[Event]] = {}

    def add(self, event: Event) -> None:
        if isinstance(event, TranscriptRewound):
            self._branches[event.left] = self._events
            back = self._branches.get(event.branch)
            self._events = list(back) if back is not None else _cut(self._events, event.kept)
        else:
            self._events.append(event)

    def messages(self) -> list[UIMessage]:
        """Those of the branch that goes on, oldest first. An answer that holds nothing is none."""
        found: list[UIMessage] = []
        open_answer: tuple[Answer, AnswerMessage] | None = None
        for event in self._events:
            said = event.message if isinstance(event, MessageAdded) and said_by_user(event.message) else None
            if isinstance(event, TurnStarted):
                found += _closed(open_answer)
                open_answer = Answer(self._session_id), AnswerMessage()
            if open_answer is not None:
                answer, message = open_answer
                message.add(answer.take(event))
                if answer.is_joined and said is not None and said.turn_id == answer.turn_id:
                    found += _closed(open_answer)
                    open_answer = Answer(self._session_id), AnswerMessage()
                    open_answer[1].add(open_answer[0].take(event))
            if said is not None:
                found.append(user_message(said, self._session_id))
        return [*found, *_closed(open_answer)]


def _closed(open_answer: tuple[Answer, AnswerMessage] | None) -> list[UIMessage]:
    if open_answer is None:
        return []
    answer, message = open_answer
    if answer.over or answer.is_joined or answer.waits:
        message.add(answer.ending())
    for part in message.parts:
        approval = answer.calls.approval(part["toolCallId"]) if "toolCallId" in part else None
        if approval is not None:
            message.allow(part["toolCallId"], approval)
    return [message.json()] if message.parts else []


def _cut(events: list[Event], kept: int) -> list[Event]:
    """The events before the message behind the first `kept` ones."""
    said = 0
    for place, event in enumerate(events):
        if message_in(event) is None:
            continue
        if said == kept:
            # Its turn goes with the message that began it.
            began = place > 0 and isinstance(events[place - 1], TurnStarted)
            return events[: place - 1 if began else place]
        said += 1
    return list(events)
