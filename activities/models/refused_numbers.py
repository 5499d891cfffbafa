"""What becomes of a limit of tokens, or of another number, that a server refuses. Pure."""

import math
import re
from collections.abc import Callable
from functools import partial
from operator import ge, le, ne
from typing import Any, Final

from perdure.activities.models.adaptation import AtMost, Body, Change, Drop, Path, Rename, value_at
from perdure.activities.models.refusal import Refusal
from perdure.activities.models.refused_members import may_go

LIMITS: Final = ("max_tokens", "max_completion_tokens", "max_output_tokens", "generationConfig.maxOutputTokens")
OTHER_LIMIT: Final = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_BOUND: Final = re.compile(
    r"(?:at most|maximum(?: allowed)?(?: value)?(?: of| is)?|less than or equal to|<=|up to|no more than"
    r"|exceeds?(?: the)?(?: model(?:'s)?)? (?:maximum|limit)(?: of)?"
    r"|(?:cannot|can't|must not|may not|should not|not) (?:exceed|be (?:more|greater|larger|higher|bigger) than)"
    r"|\[\s*\d+\s*,|(?:from|between) \d+ (?:to|and)|>)\s*[`'\"]?([0-9][0-9,_]{1,14})",
    re.IGNORECASE,
)
#: A limit of tokens in words, as Bedrock has it.
_LIMIT_IN_WORDS: Final = re.compile(
    r"\bmax(?:imum)?(?: number of)? (?:(?:output|completion|new) tokens|tokens (?:value|you (?:have )?requested))\b",
    re.IGNORECASE,
)
_NUMBER: Final = r"(-?\d{1,9}(?:\.\d{1,9})?)"
#: The least and the most of any number; the most alone.
_RANGE: Final = re.compile(
    rf"(?:\b(?:between|from|in|within|range:?)|[\[(])\s*[\[(]?{_NUMBER}\s*(?:,|\band\b|\bto\b|\.\.+|-|–)\s*{_NUMBER}",
    re.IGNORECASE,
)
_MOST: Final = re.compile(
    r"(?:at most|less than or equal to|<=|≤|up to|no more than|maximum(?: allowed)?(?: value)?(?: of| is)?"
    rf"|(?:cannot|can't|must not|may not|should not|not) (?:exceed|be (?:more|greater|larger|higher) than))\s*{_NUMBER}",
    re.IGNORECASE,
)
#: What a number has to be: this, or on this side of it.
_EXACTLY: Final = re.compile(
    r"(?:must|should|has to|needs to|may only|can only|to) be (?:set to |exactly |equal to )?"
    rf"[`'\"]?{_NUMBER}(?![\d.]*\s*(?:,|and|to|or|-|–)\s*\d)",
    re.IGNORECASE,
)
_ABOVE: Final = re.compile(
    rf"\bbe (?:strictly )?(?:>|greater than|larger than|more than|above) ?{_NUMBER}", re.IGNORECASE
)
_BELOW: Final = re.compile(
    rf"\bbe (?:strictly )?(?:<|less than|smaller than|lower than|below) ?{_NUMBER}", re.IGNORECASE
)
#: The words of a limit that is too high, and of a count of more than an answer.
_TOO_HIGH: Final = re.compile(
    r"\btoo (?:large|high|big)\b|\bexceed|\babove\b|\b(?:greater|larger|less|smaller|lower|fewer) than\b|\brange\b",
    re.IGNORECASE,
)
_ALL: Final = re.compile(r"\b(?:inputs?|prompts?|messages|context|total|sum)\b", re.IGNORECASE)
_ANY: Final = re.compile(
    r"(?P<below>\b(?:less|smaller|lower|fewer) than )?(?<![\w.,-])(?P<number>\d[\d,_]{1,14})(?![\w-]|\.\d)"
    r"(?P<exclusive> ?\(exclusive\))?",
    re.IGNORECASE,
)
_WINDOW: Final = re.compile(
    r"maximum context length (?:is|of) ([0-9]{1,9})\b|(?:must be <=|must not exceed|cannot exceed) ([0-9]{1,9})\b",
    re.IGNORECASE,
)
_ASKED: Final = re.compile(
    r"\b([0-9]{1,9}) input tokens|\b([0-9]{1,9}) (?:tokens )?(?:in|from) the (?:input )?(?:messages|prompt)"
    r"|given: ([0-9]{1,9})\b|(?:prompt|input) tokens \(([0-9]{1,9})\)",
    re.IGNORECASE,
)
#: Tokens that are worth an answer.
_LEAST_ROOM: Final = 64


def limit_cures(refusal: Refusal, body: Body) -> list[Change]:
    path = limit_in(refusal, body)
    if path is None:
        return []
    sent = value_at(body, path)
    bounds = [int(re.sub(r"\D", "", found)) for found in _BOUND.findall(refusal.words)]
    bounds = bounds or _any_bounds(refusal.words)
    lower = [bound for bound in bounds if isinstance(sent, int) and 0 < bound < sent]
    if lower:
        return [AtMost(path, max(lower))]
    other = OTHER_LIMIT.get(path[0])
    # Messages of Anthropic's has one name for it, whatever a server says of it.
    is_chat = "messages" in body and not {"system", "cache_control", "output_config"} & body.keys()
    return [Rename(path, other)] if other is not None and other not in body and is_chat and refusal.is_unknown else []


def _any_bounds(words: str) -> list[int]:
    """The numbers that a limit may have, of a message that says in no known words which of them it is."""
    if _TOO_HIGH.search(words) is None or _ALL.search(words) is not None:
        return []
    return [
        int(re.sub(r"\D", "", found["number"])) - bool(found["below"] or found["exclusive"])
        for found in _ANY.finditer(words)
    ]


def room(refusal: Refusal, body: Body) -> Change | None:
    """A lower limit for an answer, where the server counts the question and its limit together, and says how long both are
    (vLLM, SGLang, TGI). None: it does not say so, or hardly any room is left."""
    window, asked = _WINDOW.search(refusal.words), _ASKED.search(refusal.words)
    path = next((path for name in LIMITS if value_at(body, path := tuple(name.split("."))) is not None), None)
    if window is None or asked is None or path is None:
        return None
    left = int(next(filter(None, window.groups()))) - int(next(filter(None, asked.groups())))
    sent = value_at(body, path)
    return AtMost(path, left) if isinstance(sent, int) and _LEAST_ROOM <= left < sent else None


def limit_in(refusal: Refusal, body: Body) -> Path | None:
    """The limit of tokens that the refusal names; None where it names none that the body has."""
    for name in LIMITS:
        path = tuple(name.split("."))
        if value_at(body, path) is not None and re.search(rf"(?<!\w){path[-1]}(?!\w)", refusal.words, re.IGNORECASE):
            return path
    if _LIMIT_IN_WORDS.search(refusal.words) is not None:
        paths = (tuple(name.split(".")) for name in LIMITS)
        return next((path for path in paths if value_at(body, path) is not None), None)
    return None


def range_cures(refusal: Refusal, body: Body) -> list[Change]:
    """A number that the server finds too high, as low as it takes it. One that is wrong otherwise is left out."""
    spans = [(float(least), float(most)) for least, most in _RANGE.findall(refusal.words)]
    spans += [(-math.inf, float(most)) for most in _MOST.findall(refusal.words)]
    wrong: list[Callable[[float], bool]] = [lambda value: any(value < least for least, _ in spans)]
    wrong += [partial(ne, float(one)) for one in _EXACTLY.findall(refusal.words)]
    wrong += [partial(ge, float(least)) for least in _ABOVE.findall(refusal.words)]
    wrong += [partial(le, float(most)) for most in _BELOW.findall(refusal.words)]
    changes: list[Change] = []
    config = body.get("generationConfig")
    members: list[tuple[Path, Any]] = [((name,), value) for name, value in body.items()]
    if isinstance(config, dict):
        members += [(("generationConfig", name), value) for name, value in config.items()]
    for path, value in members:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or len(path[-1]) < 3 or not may_go(path) or not _is_said(path[-1], refusal):
            continue
        if (most := next((most for _, most in spans if most < value), None)) is not None:
            changes.append(AtMost(path, int(most) if most.is_integer() else most))
        elif any(is_wrong(value) for is_wrong in wrong):
            changes.append(Drop(path))
    return changes


def _is_said(name: str, refusal: Refusal) -> bool:
    spelt = re.sub(r"(?<=[a-z])(?=[A-Z])", "[ _-]?", re.escape(name).replace("_", "[ _-]?"))
    return re.search(rf"(?<!\w){spelt}(?!\w)", refusal.words, re.IGNORECASE) is not None
