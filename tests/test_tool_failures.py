import pytest
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, ServerError, TimeoutType
from temporalio.exceptions import TimeoutError as TemporalTimeout

from perdure.workflows.core.calls.ended import is_final
from perdure.workflows.definition.tools import ToolUse
from perdure.workflows.running.tool_failures import as_data
from perdure.workflows.vocabulary.parts import ToolError

pytestmark = pytest.mark.pure


def failure(cause: BaseException | None) -> ActivityError:
    error = ActivityError(
        "Activity task failed",
        scheduled_event_id=1,
        started_event_id=2,
        identity="w",
        activity_type="pay",
        activity_id="t1.s1.c1",
        retry_state=None,
    )
    error.__cause__ = cause
    return error


def timed_out(kind: TimeoutType) -> TemporalTimeout:
    return TemporalTimeout("timed out", type=kind, last_heartbeat_details=[])


OWN = ApplicationError("sold out", type="sold_out")
FINAL = ApplicationError("sold out", type="sold_out", non_retryable=True)
LOST = ApplicationError("the worker was shut down while this ran", type="worker_died")


@pytest.mark.parametrize(
    ("cause", "kind", "once", "retryable"),
    [
        (OWN, "sold_out", "sold_out", True),
        (FINAL, "sold_out", "sold_out", False),
        (ApplicationError("no type"), "tool_failed", "tool_failed", True),
        (ApplicationError("x", type="declared_final"), "declared_final", "declared_final", False),
        (ApplicationError("cut", type="mcp_lost"), "mcp_lost", "outcome_unknown", True),
        # The tool ran.
        (ApplicationError("too big", type="PayloadsTooLarge"), "result_too_large", "result_too_large", False),
        (ServerError("Complete result exceeds size limit."), "result_too_large", "result_too_large", False),
        (LOST, "tool_failed", "outcome_unknown", True),
        (timed_out(TimeoutType.START_TO_CLOSE), "timeout", "outcome_unknown", True),
        (timed_out(TimeoutType.HEARTBEAT), "timeout", "outcome_unknown", True),
        (timed_out(TimeoutType.SCHEDULE_TO_CLOSE), "timeout", "outcome_unknown", True),
        # The tool never ran.
        (timed_out(TimeoutType.SCHEDULE_TO_START), "no_worker", "no_worker", True),
        (CancelledError("cancelled"), "stopped", "outcome_unknown", False),
        (RuntimeError("odd"), "tool_failed", "tool_failed", False),
        (None, "tool_failed", "tool_failed", False),
    ],
)
def test_each_failure_has_a_type(cause: BaseException | None, kind: str, once: str, retryable: bool) -> None:
    use = ToolUse.model_validate({"pay": {"retry": {"non_retryable": ["declared_final"]}}})
    told = as_data(failure(cause), use)
    assert (told.type, told.retryable) == (kind, retryable)
    assert told.message
    only_once = use.model_copy(update={"side_effects": "once"})
    assert as_data(failure(cause), only_once).type == once


def test_an_unknown_outcome_is_never_told_as_one_that_may_be_tried_again() -> None:
    use = ToolUse.model_validate({"pay": {"side_effects": "once"}})
    told = as_data(failure(timed_out(TimeoutType.HEARTBEAT)), use)
    assert told.retryable is False
    assert "may have taken effect or not" in told.message


def test_a_long_message_is_told_in_short() -> None:
    told = as_data(failure(ApplicationError("x" * 100_000)), ToolUse(name="pay"))
    assert len(told.message) < 3000


@pytest.mark.parametrize(
    ("kind", "idempotent", "after_once"),
    [
        ("timeout", False, False),
        ("sold_out", False, False),
        ("no_worker", False, False),
        ("invalid_arguments", True, True),
        ("stopped", True, True),
        ("outcome_unknown", True, True),
        # The tool took effect, so a fallback must not repeat the effect.
        ("invalid_result", False, True),
        ("result_too_large", False, True),
    ],
)
def test_after_some_failures_no_fallback_is_tried(kind: str, idempotent: bool, after_once: bool) -> None:
    def final(*, once: bool) -> bool:
        return is_final(ToolError(type=kind, message="x"), once=once)

    assert (final(once=False), final(once=True)) == (idempotent, after_once)
