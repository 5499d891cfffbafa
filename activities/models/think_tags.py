"""Reasoning that a model writes into its text, between tags such as `<think>` and `</think>`, while it streams. Pure.

Servers that know nothing of a model's reasoning pass it on like this: vLLM and SGLang without a reasoning parser, LM Studio,
MiniMax. Gemini's OpenAI endpoint writes `<thought>`.

Rule 1: an opening tag at the beginning of an answer, or behind another block there, opens a block at once, closed or not.
Rule 2: an opening tag behind text opens a block only if it is closed later. Until then, what follows is held back.
Rule 3: a closing tag without an opening one means that all text so far was reasoning, for some chat templates write the
opening tag into the prompt. That is so at most once, and only where nothing else was reasoning.
Rule 4: a tag inside code, or right behind a quotation mark, is text.
"""

import re
from collections.abc import Generator, Iterator
from typing import Final, Literal

#: A kind and its fragment. `turned`: what came as text so far was reasoning.
Piece = tuple[Literal["text", "reasoning", "turned"], str]

_NAMES: Final = ("think", "thinking", "thought", "reasoning", "seed:think")
#: Opening tag → closing tag, in lower case.
_TAGS: Final = {f"<{name}>": f"</{name}>" for name in _NAMES} | {"[think]": "[/think]", "◁think▷": "◁/think▷"}
_ALL: Final = (*_TAGS, *_TAGS.values())
_TAG: Final = re.compile("|".join(map(re.escape, _ALL)), re.IGNORECASE)
_CLOSING: Final = {close: re.compile(re.escape(close), re.IGNORECASE) for close in _TAGS.values()}
_FIRST: Final = re.compile("[<[◁]")
_QUOTES: Final = "`\"'“‘«"
#: Characters behind an opening tag that are held back at most.
_MOST_HELD: Final = 20_000


class ThinkTags:
    """The state between two fragments of one answer's text."""

    def __init__(self) -> None:
        #: The answer has reasoning; to be set if it came in another way.
        self.reasoned = False
        #: The tags around the reasoning.
        self.pair = ("<think>", "</think>")
        self._state: Literal["start", "text", "held", "inside"] = "start"
        #: What has come and is not decided yet.
        self._rest = ""
        self._space = ""
        self._close = ""
        self._held = ""
        self._thinking = False
        self._last = ""
        self._ticks = 0

    def take(self, text: str) -> list[Piece]:
        """What the next fragment adds to the answer. What may be the beginning of a tag is kept for the fragment after it."""
        if self._state == "text" and not self._rest and not _FIRST.search(text):
            return [self._text(text)] if text else []
        self._rest += text
        pieces: list[Piece] = []
        for kind, piece in self._pieces():
            if pieces and pieces[-1][0] == kind:
                pieces[-1] = (kind, pieces[-1][1] + piece)
            elif piece or kind == "turned":
                pieces.append((kind, piece))
        return pieces

    def end(self) -> list[Piece]:
        """What is left when the answer is complete."""
        left, self._rest = self._rest, ""
        if self._state == "inside":
            return [("reasoning", self._space + left)] if left else []
        if self._state == "held":
            left = self._held
        elif self._state == "start" and not self.reasoned:
            left = self._space + left
        return [("text", left)] if left else []

    def _pieces(self) -> Iterator[Piece]:
        steps = {"start": self._at_start, "text": self._in_text, "held": self._in_held, "inside": self._in_reasoning}
        decided = True
        while decided and self._rest:
            decided = yield from steps[self._state]()

    def _at_start(self) -> Generator[Piece, None, bool]:
        stripped = self._rest.lstrip()
        self._space += self._rest[: len(self._rest) - len(stripped)]
        self._rest = stripped
        if tag := _TAG.match(stripped):
            self._take(tag.end())
            self._space, self.reasoned, self._thinking = "", True, False
            # A closing tag alone ends reasoning that was empty, or came in another way.
            if close := _TAGS.get(tag[0].lower()):
                self._state, self._close, self.pair = "inside", close, (tag[0], close)
            return True
        if not stripped or _may_become(stripped):
            return False
        self._state = "text"
        if not self.reasoned:
            yield self._text(self._space)
        self._space = ""
        return True

    def _in_text(self) -> Generator[Piece, None, bool]:
        first = _FIRST.search(self._rest)
        yield self._text(self._take(first.start() if first else len(self._rest)))
        tag = _TAG.match(self._rest)
        if tag is None:
            if not self._rest or _may_become(self._rest):
                return False
            yield self._text(self._take(1))
            return True
        close = _TAGS.get(tag[0].lower())
        if self._ticks % 2 or (self._last and self._last in _QUOTES) or (close is None and self.reasoned):
            yield self._text(self._take(tag.end()))
        elif close:
            self._state, self._close, self._held = "held", close, self._take(tag.end())
        else:
            self._take(tag.end())
            self._state, self.reasoned = "start", True
            yield "turned", ""
        return True

    def _in_held(self) -> Generator[Piece, None, bool]:
        opening = self._held.index(self._close[-1]) + 1
        begin = max(opening, len(self._held) - len(self._close))
        self._held += self._take(len(self._rest))
        if tag := _CLOSING[self._close].search(self._held, begin):
            self._rest = self._held[tag.end() :]
            self._state, self.reasoned = "text", True
            yield "reasoning", self._held[opening : tag.start()].strip()
            return True
        if len(self._held) > _MOST_HELD:
            self._state = "text"
            yield self._text(self._held)
        return False

    def _in_reasoning(self) -> Generator[Piece, None, bool]:
        tag = _CLOSING[self._close].search(self._rest)
        if tag is None:
            begun = self._rest.rfind(self._close[0])
            partial = begun >= 0 and self._close.startswith(self._rest[begun:].lower())
            yield self._thought(self._take(begun if partial else len(self._rest)))
            return False
        yield self._thought(self._take(tag.start()))
        self._take(tag.end() - tag.start())
        self._state, self._space = "start", ""
        return True

    def _take(self, count: int) -> str:
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken

    def _text(self, text: str) -> Piece:
        if text:
            self._last = text[-1]
            self._ticks += text.count("`")
        return "text", text

    def _thought(self, text: str) -> Piece:
        """The space around reasoning is not part of it."""
        written = text.rstrip()
        if not written:
            self._space += text if self._thinking else ""
            return "reasoning", ""
        shown = self._space + written if self._thinking else written.lstrip()
        self._space, self._thinking = text[len(written) :], True
        return "reasoning", shown


def _may_become(text: str) -> bool:
    return any(tag.startswith(text.lower()) for tag in _ALL)
