"""How an OpenAI Responses answer ended, in the server's word. Pure."""

from typing import Any

from perdure.activities.models.stop_words import is_good


def word_of(status: str | None, response: dict[str, Any], *, calls: bool, cut: bool, refused: bool) -> tuple[str, bool]:
    """The word, and whether the server says that the answer is whole.

    `status` is that of the terminal event, None without one, and `response` what it holds. `cut`: the server calls a call
    of the answer incomplete."""
    if refused:
        return "refusal", True
    if status is None:
        # Without a terminal event, the text counts as complete, and so do calls whose arguments are.
        return "" if calls else "stop", True
    details = response.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    reason = reason if isinstance(reason, str) else ""
    if status == "completed" and (not reason or is_good(reason)):
        return "incomplete" if cut else "completed", not cut
    return reason or status, not (reason or status == "incomplete")
