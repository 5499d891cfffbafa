"""What a session's history says of its tasks and its calls."""

from collections.abc import Iterable, Sequence
from typing import Final

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

_TASK_OPEN: Final = (EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED)


def has_task(events: Sequence[HistoryEvent]) -> bool:
    """Whether a worker has, or will get, something to do for the workflow itself."""
    return events[-1].event_type in _TASK_OPEN


def open_calls(events: Iterable[HistoryEvent]) -> set[str]:
    """Ids of the calls that have neither a result nor failed for good."""
    scheduled: dict[int, str] = {}
    for event in events:
        match event.WhichOneof("attributes"):
            case "activity_task_scheduled_event_attributes":
                scheduled[event.event_id] = event.activity_task_scheduled_event_attributes.activity_id
            case "activity_task_completed_event_attributes":
                scheduled.pop(event.activity_task_completed_event_attributes.scheduled_event_id, None)
            case "activity_task_canceled_event_attributes":
                scheduled.pop(event.activity_task_canceled_event_attributes.scheduled_event_id, None)
            case "activity_task_failed_event_attributes":
                scheduled.pop(event.activity_task_failed_event_attributes.scheduled_event_id, None)
            case "activity_task_timed_out_event_attributes":
                scheduled.pop(event.activity_task_timed_out_event_attributes.scheduled_event_id, None)
            case _:
                pass
    return set(scheduled.values())


def cancelled_calls(events: Iterable[HistoryEvent]) -> set[str]:
    """Ids of the calls that were asked to cancel."""
    scheduled: dict[int, str] = {}
    cancelled: set[str] = set()
    for event in events:
        match event.WhichOneof("attributes"):
            case "activity_task_scheduled_event_attributes":
                activity_id = event.activity_task_scheduled_event_attributes.activity_id
                scheduled[event.event_id] = activity_id
                cancelled.discard(activity_id)
            case "activity_task_cancel_requested_event_attributes":
                cancelled.add(scheduled[event.activity_task_cancel_requested_event_attributes.scheduled_event_id])
            case _:
                pass
    return cancelled
