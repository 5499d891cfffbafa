"""What the error of a request that was too long says of sizes: how much its model takes, and how much it was sent. Pure."""

import re
from dataclasses import dataclass
from typing import Final

#: Bounded: a run of digits as long as a message would take seconds to search, and is no size.
_NUMBER: Final = r"(\d[\d,_]{0,14}(?:\.\d{1,9})?k?)"
#: Longer texts are no messages for people.
_LONGEST: Final = 4_000
#: The sizes of windows that there may be.
_WINDOWS: Final = range(256, 100_000_000)
#: `190000 + 20000 > 200000`, `200001 tokens > 200000`.
_COMPARED: Final = re.compile(rf"{_NUMBER}(?: tokens?)?(?: ?\+ ?\d[\d,_]{{0,14}}(?: tokens?)?)? ?> ?{_NUMBER}")
_WINDOW: Final = tuple(
    re.compile(one)
    for one in (
        rf"\b{_NUMBER}(?: tokens?)? (?:maximum|max\b)",
        rf"\b(?:maximum|max|model(?:'s)?) (?:context|prompt|input|sequence|token)[^\d.]{{0,40}}?{_NUMBER}",
        rf"\b(?:context[ _-](?:length|window|size|limit)|token limit|limit of tokens)\b[^\d.]{{0,30}}?{_NUMBER}",
        rf"\b(?:maximum|limit|allowed|up to|at most|no more than|less than|fewer than|n_ctx)\b[^\d.]{{0,40}}?{_NUMBER}",
    )
)
_TOKENS: Final = tuple(
    re.compile(one)
    for one in (
        rf"\b{_NUMBER}(?: tokens?)? (?:in|from|of) (?:the |your )?(?:messages|text input|input|prompt)",
        rf"\b(?:has|have|contains?|resulted in) (?:about )?{_NUMBER}(?: input| prompt)? tokens\b",
        rf"\btoken count[^\d.]{{0,20}}?{_NUMBER}",
        rf"\b(?:requested|given|got|actual|received|sent)\b[^\d.]{{0,20}}?{_NUMBER}",
    )
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """In tokens; None: it does not say."""

    window: int | None = None
    request: int | None = None


def sizes_in(text: str, details: object = None) -> Sizes:
    """What a provider's message says, or else the members of its body."""
    words = " ".join(text[:_LONGEST].lower().split())
    # Amazon counts characters there.
    if "maxlength" in words:
        return Sizes()
    compared = _COMPARED.search(words)
    if compared is not None:
        return _checked(_number(compared[2]), _number(compared[1]))
    request = _first(_TOKENS, words)
    # A number that is the request's is not the window's.
    window = _first(_WINDOW, words, request)
    inner = _members(details)
    return _checked(window or inner.get("n_ctx"), request or inner.get("n_prompt_tokens"))


def _first(patterns: tuple[re.Pattern[str], ...], words: str, other: int | None = None) -> int | None:
    for pattern in patterns:
        for found in pattern.finditer(words):
            number = _number(found[1])
            if number is not None and number != other:
                return number
    return None


def _checked(window: int | None, request: int | None) -> Sizes:
    return Sizes(_possible(window), _possible(request))


def _possible(tokens: int | None) -> int | None:
    return tokens if tokens is not None and tokens in _WINDOWS else None


def _number(written: str) -> int | None:
    thousands = written.endswith("k")
    try:
        number = float(written.rstrip("k").replace(",", "").replace("_", ""))
    except ValueError:
        return None
    return int(number * 1000 if thousands else number)


def _members(details: object, depth: int = 0) -> dict[str, int]:
    """`n_ctx` and `n_prompt_tokens`, as llama.cpp has them."""
    if not isinstance(details, dict) or depth > 3:
        return {}
    found = {
        name: value
        for name in ("n_ctx", "n_prompt_tokens")
        if isinstance(value := details.get(name), int) and not isinstance(value, bool)
    }
    return found or _members(details.get("error"), depth + 1)
