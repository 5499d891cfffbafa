"""What an event of Anthropic Messages is. Servers that only resemble Anthropic leave out names and types, so it is told by
whatever tells it. Pure, and total.
"""

from typing import Any, Final

from perdure.activities.models.failures import ProviderError
from perdure.activities.models.sse_events import SseEvent

_EVENTS: Final = frozenset(
    (
        *("message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta"),
        *("message_stop", "ping", "error"),
    )
)
#: The member of a delta that holds its fragment, by the delta's type.
_MEMBERS: Final = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "input_json_delta": "partial_json",
    "signature_delta": "signature",
    "citations_delta": "citation",
}
#: Other names for a fragment of arguments.
_ARGUMENTS: Final = ("arguments", "partial_arguments", "input", "json", "parameters", "args")


def kind_of(event: SseEvent) -> str:
    """The type of an event, `message` for a whole message in place of a stream, or "" for what is not known."""
    value = event.value
    kind = value.get("type")
    if isinstance(kind, str) and kind in _EVENTS:
        return kind
    if event.name in _EVENTS:
        return event.name
    if isinstance(kind, str) and kind in _MEMBERS:
        # The delta stands in the place of its event.
        return "content_block_delta"
    if "content_block" in value:
        return "content_block_start"
    if isinstance(delta := value.get("delta"), dict):
        return "message_delta" if "stop_reason" in delta else "content_block_delta"
    if isinstance(value.get("message"), dict):
        return "message_start"
    if value.get("error"):
        return "error"
    return "message" if isinstance(value.get("content"), list | str) else ""


def fragment_of(delta: dict[str, Any]) -> tuple[str, Any]:
    """The member that holds a delta's fragment ("": none that is known), and the fragment. For arguments, the member is
    `partial_json`, whatever its name here."""
    kind = delta.get("type")
    member = _MEMBERS.get(kind, "") if isinstance(kind, str) else ""
    others = ("text", *_ARGUMENTS) if member == "partial_json" else (*_MEMBERS.values(), *_ARGUMENTS)
    told = [name for name in (member, *others) if delta.get(name) is not None]
    if not told:
        return member or next((name for name in _MEMBERS.values() if name in delta), ""), None
    # A blank fragment of arguments may stand beside the real one.
    says = (name for name in told if delta[name] not in ("", {}))
    name = next(says, told[0]) if member == "partial_json" else told[0]
    is_known = member != "partial_json" and name not in _ARGUMENTS
    return name if is_known else "partial_json", delta[name]


def says_something(event: dict[str, Any]) -> bool:
    """Whether an event or a delta of an unknown type may have content."""
    return any(value and name not in ("type", "index", "usage") for name, value in event.items())


def error_of(event: dict[str, Any]) -> ProviderError:
    """The error that an event reports."""
    error = event.get("error")
    if not isinstance(error, dict):
        error = event | {"message": error or event.get("message")}
    code, kind = error.get("code"), error.get("type")
    return ProviderError(
        word(error.get("message")),
        code=str(code) if isinstance(code, int | str) else None,
        kind=word(kind) if kind != "error" else None,
    )


def word(value: Any) -> str:
    return value if isinstance(value, str) else ""
