"""How the demo model summarises: it quotes what the user wrote, and never claims to have understood it. Pure."""

import re
from typing import Final

from perdure.activities.models.demo.arguments import EMAIL, IDENTIFIER, NUMBER, URL

_SO_FAR: Final = re.compile(r"<summary_so_far>\n(.*?)\n</summary_so_far>", re.DOTALL)
_TOLD: Final = re.compile(r"<conversation>\n(.*?)\n</conversation>", re.DOTALL)
_MOST: Final = re.compile(r"at most (\d+) words")
_PIECE: Final = re.compile(r"^(User|Result of [^:\n]+): (.*?)(?=^\S[^:\n]*: |\Z)", re.DOTALL | re.MULTILINE)
_TO_KEEP: Final = re.compile(r"\b(?:my name is|call me|remember|note that|do not forget|don't forget)\b", re.IGNORECASE)
_LONGEST: Final = 160
_MOST_READ: Final = 60_000


def summary(request: str) -> str:
    """The answer to a request for a summary, in the form that it asks for."""
    found = _TOLD.search(request[:_MOST_READ])
    pieces = _PIECE.findall(found[1]) if found else []
    said = [f"The user wrote: “{_line(text)}”" for who, text in pieces if who == "User" and text.strip()]
    gave = [f"{who}: {_line(text)}" for who, text in pieces if who != "User" and text.strip()]
    facts = [_line(text) for who, text in pieces if who == "User" and _is_fact(text)]
    limit = _MOST.search(request)
    lines = _newest([*_before(request), *said, *gave], int(limit[1]) if limit else 120)
    told = "\n".join(lines) or "Nothing was said that I could quote."
    listed = "\n".join(f"- {fact}" for fact in dict.fromkeys(facts))
    return f"<summary>\n{told}\n</summary>\n<facts>\n{listed}\n</facts>"


def name(request: str) -> str:
    """What a conversation may be called: the first six words that the user wrote."""
    found = _TOLD.search(request[:_MOST_READ])
    said = (text for who, text in _PIECE.findall(found[1] if found else "") if who == "User" and text.strip())
    words = next(said, "A conversation").split()
    return " ".join(words[:6]).rstrip(".,;:!?").capitalize()


def _before(request: str) -> list[str]:
    """The lines of the summary so far, without its facts, which are kept anyway."""
    found = _SO_FAR.search(request)
    text = found[1].partition("Facts, word for word:")[0] if found else ""
    return [line.strip() for line in text.splitlines() if line.strip()]


def _newest(lines: list[str], words: int) -> list[str]:
    kept: list[str] = []
    for line in reversed(lines):
        words -= len(line.split())
        if words < 0:
            break
        kept.insert(0, line)
    return kept


def _is_fact(text: str) -> bool:
    """Whether it holds something that a summary could get wrong."""
    return any(pattern.search(text) for pattern in (_TO_KEEP, EMAIL, URL, IDENTIFIER, NUMBER))


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
