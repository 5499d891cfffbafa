"""Keeps Temporal Schedules in line with the `schedules:` of the definitions.

A namespace may hold other schedules: those of people, of other programs, and of other deployments with other agents.
Rule 1: only schedules with our mark are touched, and of these only those of agents that this process serves, or whose
agent is gone from one of its folders.
Rule 2: an agent is gone if the data directory records that it was served from a folder that this process still reads,
and the folder no longer contains it. So a worker that merely has fewer folders removes nothing. While any definition is
refused, no agent counts as gone, because the refused file may define it. If the data directory is lost, its schedules
stay, and `perdure doctor` lists them.
Rule 3: a pass is idempotent, also across concurrent processes; the last process to see a changed definition wins.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleDescription,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from perdure.temporal.definitions.folders import OF_TENANT
from perdure.temporal.definitions.store import Definitions
from perdure.temporal.server.deliveries import owner_of, scheduling
from perdure.temporal.stores.private import write_text
from perdure.workflows.definition.schedules import cron_times
from perdure.workflows.protocol.activities import DELIVERED_WITHIN, TASK_QUEUE, Delivery
from perdure.workflows.scheduled import DeliverMessage
from perdure.workflows.vocabulary.parts import Frozen
from perdure.workflows.vocabulary.search_attributes import AGENT, TENANT

#: The memo that marks a schedule as ours; its value is the agent, as `owner_of` names it.
_MARK: Final = "perdure_agent"
_RPC: Final = timedelta(seconds=10)
_PAUSE_AT_MOST_S: Final = 60.0

log = structlog.get_logger(__name__)


class Served(Frozen):
    """The agent of a recorded schedule, as `owner_of` names it, and the file that defined the agent."""

    agent: str
    file: Path


def temporal_schedule(delivery: Delivery) -> Schedule:
    """The Temporal Schedule for `delivery`.

    Times missed while no server ran are caught up within an hour, but not all of them: while a message is being
    delivered or waits for a worker, the next one is skipped, so an outage ends with one message instead of a backlog.
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
        typed_search_attributes=_attributes(delivery),
        static_summary=f"{delivery.agent}: {schedule.session}",
    )
    policy = SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=DELIVERED_WITHIN)
    return Schedule(action=action, spec=spec, policy=policy)


async def placed(client: Client, schedule_id: str) -> tuple[Delivery | None, ScheduleDescription] | None:
    """The schedule with this id: its delivery, None if it is not one of ours, and Temporal's description.

    None if there is no such schedule. Raises RPCError.
    """
    try:
        found = await client.get_schedule_handle(schedule_id).describe(rpc_timeout=_RPC)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    return await _delivery(client, found), found


async def next_times(client: Client, schedule_id: str) -> tuple[datetime, ...]:
    """The next times of a schedule; empty if it does not exist or is paused. Raises RPCError."""
    found = await placed(client, schedule_id)
    if found is None or found[1].schedule.state.paused:
        return ()
    return tuple(found[1].info.next_action_times)


async def ours(client: Client) -> AsyncIterator[tuple[str, str]]:
    """(id, agent) of each schedule with our mark. Listing a new schedule may take a second. Raises RPCError."""
    async for entry in await client.list_schedules():
        agent = (await entry.memo()).get(_MARK)
        if isinstance(agent, str):
            yield entry.id, agent


class ScheduleKeeper:
    """Keeps the schedules of one process's definitions. `record` is this keeper's own file in the data directory."""

    def __init__(self, client: Client, definitions: Definitions, record: Path) -> None:
        self._client = client
        self._definitions = definitions
        self._record = record

    async def keep(self, interval_s: float) -> None:
        """Every `interval_s` seconds, until cancelled, compares the definitions with Temporal's schedules and updates
        the schedules. Failures are retried with backoff."""
        done: object = None
        pause = interval_s
        while True:
            now = self._desired()
            if now != done:
                try:
                    await self.place()
                    done, pause = now, interval_s
                except Exception as error:
                    log.warning("schedules.failed", error=str(error), retry_s=pause)
                    pause = min(pause * 2, _PAUSE_AT_MOST_S)
            await asyncio.sleep(pause)

    async def place(self) -> None:
        """Runs one pass. Raises RPCError."""
        wanted, served, whole = self._desired()
        recorded = self._recorded()
        created = [one.schedule_id for one in wanted.values() if await self._create(one)]
        updated = [
            one.schedule_id for one in wanted.values() if one.schedule_id not in created and await self._update(one)
        ]
        known = {schedule_id: agent async for schedule_id, agent in ours(self._client)}
        known |= {schedule_id: one.agent for schedule_id, one in recorded.items()}
        removed = [
            schedule_id
            for schedule_id, agent in known.items()
            if schedule_id not in wanted
            and (agent in served or (whole and schedule_id in recorded and self._is_gone(recorded[schedule_id])))
        ]
        for schedule_id in removed:
            await self._remove(schedule_id)
        kept = {name: one for name, one in recorded.items() if name not in removed}
        owners = {name: owner_of(one) for name, one in wanted.items()}
        now = {name: Served(agent=owner, file=served[owner]) for name, owner in owners.items()}
        if kept | now != recorded:
            try:
                await asyncio.to_thread(self._write, kept | now)
            except OSError as error:
                # The schedules are in place even if the record is not written.
                log.warning("schedules.unrecorded", file=str(self._record), error=str(error))
        if created or updated or removed:
            log.info("schedules.placed", created=created, updated=updated, removed=removed)

    def _desired(self) -> tuple[dict[str, Delivery], dict[str, Path], bool]:
        """Deliveries by schedule id, the file of each serving agent, and whether all definitions are valid."""
        found = scheduling(self._definitions)
        wanted = {one.schedule_id: one for _, delivered in found.values() for one in delivered}
        served = {owner: file for owner, (file, _) in found.items()}
        return wanted, served, not self._definitions.problems

    async def _create(self, delivery: Delivery) -> bool:
        """Returns False if a schedule with this id already exists."""
        try:
            await self._client.create_schedule(
                delivery.schedule_id,
                temporal_schedule(delivery),
                memo={_MARK: owner_of(delivery)},
                search_attributes=_attributes(delivery),
                rpc_timeout=_RPC,
            )
        except ScheduleAlreadyRunningError:
            return False
        return True

    async def _update(self, delivery: Delivery) -> bool:
        """Returns False if the schedule is up to date or not ours."""
        changed = False

        async def change(given: ScheduleUpdateInput) -> ScheduleUpdate | None:
            nonlocal changed
            if (await given.description.memo()).get(_MARK) != owner_of(delivery):
                log.warning("schedule.taken", schedule=delivery.schedule_id)
                return None
            if await _delivery(self._client, given.description) == delivery:
                return None
            schedule = temporal_schedule(delivery)
            # A person may have paused the schedule; it stays paused.
            schedule.state = given.description.schedule.state
            changed = True
            return ScheduleUpdate(schedule)

        await self._client.get_schedule_handle(delivery.schedule_id).update(change, rpc_timeout=_RPC)
        return changed

    async def _remove(self, schedule_id: str) -> None:
        try:
            await self._client.get_schedule_handle(schedule_id).delete(rpc_timeout=_RPC)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise

    def _is_gone(self, one: Served) -> bool:
        """Whether its folder is read here and no longer contains it. The caller has checked that no serving agent has
        its name."""
        folders, parent = self._definitions.folders, one.file.parent
        if parent.name.startswith(OF_TENANT) and parent.parent in folders:
            # A tenant's whole folder may be gone.
            return parent.parent.is_dir()
        return one.file in folders or (parent in folders and parent.is_dir())

    def _recorded(self) -> dict[str, Served]:
        try:
            read = json.loads(self._record.read_text())
            return {name: Served.model_validate(one) for name, one in read.items()}
        except (OSError, ValueError, AttributeError):
            # Without the record no agent counts as gone, and `perdure doctor` lists the leftover schedules.
            return {}

    def _write(self, record: dict[str, Served]) -> None:
        self._record.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._record.with_suffix(".tmp")
        write_text(temporary, json.dumps({name: one.model_dump(mode="json") for name, one in sorted(record.items())}))
        temporary.replace(self._record)


async def _delivery(client: Client, found: ScheduleDescription) -> Delivery | None:
    """The delivery of a schedule; None if it is another kind of schedule, or from another version of ours."""
    action = found.schedule.action
    if not isinstance(action, ScheduleActionStartWorkflow):
        return None
    try:
        (delivery,) = await client.data_converter.decode(action.args, [Delivery])
    except (ValueError, RuntimeError):
        return None
    return delivery if isinstance(delivery, Delivery) else None


def _attributes(delivery: Delivery) -> TypedSearchAttributes:
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
