"""What a session's history says of its calls."""

from collections.abc import Iterable

from temporalio.api.history.v1 import HistoryEvent


def open_calls(events: Iterable[HistoryEvent]) -> set[str]:
    """Ids of the calls that have no result yet."""
    scheduled: dict[int, str] = {}
    for event in events:
        match event.WhichOneof("attributes"):
            case "activity_task_scheduled_event_attributes":
                scheduled[event.event_id] = event.activity_task_scheduled_event_attributes.activity_id
            case "activity_task_completed_event_attributes":
                scheduled.pop(event.activity_task_completed_event_attributes.scheduled_event_id, None)
            case "activity_task_canceled_event_attributes":
                scheduled.pop(event.activity_task_canceled_event_attributes.scheduled_event_id, None)
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
