"""A text that streams, cut into pieces whose ends the text itself decides.

However a text arrives, its pieces are the same. So each has one number for ever, and a reader who comes again with a number
is sent exactly the pieces after it. A piece ends behind the first white space from its 4th character on, or at its 16th
character; far into a long text, pieces are longer, so that their number stays small.
"""

import re
from collections.abc import Iterator
from typing import Final

_SPACE: Final = re.compile(r"\s")
#: Characters of a text that is cut finely, and the least and the most characters of a piece before and after that.
_FINE: Final = 16_000
_SHORT: Final = (4, 16)
_LONG: Final = (128, 256)


def pieces(text: str, start: int = 0, *, whole: bool) -> Iterator[str]:
    """The pieces of `text` from `start`, where one begins; without the last one while the text is not `whole`."""
    while start < len(text):
        least, most = _SHORT if start < _FINE else _LONG
        space = _SPACE.search(text, start + least - 1, start + most)
        if space is not None:
            end = space.end()
        elif len(text) >= start + most:
            end = start + most
        elif whole:
            end = len(text)
        else:
            return
        yield text[start:end]
        start = end
