"""The prompt at a question of `perdure chat`, which gives way where the question is settled elsewhere.

Rule 1: only the main thread reads; the thread that reads the session's stream wakes it (`waking.py`), in a terminal and on a
pipe alike. Where a system cannot, the prompt stays, and the gateway refuses a late answer.
Rule 2: a line that was begun is lost with its question: nobody asks for it any more.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from perdure.temporal.app.chat.stream import ENDED
from perdure.temporal.app.chat.waking import Waking


class Settled(Exception):
    """Nobody needs to answer any more."""


def settles(kind: str, event: Mapping[str, Any], question: Mapping[str, Any]) -> bool:
    """Whether an event of the session settles an open question."""
    match kind:
        case "approval.resolved" | "input.received" | "budget.raised":
            return bool(event.get("question_id") == question["question_id"])
        case "tool.finished":
            return bool(question.get("call_id") == event["call_id"])
        case "turn.finished":
            # Only one turn runs at a time, and only it asks, but for handlers, which ask as their turns end.
            return question.get("subject") != "handler"
        case "session.snapshot":
            return question["question_id"] not in {one["question_id"] for one in event["questions"]}
        case "session.closed":
            return True
        case _:
            return kind == ENDED


class Prompt:
    """`expect` and `read` are for the main thread, `take` for the one that reads the session's stream."""

    def __init__(self) -> None:
        self._open: dict[str, Mapping[str, Any]] = {}
        #: The question whose answer is being read.
        self._reading: str | None = None
        self.waking: Final = Waking(self._give_way)

    def expect(self, questions: Iterable[Mapping[str, Any]]) -> None:
        """Watches these questions from now on, and no others."""
        self._open = {question["question_id"]: question for question in questions}

    def read(self, question_id: str, line: Callable[[], str]) -> str:
        """What `line` reads as an answer to a question that was expected. Raises `Settled` as soon as it is settled
        elsewhere, and what `line` raises."""
        self._reading = question_id
        try:
            if question_id not in self._open:
                raise Settled
            return line()
        finally:
            self._reading = None

    def take(self, kind: str, event: Mapping[str, Any]) -> None:
        """Takes an event of the session."""
        for question_id, question in tuple(self._open.items()):
            if settles(kind, event, question):
                self._open.pop(question_id, None)
        if self._interrupts:
            self.waking.wake()

    @property
    def _interrupts(self) -> bool:
        reading = self._reading
        return reading is not None and reading not in self._open

    def _give_way(self) -> None:
        # What wakes late, or for a Ctrl-C, must not end the reading of another answer.
        if self._interrupts:
            self._reading = None
            raise Settled
