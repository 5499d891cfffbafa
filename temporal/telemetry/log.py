"""Logging for the whole process: records of structlog and of the standard library take the same path.

Rule 1: every line written inside a workflow or an activity carries tenant and session, and in a turn's activities also
the turn.
Rule 2: nothing is logged during a replay, because it was logged when it first happened.
Rule 3: no secrets. Values under secret-looking names, secret-looking values, and the values of known secrets
(`perdure.temporal.telemetry.redaction`) are removed last, after exceptions have been rendered as text.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from datetime import timedelta
from typing import Any, TextIO

import structlog
from temporalio import activity, workflow
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)

from perdure.temporal.settings import Settings
from perdure.temporal.telemetry.failure_lines import summarize_failures
from perdure.temporal.telemetry.redaction import HIDDEN, redacted, without_secrets
from perdure.workflows.definition.providers.table import PROVIDERS

EventDict = MutableMapping[str, Any]

#: The interval of a worker's heartbeats to the server; gateways query them (`perdure.temporal.sessions.workers`).
WORKER_HEARTBEAT = timedelta(seconds=1)

#: `tokens` does not match: the number of tokens that a step used is not a secret.
_SECRET_NAME = re.compile(
    r"api[-_]?key|auth[-_]?token|token$|authorization|passw(or)?d|secret|credential|cookie|(^|[-_])key$", re.IGNORECASE
)
_TURN = re.compile(r"t\d+(?=$|\.)")

#: Libraries that log every request, or each step of their start, at INFO. At DEBUG some log URLs with keys in them, and
#: the content of messages.
_VERBOSE = ("mcp", "httpx", "httpx2", "httpcore", "httpcore2", "asyncio", "uvicorn")
_SDKS = frozenset(provider.sdk for provider in PROVIDERS.values() if provider.sdk is not None)
#: Fields that the SDK and uvicorn add to a record for their own formatters; `_context` adds ours instead.
_FOREIGN = ("temporal_workflow", "temporal_activity", "temporal_log", "__temporal_error_identifier", "color_message")


class _Handler(logging.StreamHandler[TextIO]):
    """A type of our own, so that `configure` finds and replaces the handler of an earlier call."""


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """Sends all logs of this process to `stream` (default: standard error) in the format of `settings.log_format`."""
    shared: list[structlog.types.Processor] = [
        _silent_while_replaying,
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        _context,
        structlog.processors.format_exc_info,
        redact,
    ]
    target = stream or sys.stderr
    renderer: structlog.types.Processor
    if settings.log_format == "json":
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=target.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
        )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = _Handler(target)
    handler.addFilter(_not_replaying)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [other for other in root.handlers if not isinstance(other, _Handler)] + [handler]
    root.setLevel(settings.log_level)
    _configure_libraries(settings.log_level)


def runtime(metrics: PrometheusConfig | None = None) -> Runtime:
    """A runtime for Temporal clients and workers; its Rust core logs on the same path. Create one per process.

    Raises ValueError if `metrics` cannot be served at the given address.
    """
    forwarding = LogForwardingConfig(
        logger=logging.getLogger("temporalio.core"), append_target_to_name=False, prepend_target_on_message=False
    )
    core = LoggingConfig(filter=TelemetryFilter(core_level="WARN", other_level="ERROR"), forwarding=forwarding)
    return Runtime(
        telemetry=TelemetryConfig(logging=core, metrics=metrics, attach_service_name=False),
        worker_heartbeat_interval=WORKER_HEARTBEAT,
    )


def redact(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Hides values under secret-looking names, and secrets inside any other text."""
    for name, value in event.items():
        if not name.startswith("_"):
            event[name] = _clean(name, value)
    return event


def _clean(name: str, value: Any) -> Any:
    if value is not None and not isinstance(value, bool) and _SECRET_NAME.search(name):
        return HIDDEN
    match value:
        case str():
            return without_secrets(value)
        case bytes():
            return without_secrets(value.decode(errors="replace"))
        case dict():
            return {redacted(str(key)): _clean(str(key), inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_clean("", inner) for inner in value]
        case None | bool() | int() | float():
            return value
        case _:
            # Any other value is rendered as text later, and that text may contain a secret.
            return without_secrets(str(value))


def _context(_logger: Any, _method: str, event: EventDict) -> EventDict:
    for name in _FOREIGN:
        event.pop(name, None)
    if workflow.in_workflow():
        running = workflow.info()
        _bind_session(event, running.workflow_id)
        event["timestamp"] = workflow.now().isoformat(timespec="milliseconds")
        return event
    if activity.in_activity():
        call = activity.info()
        if call.workflow_id is not None:
            _bind_session(event, call.workflow_id)
        event.setdefault("activity", call.activity_type)
        event.setdefault("attempt", call.attempt)
        turn = _TURN.match(call.activity_id)
        if turn is not None:
            event.setdefault("turn", turn[0])
    stamped: EventDict = structlog.processors.TimeStamper(fmt="iso")(_logger, _method, event)
    return stamped


def _bind_session(event: EventDict, workflow_id: str) -> None:
    tenant, slash, session = workflow_id.partition("/")
    if slash:
        event.setdefault("tenant", tenant)
        event.setdefault("session", session)
    else:
        event.setdefault("workflow_id", workflow_id)


def _replaying() -> bool:
    return workflow.in_workflow() and workflow.unsafe.is_replaying_history_events()


def _silent_while_replaying(_logger: Any, _method: str, event: EventDict) -> EventDict:
    if _replaying():
        raise structlog.DropEvent
    return event


def _not_replaying(_record: logging.LogRecord) -> bool:
    # A processor cannot drop a record that is already formatted, so records of other libraries are stopped here.
    return not _replaying()


def _configure_libraries(level: str) -> None:
    # The SDK would append the same fields as a dict to each message; a formatter needs modules that the sandbox
    # refuses.
    workflow.logger.workflow_info_on_message = False
    workflow.logger.unsafe_disable_sandbox()
    activity.logger.activity_info_on_message = False
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    summarize_failures()
    for name in (*_VERBOSE, *_SDKS):
        logging.getLogger(name).setLevel(logging.WARNING if level != "ERROR" else logging.ERROR)
