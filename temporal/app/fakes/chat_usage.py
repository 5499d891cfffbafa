"""Where servers of Chat Completions put their usage, and what they call it. Pure."""

from typing import Any

from perdure.temporal.app.fakes.manners import ChatManner
from perdure.temporal.app.fakes.replies import Reply


def last_members(reply: Reply, manner: ChatManner) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the last choice and the last chunk hold."""
    if reply.usage == "none":
        return {}, {}
    plain = _plain(reply)
    match manner.usage:
        case "kimi":
            return {"usage": plain | {"cached_tokens": reply.cached_tokens}}, {}
        case "deepseek":
            cache = {
                "prompt_cache_hit_tokens": reply.cached_tokens,
                "prompt_cache_miss_tokens": reply.input_tokens - reply.cached_tokens,
            }
            return {}, {"usage": plain | cache | _reasoning(reply)}
        case "mistral":
            return {}, {"usage": plain}
        case "groq":
            return {}, {"x_groq": {"id": "req_fake", "usage": plain | {"queue_time": 0.01, "total_time": 0.1}}}
        case "timings":
            processed = reply.input_tokens - reply.cached_tokens
            counts = {"cache_n": reply.cached_tokens, "prompt_n": processed, "predicted_n": reply.output_tokens}
            return {}, {"timings": counts | {"prompt_ms": 5.0, "predicted_per_second": 50.0}}
        case _:
            return {}, {}


def usage_chunk(reply: Reply, manner: ChatManner) -> dict[str, Any] | None:
    """The usage that comes in a chunk of its own where a request asks for it."""
    if reply.usage == "none":
        return None
    plain = _plain(reply)
    match manner.usage:
        case "openai":
            details = {"prompt_tokens_details": _cache(reply)} | _reasoning(reply)
            return plain | details if reply.usage == "full" else plain
        case "xai" | "gemini":
            # The total holds the hidden reasoning, and the completion does not.
            shown = plain | {"completion_tokens": reply.output_tokens - reply.reasoning_tokens}
            if manner.usage == "gemini":
                return shown
            return shown | {"prompt_tokens_details": {"cached_tokens": reply.cached_tokens}} | _reasoning(reply)
        case "bare":
            return plain
        case _:
            return None


def _plain(reply: Reply) -> dict[str, Any]:
    return {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
    }


def _cache(reply: Reply) -> dict[str, Any]:
    written = {"cache_write_tokens": reply.cache_write_tokens} if reply.cache_write_tokens else {}
    return {"cached_tokens": reply.cached_tokens} | written


def _reasoning(reply: Reply) -> dict[str, Any]:
    return {"completion_tokens_details": {"reasoning_tokens": reply.reasoning_tokens}}
