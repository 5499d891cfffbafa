"""A rewind that `perdure chat` asked for: what is gone back to, the question before it, and the turn that follows. Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def last_said(messages: Iterable[Mapping[str, Any]]) -> str | None:
    """The id of what a person said last; notes of the session, which are data alone, are nobody's words."""
    said = [one for one in messages if one["role"] == "user" and any(part["type"] != "data" for part in one["parts"])]
    return str(said[-1]["id"]) if said else None


def rewind_answer(args: Mapping[str, Any], read: Callable[[str], str], tell: Callable[[str], None]) -> dict[str, Any]:
    """Asks whether calls are taken back. `args`: those of the question; `tell` shows a line."""
    for call in args.get("undo", ()):
        tell(f"    {call['name']} will be taken back by {call['by']}")
    for call in args.get("stands", ()):
        tell(f"    {call['name']} stays: {call['why']}")
    if more := args.get("more"):
        tell(f"    and {more} more")
    while True:
        match read("go back? y(es), n(o) > ").strip().lower():
            case "y" | "yes":
                return {"approved": True}
            case "n" | "no":
                return {"approved": False}
            case _:
                pass


class Rewind:
    """Waits for the turn that follows; nothing is awaited before `begin`."""

    def __init__(self) -> None:
        self._branch: str | None = None
        self._done = False
        self._denied = False

    @property
    def open(self) -> bool:
        return self._branch is not None

    def begin(self, branch: str) -> None:
        """`branch`: the one that goes on, as the gateway's answer names it."""
        self._branch, self._done, self._denied = branch, False, False

    def take(self, kind: str, event: Mapping[str, Any]) -> str | None:
        """Takes an event of the session; returns the id of the turn that follows, where that is what begins."""
        match kind:
            case "transcript.rewound" if event["branch"] == self._branch:
                self._done = True
            case "turn.started" if self._done:
                self._branch, self._done = None, False
                return str(event["turn_id"])
            case "approval.resolved" if event["call_id"] == self._branch and not event["approved"]:
                self._denied = True
            case "turn.finished" if self._denied or (event["reason"] == "stopped" and not self._done):
                self._branch = None
        return None
