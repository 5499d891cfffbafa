"""What a process tells of itself while it runs: metrics for Prometheus, and spans where they are switched on.

Rule: off means not loaded. The packages of OpenTelemetry are an extra, and are imported when they are asked for.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import structlog
from temporalio.runtime import Runtime

from perdure.temporal.app.console.refused import Refused
from perdure.temporal.settings import Settings
from perdure.temporal.telemetry.exporter import Exporter
from perdure.temporal.telemetry.log import runtime
from perdure.temporal.telemetry.metrics import UNMEASURED, Metrics
from perdure.workflows.core.state.session import SessionState
from perdure.workflows.definition.pricing import Spent
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary.events import Event
from perdure.workflows.vocabulary.parts import Blocked, Message

if TYPE_CHECKING:
    from perdure.temporal.telemetry.tracing import Tracing

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Telemetry:
    """Whom sessions and model calls tell; as it is by default, nobody."""

    metrics: Metrics = UNMEASURED
    exporter: Exporter | None = None
    tracing: "Tracing | None" = None

    def event(self, session: str, before: SessionState, event: Event, stop_at: datetime | None) -> None:
        """A session appended `event`. Called on the workflow's thread; never raises, for that would fail its task."""
        for told in (self.metrics, self.tracing):
            try:
                if told is not None:
                    told.event(session, before, event, stop_at)
            except Exception:
                log.exception("telemetry.failed", kind=event.type)

    def abandoned(self, model: str, spent: Spent) -> None:
        """A session has no summary of what was spent on one. As `event`."""
        try:
            self.metrics.compaction_abandoned(model, spent)
        except Exception:
            log.exception("telemetry.failed", kind="compaction_abandoned")

    def asked(self, prompt: Prompt, messages: tuple[Message, ...]) -> None:
        """A model is about to be asked this. Called within the attempt."""
        if self.tracing is not None:
            self.tracing.asked(prompt, messages)

    def blocked(self, blocked: Blocked) -> None:
        """A tool has held up others. Called within the attempt, at its end."""
        if self.tracing is not None:
            self.tracing.blocked(blocked)


SILENT: Final = Telemetry()


@asynccontextmanager
async def telemetry(settings: Settings, *, served: bool) -> AsyncIterator[tuple[Runtime, Telemetry]]:
    """The runtime for this process's Temporal client, and what is told of it. `served`: a gateway here serves the
    metrics, so they are kept although no address is set for them.

    Raises `ExporterFailed`, and `Refused` where spans are asked for and their packages are missing.
    """
    tracing = _tracing(settings) if settings.otel else None
    try:
        if served or settings.metrics_address is not None:
            exporter = Exporter(settings.metrics_address)
            yield exporter.runtime, Telemetry(Metrics(exporter.runtime.metric_meter), exporter, tracing)
        else:
            yield runtime(), Telemetry(tracing=tracing)
    finally:
        if tracing is not None:
            await tracing.close()


def _tracing(settings: Settings) -> "Tracing":
    try:
        from perdure.temporal.telemetry.tracing import Tracing
    except ImportError as error:
        raise Refused(f"PERDURE_OTEL=on needs the extra: pip install 'perdure[otel]' ({error})") from error
    tracing = Tracing(content=settings.otel_content)
    tracing.make_global()
    return tracing
