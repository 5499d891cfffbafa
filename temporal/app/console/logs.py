"""Where a command logs that has not configured its log."""

import sys
from typing import Any

import structlog


def log_to_stderr() -> None:
    """Sends logs to standard error, for standard output is a command's answer. A log that is configured stays."""
    if not structlog.is_configured():
        structlog.configure(logger_factory=_stderr_logger)


def _stderr_logger(*_arguments: Any) -> structlog.PrintLogger:
    return structlog.PrintLogger(sys.stderr)
