"""Fields that stand where there are none of their name, and where they belong."""

from collections.abc import Mapping
from typing import Final

from perdure.temporal.schemas.yaml_source import Loc

_CAPS: Final = "caps are those of a turn, a session, a user or a tenant, as in limits: {session: {cost_usd: 5}}"
_TOOL: Final = "it is an option of a tool, as in tools: [find_order: {timeout: 30s}]"
_MODEL: Final = "it belongs to a model, as in models: {main: {use: anthropic/claude-sonnet-5-5}}"

#: By field, for fields at the top of a file.
_AT_TOP: Final[Mapping[str, str]] = {
    **dict.fromkeys(("turn", "session", "user", "tenant", "on_limit"), "it belongs to limits: indent it below that"),
    **dict.fromkeys(("cost_usd", "tokens", "tool_calls", "steps", "working_time"), _CAPS),
    **dict.fromkeys(("timeout", "approval", "side_effects", "retry", "undo", "task_queue", "mcp", "client"), _TOOL),
    **dict.fromkeys(
        ("use", "fallback", "thinking", "base_url", "api_key", "headers", "price", "max_output_tokens"), _MODEL
    ),
    **dict.fromkeys(("temperature", "top_p", "seed"), "it belongs to a model's params"),
    **dict.fromkeys(("compact_at", "keep_recent", "summarizer"), "it belongs to context: indent it below that"),
    **dict.fromkeys(("prompt", "system", "system_prompt"), "what the model is told is instructions"),
}


def belongs(loc: Loc) -> str | None:
    """Where the field at `loc`, which there is not, belongs; None: nobody knows."""
    match loc:
        case (str(field),):
            return _AT_TOP.get(field)
        case ("limits", "cost_usd" | "tokens" | "tool_calls" | "steps" | "working_time"):
            return _CAPS
        case ("tools", int(), "approval", "if"):
            return "which calls need a person is when"
        case _:
            return None
