"""Whether a text that streams has begun to repeat itself without end. Pure.

It is conservative: only an exact repetition counts, of one piece over and over, for longer than any list, table or code that
says something. What repeats with any change, a number that counts up for instance, never does. A rule, a filling or a drawing
repeats a few characters, so a short piece has to come for far longer than a sentence.
"""

from typing import Final

#: Characters at the end of a text that have to be one piece over and over.
LONG: Final = 8_000
#: The same where the piece is shorter than a sentence.
ENDLESS: Final = 128_000
#: The shortest piece that is a sentence.
SENTENCE: Final = 16
#: The longest piece, and how often it has to come.
LONGEST_PIECE: Final = 1_000
#: Characters between two looks.
_STRIDE: Final = 1_000
#: Of the end of the text, what the place of its last occurrence is looked for by, and how many places are tried.
_PROBE: Final = 48
_PLACES: Final = 200


class Repetition:
    """Watches one part of an answer."""

    def __init__(self) -> None:
        self._tail = ""
        self._unseen = 0
        #: Characters at the end of the text that are known to be one piece over and over.
        self._repeated = 0

    def add(self, text: str) -> int | None:
        """The length of the piece that the text repeats without end, now that `text` has come; None: it does not."""
        self._tail = (self._tail + text)[-LONG:]
        self._unseen += len(text)
        if self._unseen < _STRIDE or len(self._tail) < LONG:
            return None
        seen, self._unseen = self._unseen, 0
        length = piece_of(self._tail)
        if length is None:
            self._repeated = 0
            return None
        self._repeated = self._repeated + seen if self._repeated else LONG
        return length if self._repeated >= (LONG if length >= SENTENCE else ENDLESS) else None


def piece_of(tail: str) -> int | None:
    """The length of the piece that all of `tail` repeats; None: it repeats none."""
    probe, end = tail[-_PROBE:], len(tail) - 1
    for _ in range(_PLACES):
        found = tail.rfind(probe, 0, end)
        length = len(tail) - _PROBE - found
        if found < 0 or length > LONGEST_PIECE:
            return None
        if tail.startswith(tail[length:]):
            return length
        end = found + _PROBE - 1
    return None


def shortened(text: str, length: int) -> str:
    """`text`, which ends with a piece of `length` characters over and over, with three of them."""
    first = len(text)
    while first > length and text[first - length - 1 : first - length] == text[first - 1 : first]:
        first -= 1
    return f"{text[: first + 2 * length]}…"
