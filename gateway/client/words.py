"""The text of a turn as it comes, for programs that print it. Pure.

Rule: what has been printed cannot be taken back. Where the model was asked once more and says something else, its new
answer follows as a paragraph of its own. Whatever of the stream was missed comes with the step's end.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from perdure.gateway.client.events import Event


class Words:
    def __init__(self) -> None:
        self._step: str | None = None
        self._attempt = 0
        self._next = 0
        self._parts: dict[int, str] = {}
        self._shown = ""
        self._any = False

    def take(self, event: Event) -> str:
        """What the turn's text is longer by with this event; "" where there is nothing new."""
        if event.type not in ("step.delta", "step.snapshot", "step.finished"):
            return ""
        if event["step_id"] != self._step:
            self._step, self._attempt, self._next, self._parts, self._shown = event["step_id"], 0, 0, {}, ""
        if event.type == "step.finished":
            self._parts = _texts(event["message"]["parts"])
        elif not self._grow(event):
            return ""
        return self._more("".join(text for _, text in sorted(self._parts.items())))

    def _grow(self, event: Event) -> bool:
        attempt, n = event["attempt"], event["n"]
        if attempt < self._attempt:
            return False
        if event.type == "step.snapshot":
            self._parts, self._next = _texts(event["parts"]), n
        else:
            if attempt > self._attempt:
                self._parts, self._next = {}, 0
            if n != self._next:
                # After a gap, a snapshot or the step's end has it all.
                return False
            if event["kind"] == "text":
                self._parts[event["part"]] = self._parts.get(event["part"], "") + event["delta"]
            self._next = n + 1
        self._attempt = attempt
        return True

    def _more(self, text: str) -> str:
        goes_on = text.startswith(self._shown)
        if not goes_on and self._shown.startswith(text):
            # An attempt that begins anew says nothing for a moment.
            return ""
        fresh = text[len(self._shown) :] if goes_on else text
        apart = "\n\n" if fresh and self._any and (not goes_on or not self._shown) else ""
        self._shown = text
        self._any = self._any or bool(fresh)
        return apart + fresh


def _texts(parts: Iterable[Mapping[str, Any]]) -> dict[int, str]:
    return {number: part["text"] for number, part in enumerate(parts) if part["type"] == "text"}
