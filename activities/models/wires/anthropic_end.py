"""How an answer of Anthropic Messages ends, gathered while it arrives. Pure, and total."""

from dataclasses import dataclass
from typing import Any

from perdure.activities.models.provider_turns import encodable
from perdure.activities.models.stop_words import is_bad, says_nothing
from perdure.activities.models.wires.anthropic_events import word


@dataclass(slots=True)
class ArrivingEnd:
    #: The server's reason to stop.
    reason: str | None = None
    #: What the server says of a refusal.
    refusal: str = ""
    #: Nothing of the answer can follow.
    final: bool = False
    #: Content came behind the reason, which is none in mid-answer.
    goes_on: bool = False

    @property
    def has_come(self) -> bool:
        return self.final or (self.reason is not None and not self.goes_on)

    def take(self, *holders: Any) -> None:
        """Reads the reason from where it may stand. An answer that was reported as cut stays cut, whatever follows."""
        for holder in holders:
            if isinstance(holder, dict):
                reason, details = holder.get("stop_reason"), holder.get("stop_details")
                # Some servers put a word that says nothing into every event that may have one.
                if isinstance(reason, str) and not says_nothing(reason):
                    self.goes_on = False
                    if self.reason is None or not is_bad(self.reason):
                        self.reason = encodable(reason)
                if isinstance(details, dict):
                    self.refusal = encodable(word(details.get("explanation"))) or self.refusal
