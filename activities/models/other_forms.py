"""Changes that give a part of a request its other form: instructions, and thinking of Anthropic's Messages. Pure."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import JsonValue

from perdure.activities.models.adaptation import Body, Path, each, edited, without

#: What an effort of thinking stands for where a server takes a budget of tokens, and the reverse (Anthropic Messages).
BUDGETS: Final = {"low": 2048, "medium": 8192, "high": 16_384, "xhigh": 24_576, "max": 32_768}
#: The smallest budget that Anthropic takes.
LEAST_BUDGET: Final = 1024


@dataclass(frozen=True, slots=True)
class ThinkingAs:
    """Thinking of Anthropic Messages in its other form: adaptive with an effort, or a budget of tokens."""

    form: Literal["adaptive", "budget"]
    path: Path = ("thinking",)

    @property
    def words(self) -> str:
        return f"thinking: {'adaptive' if self.form == 'adaptive' else 'with a budget of tokens'}"

    def apply(self, body: Body) -> Body:
        thinking = body.get("thinking")
        if not isinstance(thinking, dict):
            return body
        if self.form == "adaptive" and thinking.get("type") == "enabled":
            return _adaptive(body, thinking.get("budget_tokens"))
        if self.form == "budget" and thinking.get("type") == "adaptive":
            return _with_budget(body)
        return body


@dataclass(frozen=True, slots=True)
class SystemAs:
    """What the model is told beforehand goes with another role, or into the first message of the user."""

    role: Literal["system", "user"]
    path: Path = ("system",)

    @property
    def words(self) -> str:
        return "developer → system" if self.role == "system" else "system: in the first user message"

    def apply(self, body: Body) -> Body:
        if self.role == "system":
            return _with_roles(body, "developer", "system")
        return _told_by_user(body)


def _adaptive(body: Body, budget: object) -> Body:
    effort = next((name for name, most in BUDGETS.items() if isinstance(budget, int) and budget <= most), "high")
    config = body.get("output_config")
    config = config if isinstance(config, dict) else {}
    thinking: JsonValue = {"type": "adaptive", "display": "summarized"}
    return body | {"thinking": thinking, "output_config": {"effort": effort, **config}}


def _with_budget(body: Body) -> Body:
    config = body.get("output_config")
    effort = config.get("effort") if isinstance(config, dict) else None
    most = body.get("max_tokens")
    budget = budget_of(effort if isinstance(effort, str) else "medium", most if isinstance(most, int) else 0)
    bare = edited(body, ("output_config", "effort"), without)
    if budget is None:
        return without(bare, "thinking")
    return bare | {"thinking": {"type": "enabled", "budget_tokens": budget}}


def budget_of(effort: str | int, max_tokens: int) -> int | None:
    """Tokens to think with, of an answer of at most `max_tokens`, thinking included. None: too few to think at all.

    `effort` is a level, or the number of tokens that a level stands for."""
    wanted = effort if isinstance(effort, int) else BUDGETS.get(effort, BUDGETS["medium"])
    # Half of them at most, so that words are left for the answer itself.
    budget = min(wanted, max_tokens // 2)
    return budget if budget >= LEAST_BUDGET else (LEAST_BUDGET if max_tokens > LEAST_BUDGET + 256 else None)


def _with_roles(body: Body, old: str, new: str) -> Body:
    def changed(message: Any) -> Any:
        return message | {"role": new} if isinstance(message, dict) and message.get("role") == old else message

    for name in ("messages", "input"):
        messages = body.get(name)
        if isinstance(messages, list) and (made := each(messages, changed)) is not messages:
            return body | {name: made}
    return body


def _told_by_user(body: Body) -> Body:
    """For each of the APIs, by what its body has."""
    for name in ("system", "instructions", "systemInstruction", "system_instruction"):
        told = _text(body.get(name))
        if told:
            rest = without(body, name)
            holder = next((key for key in ("messages", "input", "contents") if isinstance(rest.get(key), list)), None)
            return body if holder is None else _prefixed(rest, holder, told)
    messages = body.get("messages")
    if not isinstance(messages, list):
        return body
    first = [one for one in messages if isinstance(one, dict) and one.get("role") in ("system", "developer")]
    told = "\n\n".join(_text(one.get("content")) for one in first)
    if not told:
        return body
    return _prefixed(body | {"messages": [one for one in messages if one not in first]}, "messages", told)


def _prefixed(body: Body, holder: str, told: str) -> Body:
    """`body` with `told` at the beginning of its first user message."""
    messages: Any = body[holder]
    at = next((i for i, one in enumerate(messages) if isinstance(one, dict) and one.get("role") == "user"), None)
    made = [*messages]
    if at is None:
        part: Any = {"parts": [{"text": told}]} if holder == "contents" else {"content": told}
        return body | {holder: [{"role": "user", **part}, *made]}
    message = messages[at]
    member = "parts" if holder == "contents" else "content"
    content = message.get(member)
    if isinstance(content, str):
        made[at] = message | {member: f"{told}\n\n{content}"}
    else:
        text: dict[str, Any] = {"type": "input_text" if holder == "input" else "text", "text": told}
        block = {"text": told} if holder == "contents" else text
        made[at] = message | {member: _after_results(content or [], block)}
    return body | {holder: made}


def _after_results(content: list[Any], block: dict[str, Any]) -> list[Any]:
    """Results of calls come first in a message of Anthropic's."""
    results = [one for one in content if isinstance(one, dict) and one.get("type") == "tool_result"]
    return [*results, block, *content[len(results) :]]


def _text(value: Any) -> str:
    """The text of a system prompt, in whichever form it is."""
    match value:
        case str():
            return value
        case list():
            return "\n\n".join(filter(None, map(_text, value)))
        case {"parts": parts}:
            return _text(parts)
        case {"text": str(text)}:
            return text
        case _:
            return ""
