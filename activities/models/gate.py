"""What stands before each request of this worker: the circuit breaker and the allowance of its model, shared by all sessions.

Rule 1: a call waits here only for what a provider said, and not for long: then it fails with the time to come again, and
Temporal waits. Where another model can go on with the step, it hardly waits at all.
Rule 2: a call may be cancelled at any moment, and gives back what it held.
"""

import asyncio
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

import httpx2
import structlog

from perdure.activities.models.allowances import Allowance
from perdure.activities.models.circuits import Circuit
from perdure.activities.models.failure_kinds import LONGEST_WAIT, withheld
from perdure.activities.models.failures import ModelFailed, Source
from perdure.activities.models.patience import LONGEST_QUICK_WAIT
from perdure.temporal.definitions.endpoints import asks_provider
from perdure.temporal.definitions.servers import server_of
from perdure.temporal.settings import environment
from perdure.temporal.telemetry.metrics import UNMEASURED, Metrics
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.table import PROVIDERS
from perdure.workflows.vocabulary import errors

#: Seconds that a call waits for its turn.
LONGEST_HOLD_S: Final = 30.0
#: Seconds that Temporal waits before the attempt that follows the first, doubled for each one after it, and at most.
_FIRST_RETRY_S: Final = 0.1
_LONGEST_RETRY_S: Final = 30.0

#: The passage of the call that runs in this task.
_passing: ContextVar["Passage | None"] = ContextVar("passing", default=None)


async def hear(response: httpx2.Response) -> None:
    """A hook of HTTP clients: the headers of an answer reach the allowance of the call that they are for."""
    passage = _passing.get()
    if passage is not None:
        passage.heard(response.headers, taken=response.is_success)


class Gates:
    """The circuits and allowances of a worker."""

    def __init__(self, metrics: Metrics = UNMEASURED) -> None:
        self._metrics = metrics
        self._circuits: dict[tuple[str, str], Circuit] = {}
        self._allowances: dict[tuple[str, str | None, str], Allowance] = {}
        #: By what a definition says of a model.
        self._known: dict[tuple[str, str | None, str | None], tuple[Circuit, Allowance]] = {}

    def passage(
        self, model: ModelDefinition, step: str, attempt: int, *, has_next: bool, shared: bool = True
    ) -> "Passage":
        """Enter it around a request to `model`. `step` names the step among all sessions'; `attempt` counts from 1.
        `shared=False`: the call learns nothing from others, nor they from it, as where no server is behind the model."""
        if not shared:
            circuit = Circuit(_Reporter(model.use, self._metrics))
            return Passage(model, circuit, Allowance(), self._metrics, step, attempt, has_next=has_next)
        # Finding a server parses its address, which takes longer than all the rest.
        address = (model.use, model.base_url, model.api_key)
        known = self._known.get(address)
        if known is None:
            known = self._known[address] = self._find(model)
        circuit, allowance = known
        return Passage(model, circuit, allowance, self._metrics, step, attempt, has_next=has_next)

    def _find(self, model: ModelDefinition) -> tuple[Circuit, Allowance]:
        server = server_of(model, environment())
        circuit = self._circuits.get((server, model.model_name))
        if circuit is None:
            circuit = self._circuits[server, model.model_name] = Circuit(_Reporter(model.use, self._metrics))
        # The variable that holds a key stands for the key.
        return circuit, self._allowances.setdefault((server, model.api_key, model.model_name), Allowance())


class _Reporter:
    """Tells the log and the metrics that the circuit of a model has opened or closed."""

    def __init__(self, use: str, metrics: Metrics) -> None:
        self._use = use
        self._metrics = metrics

    def __call__(self, is_open: bool) -> None:
        log = structlog.get_logger(__name__)
        if is_open:
            self._metrics.circuit_opened(self._use)
            log.warning("circuit.opened", model=self._use)
        else:
            log.info("circuit.closed", model=self._use)


class Passage:
    """One request of a call, from before it is sent to the end of its answer. Entering it raises `ModelFailed` where the
    model is not to be asked now."""

    def __init__(
        self,
        model: ModelDefinition,
        circuit: Circuit,
        allowance: Allowance,
        metrics: Metrics,
        step: str,
        attempt: int,
        *,
        has_next: bool,
    ) -> None:
        self._model = model
        self._circuit = circuit
        self._allowance = allowance
        self._metrics = metrics
        self._step = step
        self._attempt = attempt
        self._hold_s = LONGEST_QUICK_WAIT.total_seconds() if has_next else LONGEST_HOLD_S
        self._heard = False

    @property
    def source(self) -> Source:
        provider = PROVIDERS[self._model.provider]
        endpoint = provider.endpoint
        own = endpoint is None or asks_provider(endpoint, self._model.base_url, environment())
        return Source.of(provider, own=own)

    async def __aenter__(self) -> Self:
        wait = self._circuit.admit()
        if wait is not None:
            # Not sooner than without a circuit: the attempts are counted.
            backoff = min(_FIRST_RETRY_S * 2 ** (self._attempt - 1), _LONGEST_RETRY_S)
            raise self._withheld(errors.MODEL_UNAVAILABLE, "circuit", max(wait, backoff))
        try:
            await self._wait_for_turn()
        except BaseException:
            self._circuit.left()
            raise
        self._token = _passing.set(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _passing.reset(self._token)
        failure = error.failure if isinstance(error, ModelFailed) else None
        if error is None:
            self.answers()
        elif failure is not None:
            self._circuit.failed(failure.kind, self._step)
        else:
            self._circuit.left()
        if not self._heard:
            self._allowance.left()
        if failure is not None and failure.kind == errors.MODEL_RATE_LIMITED:
            wait = failure.retry_after
            self._allowance.refused(wait.total_seconds() if wait is not None else None)

    def heard(self, headers: Mapping[str, str], *, taken: bool) -> None:
        """The answer has begun, with these headers."""
        if not self._heard:
            self._heard = True
            self._allowance.heard(headers, taken=taken)

    def answers(self) -> None:
        """A part of the answer has come: the provider is well."""
        self._circuit.answered()

    async def _wait_for_turn(self) -> None:
        clock = asyncio.get_running_loop().time
        until = clock() + self._hold_s
        held = False
        while (wait := self._allowance.take()) is not None:
            if clock() + wait > until:
                raise self._withheld(errors.MODEL_RATE_LIMITED, "rate_limit", wait)
            if not held:
                self._metrics.call_held(self._model.use, "rate_limit")
            held = True
            await asyncio.sleep(wait)

    def _withheld(self, kind: str, reason: str, wait: float) -> ModelFailed:
        self._metrics.call_held(self._model.use, reason)
        wait = min(wait, LONGEST_WAIT.total_seconds())
        return ModelFailed(withheld(kind, self.source, timedelta(seconds=wait)))
