"""What a session asks in a test, and its answers, which go through the session service as any other.

Rule 1: a question is open until the session says that it is settled, or until its time is over on the virtual clock.
Rule 2: an answer that the gateway would refuse raises `AnswerRefused` and is not sent.
"""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from perdure.temporal.sessions.errors import Forbidden, InvalidRequest
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.requests import AnswerBody
from perdure.temporal.sessions.service import Sessions
from perdure.temporal.sessions.validation import from_validation
from perdure.workflows.protocol.signals import NewSession
from perdure.workflows.vocabulary.budget_events import BudgetPaused, BudgetRaised
from perdure.workflows.vocabulary.events import Event, ToolFinished, ToolStarted
from perdure.workflows.vocabulary.question_events import (
    ApprovalRequested,
    ApprovalResolved,
    InputReceived,
    InputRequested,
)
from perdure.workflows.vocabulary.questions import By, Question

Until = Callable[[Callable[[list[Event]], bool], str], Awaitable[list[Event]]]


class AnswerRefused(ValueError):
    """The answer does not fit the question, or is not for this person to give; the message says why."""


def open_questions(events: Iterable[Event], now: datetime | None = None) -> tuple[Question, ...]:
    """Those that are not settled by these events, oldest first; with `now`, without those whose time is over."""
    found: dict[str, Question] = {}
    for event in events:
        match event:
            case ApprovalRequested() | InputRequested() | BudgetPaused():
                found[event.question_id] = event.question
            case ApprovalResolved() | InputReceived() | BudgetRaised():
                found.pop(event.question_id or "", None)
            case ToolFinished():
                found = {key: one for key, one in found.items() if one.call_id != event.call_id}
            case _:
                pass
    return tuple(one for one in found.values() if now is None or one.expires_at is None or one.expires_at > now)


def waits(events: Iterable[Event], now: datetime) -> tuple[Question, ...]:
    """The open questions of a turn, given its events, in which nothing else runs; else none."""
    events = tuple(events)
    asked = open_questions(events)
    if asked != open_questions(events, now):
        return ()
    running = {event.call_id for event in events if isinstance(event, ToolStarted)}
    running -= {event.call_id for event in events if isinstance(event, ToolFinished)}
    return asked if running <= {one.call_id for one in asked} else ()


class Answers:
    """Answers the questions of one session, which was started as `new`. `until` waits for its events."""

    def __init__(self, service: Sessions, new: NewSession, until: Until) -> None:
        self._service = service
        self._new = new
        self._until = until

    async def give(self, asked: tuple[Question, ...], which: str | None, by: str | By | None, **answer: Any) -> None:
        """Answers that question of `asked` whose tool or id is `which`, or the only one; returns once it is settled.

        Raises `LookupError` where there is not exactly one, and `AnswerRefused`."""
        question = _pick(asked, which)
        given = {name: value for name, value in answer.items() if value is not None or name == "result"}
        user, roles = (by.subject, by.scopes) if isinstance(by, By) else (by, ())
        session = self._service.open(Principal.trusted(self._new.tenant, user, roles), self._new.session_id)
        try:
            await session.answer(AnswerBody.model_validate({"question_id": question.question_id, **given}))
        except ValidationError as error:
            raise AnswerRefused(from_validation(error.errors()).detail) from None
        except (InvalidRequest, Forbidden) as error:
            raise AnswerRefused(error.detail) from None

        def settled(events: list[Event]) -> bool:
            return all(one.question_id != question.question_id for one in open_questions(events))

        await self._until(settled, f"the end of question {question.question_id}")


def _pick(asked: tuple[Question, ...], which: str | None) -> Question:
    fitting = [one for one in asked if which in (None, one.question_id, one.name, one.kind)]
    if len(fitting) == 1:
        return fitting[0]
    there = ", ".join(f"{one.name or one.kind} ({one.question_id})" for one in asked) or "none"
    wanted = "one question" if which is None else f"one question of {which!r}"
    raise LookupError(f"there is not exactly {wanted}; open are: {there}")
