"""From what a server refuses to the changes that it may take. Pure.

The first rule that has something to say decides. What a server suggests itself comes first, then what has another form
(instructions, thinking, the limit of tokens, a level), and leaving a member out comes last.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from perdure.activities.models.adaptation import Body, Change, Drop, Path, Put, Rename, value_at
from perdure.activities.models.missing_members import Signatures, ThinkingBlocks, Thoughts
from perdure.activities.models.other_forms import ThinkingAs
from perdure.activities.models.refusal import Refusal
from perdure.activities.models.refused_members import may_go, refused_members
from perdure.activities.models.refused_numbers import LIMITS, OTHER_LIMIT, limit_cures, limit_in, range_cures
from perdure.activities.models.refused_roles import role_cures
from perdure.activities.models.structured_output import form_cures

#: Levels of reasoning, in order, as any vendor has them.
_LEVELS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
#: Members that a server may want to have a value which nobody gave them.
_SETTABLE: Final = frozenset(("reasoning_effort", "enable_thinking", "parallel_tool_calls", "store"))

_QUOTE: Final = r"[`'\"]"
_INSTEAD: Final = re.compile(rf"\b(?:use|try|send|specify)\s+{_QUOTE}?([a-z_]\w+){_QUOTE}?\s+instead", re.IGNORECASE)
_SET: Final = re.compile(
    rf"{_QUOTE}?\b([a-z_]\w+){_QUOTE}?\s+(?:must\s+be\s+set\s+to|must\s+be|to)\s+{_QUOTE}?(\w+){_QUOTE}?", re.IGNORECASE
)
_FORBIDS_THINKING: Final = re.compile(
    r"not (?:supported|support|allowed|permitted|accept|available|enabled)|unsupported|does ?n.t support|no longer|invalid"
    r"|unknown|unexpected|unrecognized|extra|does not match|deprecated|only ",
    re.IGNORECASE,
)
#: Where another member is refused because the model thinks, and where a server points to its pages.
_WHILE_THINKING: Final = re.compile(
    r"\b(?:when|while|if|unless|once|as long as)\b[^.;\n]*\bthinking\b[^.;\n]*"
    r"|\bwith (?:extended |adaptive )?thinking (?:is |being )?(?:enabled|on|active)\b|https?://\S+",
    re.IGNORECASE,
)
_BOTH: Final = re.compile(r"\bboth\b|only one of|mutually exclusive|together with|conflict", re.IGNORECASE)
#: The server has no thinking, or nothing but thinking.
_NO_THINKING: Final = re.compile(
    r"(?:not|n't) support (?:the )?(?:thinking|reasoning)|(?:thinking|reasoning)(?: mode| effort)? (?:is|are) "
    r"(?:not|un\w+|mandatory|required)|(?:thinking|reasoning)\b[^.]{0,40}cannot be disabled|only works in thinking mode",
    re.IGNORECASE,
)
_THINKING_MEMBERS: Final = (
    ("reasoning_effort",),
    ("reasoning",),
    ("thinking",),
    ("output_config", "effort"),
    ("enable_thinking",),
    ("thinking_budget",),
    ("think",),
    ("chat_template_kwargs",),
    ("generationConfig", "thinkingConfig"),
)
#: The server lacks something; to take more away will not help.
_LACKS: Final = re.compile(
    r"\b(?:missing|field required|requires?|is required|are required|must be (?:passed|specified|provided)"
    r"|please (?:provide|specify))\b",
    re.IGNORECASE,
)
#: Members of a message of Chat Completions that hold reasoning.
_THOUGHT: Final = re.compile(r"\breasoning(?:_content|_text|_details)?\b(?=[`'\"]|\s+(?:in|is|field))", re.IGNORECASE)
#: The same of Anthropic's API, in DeepSeek's words: "The `content[].thinking` in the thinking mode must be passed back".
_THINKING_BLOCK: Final = re.compile(r"content(?:\[\d*\])?\.thinking\b.*must be passed back", re.IGNORECASE)


def cures(refusal: Refusal, body: Body) -> list[Change]:
    """The changes to try next; none where the refusal names nothing that can be changed."""
    if "context length" in refusal.lower or "context window" in refusal.lower:
        return []
    if refusal.status >= 500:
        # Some servers fail so where a model's template knows no such role.
        return role_cures(refusal, body)
    for cure in _CURES:
        found = [change for change in cure(refusal, body) if change.apply(body) is not body]
        if found:
            return found
    return []


def _form(refusal: Refusal, body: Body) -> list[Change]:
    return [*form_cures(refusal, body)]


def _suggested(refusal: Refusal, body: Body) -> list[Change]:
    words = refusal.words
    named = refused_members(refusal, body)
    instead = _INSTEAD.search(words)
    if instead is not None and instead[1] not in body:
        limit = limit_in(refusal, body)
        old = limit if limit is not None and instead[1] in LIMITS else (named[0] if len(named) == 1 else None)
        if old is not None and len(old) == 1:
            return [Rename(old, instead[1])]
    for match in _SET.finditer(words):
        name, value = match[1].lower(), match[2].lower()
        level = value in _LEVELS or value in ("true", "false")
        if level and (name in body or name in _SETTABLE) and may_go((name,)):
            return [Put((name,), {"true": True, "false": False}.get(value, value), always=True)]
    # Of OpenAI's Chat Completions, which says it in several ways.
    if "function tools with reasoning_effort" in refusal.lower:
        return [Put(("reasoning_effort",), "none", always=True)]
    return []


def _missing(refusal: Refusal, body: Body) -> list[Change]:
    """What messages of other servers lack here, or what goes by another name."""
    if _LACKS.search(refusal.words) is None:
        return []
    for sent, wanted in OTHER_LIMIT.items():
        lacks = (wanted,) in refusal.places or re.search(rf"(?<![\w.]){wanted}(?!\w)", refusal.words) is not None
        if "messages" in body and sent in body and wanted not in body and lacks:
            return [Rename((sent,), wanted)]
    if "thought_signature" in refusal.lower or "thoughtsignature" in refusal.lower:
        return [Signatures()]
    if _THINKING_BLOCK.search(refusal.words):
        return [ThinkingBlocks()]
    thoughts = _THOUGHT.search(refusal.words)
    return [Thoughts(thoughts[0].lower())] if thoughts else []


def _thinking(refusal: Refusal, body: Body) -> list[Change]:
    """Thinking of Anthropic's Messages, as Anthropic, its other hosts and other makers' servers refuse it."""
    thinking, lower = body.get("thinking"), _WHILE_THINKING.sub("", refusal.lower)
    if not isinstance(thinking, dict) or "thinking" not in lower or _FORBIDS_THINKING.search(lower) is None:
        return []
    placed = next((place for place in refusal.places if place[:1] == ("thinking",) and len(place) > 1), ())
    if placed[-1:] and placed[-1] in thinking and placed[-1] not in ("type", "budget_tokens"):
        return []  # only one member of it
    kind = str(thinking.get("type"))
    if kind == "adaptive" and "adaptive" in lower:
        return [ThinkingAs("budget")]
    if kind == "enabled" and "adaptive" in lower:
        return [ThinkingAs("adaptive")]
    if kind == "between_tools" and "between_tools" in lower:
        return [Put(("thinking", "type"), "disabled")]
    if kind == "disabled" and "disabled" in lower:
        return [Drop(("thinking",))]
    return []


def _thinking_config(refusal: Refusal, body: Body) -> list[Change]:
    """Thinking of Gemini, which says that a model cannot do it, or cannot do without, and names no member."""
    forbidden = "thinking" in refusal.lower and _FORBIDS_THINKING.search(refusal.lower) is not None
    return [Drop(("generationConfig", "thinkingConfig"))] if forbidden else []


def _level(refusal: Refusal, body: Body) -> list[Change]:
    """Another value, where the server lists those that it takes."""
    choices = refusal.choices
    if not choices:
        return []
    named = refused_members(refusal, body)
    quoted = [
        path for path in _THINKING_MEMBERS if re.search(rf"{_QUOTE}{value_at(body, path)}{_QUOTE}", refusal.words)
    ]
    for path in (*named, *quoted, ("reasoning", "effort")):
        value = value_at(body, path)
        if isinstance(value, str) and value in _LEVELS and (nearest := _nearest(value, choices)) is not None:
            return [Put(path, nearest)]
    return []


def _nearest(value: str, choices: Sequence[str]) -> str | None:
    """None: the server has no such thing as a level near it, or it is `none`, which can be left unsaid."""
    known = [choice for choice in choices if choice in _LEVELS]
    if value == "none":
        return None
    thinks = [choice for choice in known if choice != "none"]
    if thinks:
        at = _LEVELS.index(value)
        return min(thinks, key=lambda choice: (abs(_LEVELS.index(choice) - at), -_LEVELS.index(choice)))
    return "default" if "default" in choices else None


def _no_thinking(refusal: Refusal, body: Body) -> list[Change]:
    if _NO_THINKING.search(refusal.words) is None or refused_members(refusal, body):
        return []
    return [Drop(path) for path in _THINKING_MEMBERS]


def _left_out(refusal: Refusal, body: Body) -> list[Change]:
    # What is refused because the model thinks does not refuse thinking.
    named = refused_members(replace(refusal, words=_WHILE_THINKING.sub("", refusal.words)), body)
    named = named or refused_members(refusal, body)
    if not named or _LACKS.search(refusal.words) is not None:
        return []
    if len(named) > 1 and _BOTH.search(refusal.words) is not None:
        # One of them is enough: that which stands last.
        named = [max(named, key=lambda path: refusal.words.rfind(path[-1]))]
    return [Drop(_without_form(path, body)) for path in named]


def _without_form(path: Path, body: Body) -> Path:
    """What says how much to think lies beside the form of the answer, which is not meant."""
    return ("output_config", "effort") if path == ("output_config",) and value_at(body, (*path, "format")) else path


_CURES: Final[tuple[Callable[[Refusal, Body], list[Change]], ...]] = (
    _form,
    _missing,
    _suggested,
    role_cures,
    _thinking,
    limit_cures,
    range_cures,
    _level,
    _no_thinking,
    _left_out,
    _thinking_config,
)
