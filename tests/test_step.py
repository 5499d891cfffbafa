from typing import Any

import pytest
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, TimeoutType
from temporalio.exceptions import TimeoutError as TemporalTimeout

from perdure.workflows.core.changes import Stamp
from perdure.workflows.core.step import finished_step
from perdure.workflows.definition.pricing import Spent
from perdure.workflows.protocol.activities import Partial, StepOutput
from perdure.workflows.protocol.steps import StepRecord
from perdure.workflows.running.failures import step_failure
from perdure.workflows.vocabulary.events import StepFinished
from perdure.workflows.vocabulary.parts import Message, Part, Text, Timing, ToolError, Usage
from tests.support.core import AT, Story

pytestmark = pytest.mark.pure

STAMP = Stamp(seq=5, at=AT, turn_id="t1")
HALF = (Text(text="Once upon"),)
USAGE = Usage(input_tokens=10, output_tokens=5)


def record(reserved: float | None = 0.5) -> StepRecord:
    return Story.new().loaded().turn().open().model_copy(update={"reserved_usd": reserved})


def activity_error(cause: BaseException) -> ActivityError:
    error = ActivityError(
        "activity failed",
        scheduled_event_id=1,
        started_event_id=2,
        identity="w",
        activity_type="call_model",
        activity_id="t1.s1",
        retry_state=None,
    )
    error.__cause__ = cause
    return error


def finished(opened: StepRecord, outcome: StepOutput | ActivityError, stopping: bool) -> StepFinished:
    ended = step_failure(outcome) if isinstance(outcome, ActivityError) else outcome
    return finished_step(opened, ended, stopping, STAMP)


def partial(*, lost: int = 0, streaming: bool = True, parts: tuple[Part, ...] = (), attempt: int = 2) -> Any:
    """The heartbeat details as Temporal returns them: plain JSON."""
    return Partial(attempt=attempt, lost=lost, streaming=streaming, parts=parts).model_dump(mode="json")


def message(*parts: Part, stopped: bool | None = None) -> Message:
    return Message(id="t1.s1", role="assistant", parts=parts, turn_id="t1", at=AT, stopped=stopped)


def output(**fields: Any) -> StepOutput:
    known: dict[str, Any] = {
        "parts": HALF,
        "model": "demo",
        "usage": USAGE,
        "cost_usd": 0.25,
        "timing": Timing(first_token_ms=1, total_ms=2),
        "stop": "end",
        "attempt": 1,
        "request_sha256": "abc",
        "tools_digest": "tools",
    }
    return StepOutput(**known | fields)


def test_a_whole_answer() -> None:
    assert finished(record(), output(), False) == StepFinished(
        **STAMP,
        step_id="t1.s1",
        message=message(*HALF),
        stop="end",
        model="demo/main",
        usage=USAGE,
        cost_usd=0.25,
        timing=Timing(first_token_ms=1, total_ms=2),
        attempt=1,
        request_sha256="abc",
    )


def test_a_stopped_answer_is_kept() -> None:
    step = finished(record(), output(stop="stopped"), True)
    assert (step.message, step.stop) == (message(*HALF, stopped=True), "stopped")


def test_a_whole_answer_stays_whole_though_the_turn_is_stopped() -> None:
    step = finished(record(), output(), True)
    assert (step.message, step.stop) == (message(*HALF), "end")


def test_a_failure_for_good() -> None:
    cause = ApplicationError("No such model.", partial(lost=1), type="model_not_found", non_retryable=True)
    assert step_failure(activity_error(cause)).error == ToolError(type="model_not_found", message="No such model.")
    assert finished(record(), activity_error(cause), False) == StepFinished(
        **STAMP,
        step_id="t1.s1",
        message=message(),
        stop="error",
        model="demo/main",
        usage=Usage(),
        cost_usd=1.0,
        timing=Timing(total_ms=0),
        attempt=2,
        request_sha256=None,
    )


@pytest.mark.parametrize(
    "cause",
    [
        TemporalTimeout(
            "timed out", type=TimeoutType.HEARTBEAT, last_heartbeat_details=[partial(parts=HALF, attempt=3)]
        ),
        ApplicationError("shutting down", partial(parts=HALF, attempt=3)),
        CancelledError("cancelled", partial(parts=HALF, attempt=3)),
    ],
)
def test_a_stop_keeps_what_the_last_heartbeat_held(cause: BaseException) -> None:
    step = finished(record(), activity_error(cause), True)
    assert step.message == message(*HALF, stopped=True)
    assert (step.stop, step.attempt, step.cost_usd) == ("stopped", 3, 0.5)


@pytest.mark.parametrize(
    ("cause", "error"),
    [
        (ApplicationError("busy", type="model_overloaded"), ("model_overloaded", "busy", True)),
        (ApplicationError("what?"), ("model_unexpected", "what?", True)),
        (
            TemporalTimeout("x", type=TimeoutType.START_TO_CLOSE, last_heartbeat_details=[]),
            ("model_timeout", "The model call timed out.", True),
        ),
        (CancelledError("gone"), ("model_unexpected", "gone", False)),
    ],
)
def test_failures_have_a_type(cause: BaseException, error: tuple[str, str, bool]) -> None:
    kind, words, retryable = error
    found = step_failure(activity_error(cause)).error
    assert found == ToolError(type=kind, message=words, retryable=retryable)


def test_a_failure_of_a_whole_book_is_shortened() -> None:
    assert len(step_failure(activity_error(ApplicationError("x" * 1_000_000, type="odd"))).error.message) < 3000


@pytest.mark.parametrize(
    ("cost", "lost", "reserved", "charged"),
    [
        (0.25, 0, 0.5, 0.25),
        (0.25, 2, 0.5, 1.25),
        (None, 0, 0.5, None),
        (None, 1, 0.5, None),
        (0.25, 0, None, 0.25),
        (0.25, 1, None, None),
    ],
)
def test_lost_attempts_are_charged_what_was_reserved(
    cost: float | None, lost: int, reserved: float | None, charged: float | None
) -> None:
    step = finished(record(reserved), output(cost_usd=cost, lost=lost), False)
    assert step.cost_usd == charged


LOST = Spent(usage=Usage(input_tokens=100, output_tokens=2), cost_usd=0.125)
SENT = Spent(usage=Usage(input_tokens=7), cost_usd=0.0625)


def test_attempts_that_told_what_they_cost_are_charged_that() -> None:
    step = finished(record(), output(before=LOST + LOST), False)
    assert (step.usage, step.cost_usd) == (Usage(input_tokens=210, output_tokens=9), 0.5)
    assert finished(record(), output(before=Spent(cost_usd=None)), False).cost_usd is None


@pytest.mark.parametrize("stopping", [False, True])
def test_so_are_those_of_a_step_that_failed(stopping: bool) -> None:
    told = Partial(attempt=4, lost=1, streaming=True, spent=LOST, before=LOST).model_dump(mode="json")
    for cause in (
        TemporalTimeout("late", type=TimeoutType.HEARTBEAT, last_heartbeat_details=[told]),
        ApplicationError("x", told, type="odd"),
        CancelledError("gone", told),
    ):
        event = finished(record(), activity_error(cause), stopping)
        # The attempt that is only counted came from an older worker.
        assert (event.usage, event.cost_usd) == (Usage(input_tokens=200, output_tokens=4), 0.75)


@pytest.mark.parametrize(
    ("cause", "silent"),
    [
        (TemporalTimeout("late", type=TimeoutType.HEARTBEAT, last_heartbeat_details=[]), True),
        (ApplicationError("killed", type="worker_died"), True),
        (ApplicationError("no such step", type="unknown_step", non_retryable=True), False),
        (CancelledError("before it began"), False),
    ],
)
def test_an_attempt_that_died_without_a_word_is_charged_its_input(cause: BaseException, silent: bool) -> None:
    opened = record().model_copy(update={"sent": SENT})
    event = finished(opened, activity_error(cause), True)
    assert (event.usage, event.cost_usd) == ((SENT.usage, SENT.cost_usd) if silent else (Usage(), 0.0))
    # For a step opened before this was recorded, the reserved amount counts.
    assert finished(record(), activity_error(cause), True).cost_usd == (0.5 if silent else 0.0)


def test_what_older_workers_wrote_is_read_and_what_is_unset_is_not_written() -> None:
    old = {"attempt": 2, "lost": 1, "streaming": True, "parts": []}
    assert Partial.model_validate(old).model_dump(mode="json") == old
    assert not {"before", "stop_raw"} & set(output().model_dump(mode="json"))
    assert not {"sent", "nudge"} & set(record().model_dump(mode="json"))


def test_the_providers_own_word_is_told_where_there_is_one() -> None:
    assert finished(record(), output(stop="other", stop_raw="odd"), False).stop_raw == "odd"
    assert finished(record(), output(), False).stop_raw is None


def test_details_that_are_not_ours_are_passed_over() -> None:
    cause = ApplicationError("x", "words", {"attempt": "many"}, partial(lost=1, streaming=False, attempt=2), type="odd")
    step = finished(record(), activity_error(cause), False)
    assert (step.attempt, step.cost_usd) == (2, 0.5)
