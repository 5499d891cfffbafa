"""What one attempt at a model call uses, estimated where the provider did not report it: for attempts that were lost or
stopped.

Rule 1: estimates err upwards, but never above what is reserved for an attempt. Input is what the provider reported, or a
token for every three bytes of the request. Output is a token for every three bytes streamed, rounded up, at least one.
Rule 2: a request that was sent costs its input, unless the provider refused it.
"""

from typing import Final

from perdure.workflows.core.budget import BYTES_PER_TOKEN
from perdure.workflows.definition.agent import Price
from perdure.workflows.definition.pricing import Spent, spent
from perdure.workflows.vocabulary.parts import Usage

#: Tokens a second, assumed as long as the pace of the model is unknown.
_PACE: Final = 60


class Meter:
    def __init__(self, price: Price | None, request_bytes: int, max_output_tokens: int) -> None:
        """`price` None: it is unknown."""
        self._price = price
        self._most = max_output_tokens
        self.input = Usage(input_tokens=_tokens(request_bytes))
        self._told = Usage()
        self._bill: Usage | None = None
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

    def billed(self, usage: Usage) -> None:
        """The answer is complete. `usage` is what its provider counted, if it did."""
        self._bill = usage if usage != Usage() else None

    def usage(self, ahead: int = 0) -> Usage:
        """The usage so far, with `ahead` more tokens of output."""
        if self._bill is not None:
            return self._bill
        if not self._sent:
            return Usage()
        output = 0
        if self.streaming:
            output = min(max(_tokens(self._bytes), 1) + ahead, max(self._most, 1))
        told = self._told
        return told.model_copy(
            update={
                "input_tokens": told.input_tokens or self.input.input_tokens,
                "output_tokens": max(told.output_tokens, output),
            }
        )

    def spent(self, ahead_s: float = 0, elapsed_s: float = 0) -> Spent:
        """The cost so far, with what may stream in the next `ahead_s` seconds at the pace of the last `elapsed_s`."""
        pace = max(_tokens(self._bytes) / elapsed_s if elapsed_s > 1 else 0, _PACE)
        return spent(self._price, self.usage(round(pace * ahead_s)))

    def silent(self) -> Spent:
        """The cost of an attempt with the same request that reported nothing."""
        return spent(self._price, self.input)


def _tokens(count: int) -> int:
    return -(-count // BYTES_PER_TOKEN)
