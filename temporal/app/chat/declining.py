"""How a question is declined at the prompt of `perdure chat`. Pure."""

from typing import Any, Final

#: Declines any question; what follows is the reason.
DECLINE: Final = "/decline"


def declined(reason: str) -> dict[str, Any]:
    """The body for `answers` without `question_id`."""
    return {"approved": False, **({"reason": reason.strip()} if reason.strip() else {})}
