"""The turns of handlers that go on because a question of theirs is settled. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any


class Resuming:
    """`open`: such a turn is to come."""

    def __init__(self) -> None:
        self.open = False
        #: Ids of the questions that handlers have open.
        self._asked: set[str] = set()

    def expect(self, questions: Iterable[Mapping[str, Any]]) -> None:
        """The questions that are open, of a snapshot, which tells of all turns until then."""
        self._asked = {one["question_id"] for one in questions if one.get("subject") == "handler"}
        self.open = False

    def answered(self, question: Mapping[str, Any]) -> None:
        """The question was answered here, or elsewhere before."""
        if question["question_id"] in self._asked:
            self._asked.discard(question["question_id"])
            self.open = True

    def take(self, kind: str, data: Mapping[str, Any]) -> str | None:
        """Takes an event of the session; the turn that begins with it, if it is one of those."""
        match kind:
            case "input.requested" if data.get("subject") == "handler":
                self._asked.add(data["question_id"])
            case "input.received" if data["question_id"] in self._asked:
                self._asked.discard(data["question_id"])
                # Nothing goes on where a rewind, or the end of the session, has taken the question back.
                self.open = bool(data.get("by")) or data.get("reason") == "expired"
            case "turn.started" if self.open and data.get("handler") and data["cause"] in ("answer", "timer"):
                self.open = False
                turn: str = data["turn_id"]
                return turn
            case _:
                pass
        return None
