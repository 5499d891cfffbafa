"""What a server sent in the body of a response that began well, for the case that it holds no answer. Pure and total.

Proxies send their pages, and gateways their errors, with status 200. What such a body says is all that people learn of the
fault, so its words are kept until an answer begins.
"""

import html
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeVar

from perdure.activities.encoding.compact_json import compact
from perdure.activities.models.error_texts import text_in
from perdure.activities.models.failures import NoAnswer, StreamTruncated
from perdure.activities.models.provider_turns import encodable
from perdure.activities.models.sse_events import SseEvent
from perdure.activities.models.wire import Answer, Delta, Started

#: Members of events, chunks and bodies in all APIs that can only be of an answer.
_OF_ANSWERS: Final = frozenset(
    (
        *("choices", "candidates", "content", "content_block", "delta", "index", "item", "item_id", "output"),
        *("part", "promptFeedback", "response", "usage", "usageMetadata"),
    )
)
_STATUSES: Final = ("status", "status_code", "statusCode", "http_status", "code")
_CODES: Final = ("code", "error_code", "errcode", "type")
#: Characters of a body that are kept.
_MOST: Final = 2_000
_HIDDEN: Final = re.compile(r"(?is)<(script|style|head)\b.*?</\1\s*>|<!--.*?-->")
_TAG: Final = re.compile(r"<[^>]*>?")

Item = TypeVar("Item", bound=Started | Delta | Answer)


class Received:
    def __init__(self) -> None:
        self._answers = False
        self._text = ""
        #: The first object that is none of an answer.
        self._body: dict[str, Any] | None = None

    def through(self, event: SseEvent, items: Iterable[Item]) -> Iterator[Item]:
        """`items`, which a wire made of `event`."""
        if not self._answers:
            self._note(event)
        for item in items:
            self._answers = self._answers or isinstance(item, Delta)
            yield item

    def explained(self, error: Exception) -> Exception:
        """`error`, with the words of the body where it says that the answer has no end and none had begun."""
        if not isinstance(error, StreamTruncated) or self._answers:
            return error
        body = self._body
        if body is None:
            return NoAnswer(words_of(self._text))
        text = text_in(body) or compact(body)
        return NoAnswer(encodable(words_of(text)), code=_code(body), status=_status(body), details=body)

    def _note(self, event: SseEvent) -> None:
        if event.kind != "object":
            self._text = f"{self._text} {event.text}"[:_MOST].strip()
        elif event.value.keys() & _OF_ANSWERS or isinstance(event.value.get("message"), dict):
            self._answers = True
        elif self._body is None and event.value:
            self._body = event.value


def words_of(text: str) -> str:
    """`text` as people read it: of a page, what a browser shows."""
    if not text.lstrip().startswith("<"):
        return text
    shown = _TAG.sub(" ", _HIDDEN.sub(" ", text))
    return " ".join(html.unescape(shown).split())


def _status(body: dict[str, Any]) -> int | None:
    values = (body.get(name) for name in _STATUSES)
    numbers = (int(value) for value in values if isinstance(value, int | str) and str(value).isdecimal())
    return next((number for number in numbers if 400 <= number < 600), None)


def _code(body: dict[str, Any]) -> str | None:
    values = (body.get(name) for name in _CODES)
    return next((encodable(str(value)) for value in values if value and isinstance(value, int | str)), None)
