"""Putting a session's open questions to whoever sits at the terminal, and sending the answers."""

from collections.abc import Callable, Mapping
from typing import Any

from perdure.temporal.app.chat.instead import read_answer
from perdure.temporal.app.chat.prompt import Prompt
from perdure.temporal.app.chat.questions import answer_to
from perdure.temporal.app.chat.requests import Requests
from perdure.temporal.app.console.gateway import problem_of


class Asking:
    """`say` shows words in a style; `prompt` is told by others what becomes of the questions."""

    def __init__(self, requests: Requests, prompt: Prompt, say: Callable[[str, str], None]) -> None:
        self._requests = requests
        self._prompt = prompt
        self._say = say

    def still_open(self, asked: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Those of `asked` that nobody has answered yet."""
        # What is settled from here on is seen by the prompt; what was before, in the snapshot.
        self._prompt.expect(asked.values())
        snapshot = self._requests.patiently("GET").json()
        open_ids = {question["question_id"] for question in snapshot.get("questions", ())}
        return {question_id: question for question_id, question in asked.items() if question_id in open_ids}

    def put(self, question: dict[str, Any], show: Callable[[], None]) -> bool:
        """Asks until an answer is taken, or comes too late; `show` shows the question. Whether the question is settled then.
        Raises `Settled`, `SaidInstead`, and what reading a line raises."""
        question_id = question["question_id"]
        while True:
            show()
            body = answer_to(
                question,
                lambda words: self._prompt.read(question_id, lambda: read_answer(words)),
                lambda words: self._say(words, ""),
            )
            given = self._requests.patiently("POST", "answers", {"question_id": question_id, **body})
            if given.status_code != 202:
                second = given.status_code == 409
                self._say("(somebody else has answered already)" if second else problem_of(given), "yellow")
            if given.status_code != 422:
                return given.status_code in (202, 409)
