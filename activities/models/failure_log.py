"""The log line of a model call that failed: which model, at which address, by a key of which variable, and why.

A failure's own message names no address, because it goes into histories and to viewers. Whoever reads this log runs the
worker, and has to know which server to look after.
"""

import os
from collections.abc import Iterator

import structlog

from perdure.activities.models.failures import ModelFailed
from perdure.temporal.definitions.endpoints import address_of
from perdure.temporal.definitions.key_variables import key_variables
from perdure.temporal.settings import environment
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.table import PROVIDERS

#: Exceptions behind an exception that are looked at.
_DEEPEST = 20


def log_failure(model: ModelDefinition, failed: ModelFailed, *, tried_again: bool) -> None:
    """Writes the line. Call it within the attempt, where the log knows the session, turn and attempt."""
    failure = failed.failure
    variables = key_variables(model, PROVIDERS[model.provider], environment())
    log = structlog.get_logger(__name__)
    # An expected failure is tried again, and mostly well.
    write = log.info if failure.benign and failure.status is not None else log.warning
    write(
        "model.failed",
        model=model.use,
        address=address_of(model, environment()),
        # A name that ends in `key` would be taken for a key itself.
        key_variable=" and ".join(variables) if variables else None,
        problem=failure.message,
        cause=cause_of(failed),
        tried_again=tried_again,
    )


def cause_of(error: BaseException) -> str | None:
    """What the operating system says lies behind `error`: `Connection refused`. None where it says nothing.

    Other exceptions are left out, for their text may hold anything."""
    found = None
    for behind in _behind(error):
        if isinstance(behind, OSError):
            found = os.strerror(behind.errno) if behind.errno and behind.errno > 0 else behind.strerror or found
    return found


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(_DEEPEST):
        if error is None:
            return
        yield error
        first = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else None
        error = first or error.__cause__ or error.__context__
