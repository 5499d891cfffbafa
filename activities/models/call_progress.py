"""How far an attempt at a model call has come and what it has cost: its heartbeats, and its failure as Temporal has it.

Rule: what was sent, streamed and lost is counted, for it was paid for. Each attempt reports its cost before it fails. An
attempt that reported nothing is assumed to have sent its request.
"""

import asyncio
import time
from typing import Final

from pydantic import ValidationError
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from perdure.activities.models.delta_writer import HEARTBEAT_TAIL, DeltaWriter
from perdure.activities.models.failures import ModelFailure
from perdure.activities.models.meter import Meter
from perdure.activities.models.patience import again
from perdure.workflows.core.spending import bears
from perdure.workflows.definition.pricing import Spent
from perdure.workflows.protocol.activities import Partial
from perdure.workflows.protocol.steps import Left
from perdure.workflows.vocabulary import errors
from perdure.workflows.vocabulary.parts import Part

#: Seconds.
HEARTBEAT_S: Final = 2.0
#: What an answer that has begun can break off with, although nothing of it has come yet.
_BREAKS: Final = frozenset([errors.MODEL_CONNECTION, errors.MODEL_TIMEOUT])


class Progress:
    """How far an attempt has come, for heartbeats and for the session's books."""

    def __init__(self, start: Partial, writer: DeltaWriter, *, has_next: bool = False) -> None:
        """`start` is what a heartbeat says of an attempt that begins. `has_next`: another model can go on with the step."""
        self._start = start
        self._has_next = has_next
        self.writer = writer
        self._meter: Meter | None = None
        self._begun = 0.0

    @property
    def attempt(self) -> int:
        return self._start.attempt

    @property
    def lost(self) -> int:
        return self._start.lost

    @property
    def before(self) -> Spent | None:
        return self._start.before

    def measure(self, meter: Meter) -> None:
        """The request is known, and with it what earlier attempts that left no heartbeat may have cost."""
        self._meter = meter
        before = self._start.before or Spent()
        for _ in range(self._start.silent):
            before += meter.silent()
        self._start = self._start.model_copy(update={"silent": 0, "before": before if before != Spent() else None})

    def check_left(self, left: Left | None) -> None:
        """Raises ApplicationError where earlier attempts have left no room for this one. The first one always has it."""
        lost = self._start.before
        if lost is None or self._meter is None or bears(left, lost, self._meter.worst()):
            return
        raise ApplicationError(
            "Attempts that were lost have left too little below the limits for another one.",
            type=errors.BUDGET_EXCEEDED,
            non_retryable=True,
        )

    def begun(self) -> None:
        """The provider has begun to answer: from here on the attempt costs money, and the session has to know."""
        self._begun = time.monotonic()
        self._heartbeat()

    async def beat(self) -> None:
        """Heartbeats on a timer, for providers may be silent for long while a model thinks.

        The first one waits: the SDK sends one at once and holds the next back, and the one at once belongs to `begun`.
        """
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            self._heartbeat()

    def tell(self) -> None:
        """Leaves what this attempt has cost to the next one."""
        activity.heartbeat(self._so_far(self.writer.partial(HEARTBEAT_TAIL)))

    def failed(self, failure: ModelFailure) -> ApplicationError:
        """`failure` as Temporal has it: with what this attempt cost, which is also left to the next one."""
        if self._meter is not None and failure.request == "refused":
            self._meter.refused()
        if self._broke_off(failure):
            self._start = self._start.model_copy(update={"broken": self._start.broken + 1})
        self.tell()
        then = again(failure, self.attempt, self._start.broken, has_next=self._has_next)
        return ApplicationError(
            failure.message,
            {
                "status": failure.status,
                "code": failure.code,
                "provider": failure.provider,
                "retryable": failure.retryable,
                **({"window": failure.window} if failure.window is not None else {}),
                **({"tokens": failure.tokens} if failure.tokens is not None else {}),
            },
            self._so_far(()),
            type=failure.kind,
            non_retryable=then is None,
            next_retry_delay=then.wait if then is not None else None,
            category=ApplicationErrorCategory.BENIGN if failure.benign else ApplicationErrorCategory.UNSPECIFIED,
        )

    def _broke_off(self, failure: ModelFailure) -> bool:
        """Whether the answer had begun and did not end, so that the attempt was paid for."""
        if self._meter is None:
            return False
        unknown = failure.kind == errors.MODEL_SERVER_ERROR and failure.status is None
        began = self._meter.streaming and (unknown or failure.kind in _BREAKS)
        return self._meter.has_output or began or failure.kind == errors.MODEL_STREAM_TRUNCATED

    def with_costs(self, error: ApplicationError) -> ApplicationError:
        """`error`, which is not the provider's, with what this attempt cost; also left to the next one."""
        if self._meter is not None:
            self._meter.refused()
        self.tell()
        return ApplicationError(
            error.message,
            *error.details,
            self._so_far(()),
            type=error.type,
            non_retryable=error.non_retryable,
            next_retry_delay=error.next_retry_delay,
            category=error.category,
        )

    def _heartbeat(self) -> None:
        # What streams until the next heartbeat is lost if the worker dies, so it is counted in advance.
        activity.heartbeat(self._so_far(self.writer.partial(HEARTBEAT_TAIL), ahead_s=HEARTBEAT_S))

    def _so_far(self, parts: tuple[Part, ...], ahead_s: float = 0) -> Partial:
        meter = self._meter
        spent = meter.spent(ahead_s, time.monotonic() - self._begun if self._begun else 0) if meter else Spent()
        streaming = meter is not None and meter.streaming
        return self._start.model_copy(update={"streaming": streaming, "parts": parts, "spent": spent})


def earlier_attempts() -> Partial:
    """What the last heartbeat of an earlier attempt says of those before this one."""
    info = activity.info()
    for detail in info.heartbeat_details:
        try:
            last = Partial.model_validate(detail)
        except ValidationError:
            continue
        before = (last.before or Spent()) + (last.spent or Spent())
        return Partial(
            attempt=info.attempt,
            # An older worker only reports that it had begun to stream.
            lost=last.lost + (last.streaming and last.spent is None),
            streaming=False,
            before=before if before != Spent() else None,
            silent=last.silent + max(info.attempt - 1 - last.attempt, 0),
            broken=last.broken,
        )
    return Partial(attempt=info.attempt, lost=0, streaming=False, silent=info.attempt - 1)
