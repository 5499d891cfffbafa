"""The events of an OpenAI Responses stream, as data: what each is about, by its type.

Compatible servers use older and invented names; every name stands here once. The built-in tools report their progress by
events of their own, which the items of these tools hold again.
"""

from dataclasses import dataclass
from typing import Final, Literal

ItemType = Literal["message", "reasoning", "function_call"]


@dataclass(frozen=True, slots=True)
class About:
    """What a fragment of text, or a complete text, belongs to."""

    item: ItemType
    #: The list within the item that has the text.
    section: Literal["content", "summary", "arguments"]
    #: The event's field with the text.
    key: str
    #: The event's field that says which text of the list it is. None: the server may count fragments there (vLLM does).
    index: str | None = None
    refusal: bool = False


def _events(names: str, ending: str, about: About) -> dict[str, About]:
    return {f"response.{name}.{ending}": about for name in names.split()}


_ARGUMENTS: Final = "function_call_arguments function_call.arguments"
_SUMMARY: Final = "reasoning_summary_text reasoning_summary"
_REASONING: Final = "reasoning_text reasoning reasoning_content"

#: Fragments of a text.
FRAGMENTS: Final[dict[str, About]] = (
    _events("output_text text", "delta", About("message", "content", "delta", "content_index"))
    | _events("refusal", "delta", About("message", "content", "delta", "content_index", refusal=True))
    | _events(_ARGUMENTS, "delta", About("function_call", "arguments", "delta"))
    | _events(_SUMMARY, "delta", About("reasoning", "summary", "delta", "summary_index"))
    | _events(_REASONING, "delta", About("reasoning", "content", "delta"))
)
#: Texts that are complete now.
COMPLETE: Final[dict[str, About]] = (
    _events("output_text text", "done", About("message", "content", "text", "content_index"))
    | _events("refusal", "done", About("message", "content", "refusal", "content_index", refusal=True))
    | _events(_ARGUMENTS, "done", About("function_call", "arguments", "arguments"))
    | _events(_SUMMARY, "done", About("reasoning", "summary", "text", "summary_index"))
    | _events(_REASONING, "done", About("reasoning", "content", "text"))
)
#: An item, and whether it is complete.
ITEMS: Final = {"response.output_item.added": False, "response.output_item.done": True}
#: A part of a message, and whether it is complete.
PARTS: Final = {"response.content_part.added": False, "response.content_part.done": True}
WHOLE_PART: Final = About("message", "content", "part", "content_index")
#: The end of the answer, and the status that it means where the response names none.
ENDS: Final = {
    "response.completed": "completed",
    "response.done": "completed",
    "response.incomplete": "incomplete",
    "response.cancelled": "cancelled",
    "response.failed": "failed",
}
#: Statuses of a response that has not ended. Some servers forget to change them in the event that ends it.
UNFINISHED: Final = ("in_progress", "queued")
ERRORS: Final = {"error", "response.error"}
#: Beginnings of events that say nothing that an item or the end does not say again.
_QUIET: Final = (
    "keepalive",
    "ping",
    "response.apply_patch_call",
    "response.audio.",
    "response.audio_",
    "response.code_interpreter_call",
    "response.compaction",
    "response.computer_call",
    "response.created",
    "response.custom_tool_call_input.",
    "response.file_search_call.",
    "response.heartbeat",
    "response.image_generation_call.",
    "response.in_progress",
    "response.mcp_",
    "response.output_text.annotation",
    "response.queued",
    "response.rate_limits",
    "response.reasoning_part.",
    "response.reasoning_summary_part.",
    "response.shell_call",
    "response.steer",
    "response.web_search_call.",
)


def is_quiet(kind: str) -> bool:
    """Whether events of this type are known, and may be passed over."""
    return kind.startswith(_QUIET)
