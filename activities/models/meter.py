"""What one attempt at a model call uses: as its server counted it, and estimated where the server did not.

Rule 1: estimates err upwards, but never above what is reserved for an attempt. Input is a token for every three bytes of the
request. Output is a token for every three bytes streamed, rounded up, at least one. What rests on an estimate says so.
Rule 2: a request that was sent costs its input, unless the server refused it.
Rule 3: a count of zero is no count: every request has input, and what has streamed is output. Nor is a total below its parts
believed, for some servers leave cached input and reasoning out of it.
"""

from collections.abc import Iterable
from typing import Final

from perdure.activities.encoding.compact_json import compact
from perdure.workflows.core.budget import BYTES_PER_TOKEN
from perdure.workflows.definition.agent import Price
from perdure.workflows.definition.pricing import Spent, spent, worst_case
from perdure.workflows.vocabulary.parts import Part, Reasoning, Text, ToolCall, Usage

#: Tokens a second, assumed as long as the pace of the model is unknown.
_PACE: Final = 60
_INPUT: Final = {"input_tokens", "cached_tokens", "cache_write_tokens"}


class Meter:
    def __init__(self, price: Price | None, request_bytes: int, max_output_tokens: int) -> None:
        """`price` None: it is unknown."""
        self._price = price
        self._most = max_output_tokens
        self.input = Usage(input_tokens=_tokens(request_bytes), estimated=True)
        self._told = Usage()
        #: The answer is complete.
        self._whole = False
        self._sent = False
        self._bytes = 0
        #: The provider has begun to answer.
        self.streaming = False

    def sent(self) -> None:
        """The request is about to be sent."""
        self._sent = True

    def refused(self) -> None:
        """The provider refused the request, unless the answer had begun to stream."""
        self._sent = self.streaming

    @property
    def has_output(self) -> bool:
        """A part of the answer has come."""
        return self._bytes > 0

    def begun(self, told: Usage) -> None:
        """The provider has begun to answer. `told` is the usage that it reports at that point."""
        self.streaming = True
        self._told = told

    def streamed(self, text: str) -> None:
        self._bytes += len(text.encode(errors="replace"))

    def answered(self, usage: Usage, parts: Iterable[Part]) -> None:
        """The answer is complete. `usage` is what its server counted, as far as it did."""
        self._whole = True
        # Some servers count the input at the beginning and not again.
        input_of = usage if usage.input_tokens or usage.cached_tokens or usage.cache_write_tokens else self._told
        self._told = usage.model_copy(update=input_of.model_dump(include=_INPUT))
        # Some servers send an answer in one piece, of which nothing streams.
        self._bytes = max(self._bytes, sum(map(_size, parts)))

    def usage(self, ahead: int = 0) -> Usage:
        """The usage so far, with `ahead` more tokens of output."""
        if not self._sent:
            return Usage()
        told = _with_parts(self._told)
        output, counted = self._output(told, ahead)
        return told.model_copy(
            update={
                "input_tokens": told.input_tokens or self.input.input_tokens,
                "output_tokens": output,
                "estimated": told.estimated or not told.input_tokens or not counted,
            }
        )

    def _output(self, told: Usage, ahead: int) -> tuple[int, bool]:
        """Tokens of output, and whether the server counted them."""
        if self._whole and (told.output_tokens or (told.input_tokens and not self._bytes)):
            return told.output_tokens, True
        if not self.streaming and not self._whole:
            return 0, False
        streamed = min(max(_tokens(self._bytes), 1) + (0 if self._whole else ahead), max(self._most, 1))
        return max(told.output_tokens, streamed), False

    def spent(self, ahead_s: float = 0, elapsed_s: float = 0) -> Spent:
        """The cost so far, with what may stream in the next `ahead_s` seconds at the pace of the last `elapsed_s`."""
        pace = max(_tokens(self._bytes) / elapsed_s if elapsed_s > 1 else 0, _PACE)
        return spent(self._price, self.usage(round(pace * ahead_s)))

    def worst(self) -> Spent:
        """The most that this attempt can cost."""
        tokens = self.input.input_tokens
        usage = self.input.model_copy(update={"output_tokens": self._most})
        return Spent(usage=usage, cost_usd=worst_case(self._price, tokens, self._most) if self._price else None)

    def silent(self) -> Spent:
        """The cost of an attempt with the same request that reported nothing."""
        return spent(self._price, self.input)


def _with_parts(told: Usage) -> Usage:
    """`told` with totals that hold their parts."""
    cache = told.cached_tokens + told.cache_write_tokens
    return told.model_copy(
        update={
            "input_tokens": told.input_tokens + (cache if cache > told.input_tokens else 0),
            "output_tokens": told.output_tokens
            + (told.reasoning_tokens if told.reasoning_tokens > told.output_tokens else 0),
        }
    )


def _size(part: Part) -> int:
    """Bytes of what a model wrote."""
    match part:
        case Text() | Reasoning():
            written = part.text
        case ToolCall():
            written = part.name + (compact(part.args) if part.args_raw is None else part.args_raw)
        case _:
            written = ""
    return len(written.encode(errors="replace"))


def _tokens(count: int) -> int:
    return -(-count // BYTES_PER_TOKEN)
