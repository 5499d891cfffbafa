"""The message for people in the body of an error, wherever the server puts it. Pure and total."""

from typing import Final

#: Where servers put it: the vendors in `error.message`, FastAPI in `detail`, others elsewhere.
_FIELDS: Final = ("error", "message", "detail", "details", "msg", "error_msg", "error_message", "errors", "reason")
_DEEPEST: Final = 4


def text_in(body: object, depth: int = 0) -> str:
    """Empty where there is none."""
    if isinstance(body, str):
        return body
    if depth >= _DEEPEST:
        return ""
    # Gemini's compatible endpoint wraps the body in a list.
    inner = list(body)[:8] if isinstance(body, list | tuple) else []
    if isinstance(body, dict):
        inner = [body[name] for name in _FIELDS if name in body]
    return next((text for one in inner if (text := text_in(one, depth + 1)).strip()), "")


def codes_in(body: object, depth: int = 0) -> frozenset[str]:
    """The provider's own words for the error: codes, types and reasons."""
    if depth >= _DEEPEST:
        return frozenset()
    if isinstance(body, list | tuple):
        return frozenset().union(*(codes_in(one, depth + 1) for one in list(body)[:8]))
    if not isinstance(body, dict):
        return frozenset()
    own = {str(body[name]) for name in ("code", "type", "status", "reason") if isinstance(body.get(name), str | int)}
    below = (
        codes_in(body[name], depth + 1) for name in ("error", "details", "innererror", "inner_error") if name in body
    )
    return frozenset(own).union(*below)
