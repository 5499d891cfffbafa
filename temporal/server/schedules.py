"""Temporal Schedules as Perdure makes them, finds them, and reads them.

Rule 1: a schedule is ours if its memo has our mark. Only such schedules are ever changed or deleted.
Rule 2: the memo of what a schedule starts tells where the schedule comes from, since Temporal lets that be changed later.
"""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from typing import Final

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleCalendarSpec,
    ScheduleDescription,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
)
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from perdure.workflows.definition.schedules import cron_times
from perdure.workflows.protocol.activities import DELIVERED_WITHIN, TASK_QUEUE, Delivery
from perdure.workflows.scheduled import DeliverMessage
from perdure.workflows.vocabulary.parts import Frozen
from perdure.workflows.vocabulary.search_attributes import AGENT, TENANT

#: The memo that marks a schedule as ours; its value is the agent, as `owner_of` names it.
MARK: Final = "perdure_agent"
#: For one call to Temporal.
RPC: Final = timedelta(seconds=10)
_ORIGIN: Final = "perdure_origin"


class Origin(Frozen):
    """Where a schedule comes from."""

    #: The folder of definitions, or the single file, that the worker was given; an absolute path.
    folder: str
    #: Of the definition that the schedule was last written from.
    digest: str


def temporal_schedule(delivery: Delivery, origin: Origin | None = None) -> Schedule:
    """The Temporal Schedule for `delivery`.

    Times missed while no server ran are caught up within an hour, but not all of them: while a delivery runs or
    waits for a worker, the next one is skipped, so an outage ends with one message or trigger instead of a backlog.
    """
    schedule = delivery.schedule
    spec = ScheduleSpec(
        calendars=[
            ScheduleCalendarSpec(
                second=[ScheduleRange(0)],
                minute=_ranges(times.minutes),
                hour=_ranges(times.hours),
                day_of_month=_ranges(times.days),
                month=_ranges(times.months),
                day_of_week=_ranges(times.weekdays),
                comment=schedule.cron,
            )
            for times in cron_times(schedule.cron)
        ],
        time_zone_name=schedule.timezone,
    )
    action = ScheduleActionStartWorkflow(
        DeliverMessage.run,
        delivery,
        id=delivery.schedule_id,
        task_queue=TASK_QUEUE,
        execution_timeout=DELIVERED_WITHIN,
        memo={_ORIGIN: origin.model_dump()} if origin is not None else None,
        typed_search_attributes=attributes_of(delivery),
        static_summary=f"{delivery.agent}: {schedule.session}",
    )
    policy = SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=DELIVERED_WITHIN)
    return Schedule(action=action, spec=spec, policy=policy)


async def placed(client: Client, schedule_id: str) -> tuple[Delivery | None, ScheduleDescription] | None:
    """The schedule with this id: its delivery, None if it is not one of ours, and Temporal's description.

    None if there is no such schedule. Raises RPCError.
    """
    try:
        found = await client.get_schedule_handle(schedule_id).describe(rpc_timeout=RPC)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    return await delivery_of(client, found), found


async def next_times(client: Client, schedule_id: str) -> tuple[datetime, ...]:
    """The next times of a schedule; empty if it does not exist or is paused. Raises RPCError."""
    found = await placed(client, schedule_id)
    if found is None or found[1].schedule.state.paused:
        return ()
    return tuple(found[1].info.next_action_times)


async def ours(client: Client) -> AsyncIterator[tuple[str, str]]:
    """(id, agent) of each schedule with our mark. Listing a new schedule may take a second. Raises RPCError."""
    # All of ours have it; what is of others need not be read.
    async for entry in await client.list_schedules(f"{AGENT.name} IS NOT NULL"):
        agent = (await entry.memo()).get(MARK)
        if isinstance(agent, str):
            yield entry.id, agent


async def delivery_of(client: Client, found: ScheduleDescription) -> Delivery | None:
    """The delivery of a schedule; None if it is another kind of schedule, or from another version of ours."""
    action = found.schedule.action
    if not isinstance(action, ScheduleActionStartWorkflow):
        return None
    try:
        (delivery,) = await client.data_converter.decode(action.args, [Delivery])
    except (ValueError, RuntimeError):
        return None
    return delivery if isinstance(delivery, Delivery) else None


async def origin_of(client: Client, found: ScheduleDescription) -> Origin | None:
    """Where a schedule comes from; None for one that another version of ours placed."""
    action = found.schedule.action
    if not isinstance(action, ScheduleActionStartWorkflow) or action.memo is None or _ORIGIN not in action.memo:
        return None
    try:
        (origin,) = await client.data_converter.decode([action.memo[_ORIGIN]], [Origin])
    except (ValueError, RuntimeError):
        return None
    return origin if isinstance(origin, Origin) else None


def attributes_of(delivery: Delivery) -> TypedSearchAttributes:
    return TypedSearchAttributes(
        [SearchAttributePair(AGENT, delivery.agent), SearchAttributePair(TENANT, delivery.tenant)]
    )


def _ranges(values: Iterable[int]) -> list[ScheduleRange]:
    """Merges consecutive values into ranges, because people read schedules in the Temporal Web UI."""
    ranges: list[list[int]] = []
    for value in values:
        if ranges and ranges[-1][1] == value - 1:
            ranges[-1][1] = value
        else:
            ranges.append([value, value])
    return [ScheduleRange(first, last) for first, last in ranges]
