"""Keeps Temporal Schedules in line with the `schedules:` of the definitions.

A namespace may hold other schedules: those of people and of other programs, and those of other workers, which may serve
other agents, or another version of the same ones.
Rule 1: only schedules with our mark are touched.
Rule 2: a schedule is deleted by a worker that reads the folder which the schedule comes from, once that folder no longer
defines the schedule, and no other worker has claimed it (`claims.py`) for as long as a claim stands. So a worker with
other folders deletes nothing, nor does an older build beside a newer one. While any definition is refused, no agent
counts as gone, because the refused file may define it. What no worker may delete stays, and `perdure doctor` lists it.
Rule 3: a worker whose definitions changed, or that has just started, writes its schedules; later it mends only what no
other worker wants as it is. So the builds of a rolling deployment do not overwrite each other again and again, and the
last one that is left prevails.
Rule 4: a pass is idempotent, also across concurrent processes.
"""

import asyncio
import hashlib
import json
import time
from pathlib import Path
from typing import Final

import structlog
from temporalio.client import Client, ScheduleAlreadyRunningError, ScheduleUpdate, ScheduleUpdateInput
from temporalio.service import RPCError, RPCStatusCode

from perdure.temporal.definitions.folders import OF_TENANT
from perdure.temporal.definitions.store import Definitions
from perdure.temporal.server.claims import Claims
from perdure.temporal.server.deliveries import owner_of, scheduling
from perdure.temporal.server.schedules import (
    MARK,
    RPC,
    Origin,
    attributes_of,
    delivery_of,
    origin_of,
    ours,
    placed,
    temporal_schedule,
)
from perdure.workflows.protocol.activities import Delivery
from perdure.workflows.vocabulary.parts import Frozen

#: Between passes over definitions that have not changed. Well below the time for which a claim stands.
_AGAIN_S: Final = 60.0
_PAUSE_AT_MOST_S: Final = 60.0
_SINGLE: Final = (".yaml", ".yml")

log = structlog.get_logger(__name__)


class Wanted(Frozen):
    """A schedule of a definition that serves in this process."""

    delivery: Delivery
    origin: Origin

    @property
    def content(self) -> str:
        """Stands for the schedule in claims."""
        return _content(self.delivery)


class ScheduleKeeper:
    """Keeps the schedules of one process's definitions.

    `record` is a file of an earlier version, which names the definition's file of each schedule that has no origin.
    """

    def __init__(self, client: Client, definitions: Definitions, claims: Claims, record: Path) -> None:
        self._client = client
        self._definitions = definitions
        self._claims = claims
        self._record = record
        #: A new schedule may not be listed yet.
        self._placed: set[str] = set()

    async def keep(self, interval_s: float) -> None:
        """Until cancelled, compares the definitions with Temporal's schedules and updates the schedules: when the
        definitions change, which is looked at every `interval_s` seconds, and once a minute. Failures are retried with
        backoff."""
        done: object = None
        last = 0.0
        pause = interval_s
        while True:
            now = self._desired()
            if now != done or time.monotonic() - last > _AGAIN_S:
                try:
                    await self.place(changed=now != done)
                    done, pause, last = now, interval_s, time.monotonic()
                except Exception as error:
                    log.warning("schedules.failed", error=str(error), retry_s=pause)
                    pause = min(pause * 2, _PAUSE_AT_MOST_S)
            await asyncio.sleep(pause)

    async def place(self, *, changed: bool = True) -> None:
        """Runs one pass. `changed`: the definitions are others than in the last pass. Raises RPCError and
        StoreUnavailable."""
        wanted, served, whole = self._desired()
        recorded = await asyncio.to_thread(self._recorded)
        known = {schedule_id async for schedule_id, _ in ours(self._client)} | self._placed | recorded.keys()
        if not wanted and not known:
            return
        await self._claims.make({name: one.content for name, one in wanted.items()})
        # Read after our own claim is made: of two workers that do this at the same time, at least one sees the other.
        claimed = await self._claims.others()
        created, updated = [], []
        for schedule_id, one in wanted.items():
            if (changed or schedule_id not in known) and await self._create(one):
                created.append(schedule_id)
            elif await self._update(one, frozenset() if changed else claimed.get(schedule_id, frozenset())):
                updated.append(schedule_id)
        self._placed |= wanted.keys()
        removed = []
        for schedule_id in known - wanted.keys() - claimed.keys():
            if await self._is_gone(schedule_id, recorded.get(schedule_id), served, whole):
                await self._remove(schedule_id)
                removed.append(schedule_id)
            self._placed.discard(schedule_id)
        if recorded and not recorded.keys() - wanted.keys() - set(removed):
            await asyncio.to_thread(self._record.unlink, missing_ok=True)
        if created or updated or removed:
            log.info("schedules.placed", created=created, updated=updated, removed=removed)

    def _desired(self) -> tuple[dict[str, Wanted], frozenset[str], bool]:
        """What is wanted by schedule id, the agents that serve, and whether all definitions are valid."""
        found = scheduling(self._definitions)
        wanted = {
            one.schedule_id: Wanted(
                delivery=one, origin=Origin(folder=str(self._folder_of(known.file)), digest=known.digest)
            )
            for known, delivered in found.values()
            for one in delivered
        }
        return wanted, frozenset(found), not self._definitions.problems

    async def _create(self, wanted: Wanted) -> bool:
        """Returns False if a schedule with this id already exists."""
        delivery = wanted.delivery
        try:
            await self._client.create_schedule(
                delivery.schedule_id,
                temporal_schedule(delivery, wanted.origin),
                memo={MARK: owner_of(delivery)},
                search_attributes=attributes_of(delivery),
                rpc_timeout=RPC,
            )
        except ScheduleAlreadyRunningError:
            return False
        return True

    async def _update(self, wanted: Wanted, claimed: frozenset[str]) -> bool:
        """Returns False if the schedule is up to date, or not ours, or `claimed` by others as it is."""
        changed = False

        async def change(given: ScheduleUpdateInput) -> ScheduleUpdate | None:
            nonlocal changed
            if (await given.description.memo()).get(MARK) != owner_of(wanted.delivery):
                log.warning("schedule.taken", schedule=wanted.delivery.schedule_id)
                return None
            delivery = await delivery_of(self._client, given.description)
            origin = await origin_of(self._client, given.description)
            from_here = origin is not None and origin.folder == wanted.origin.folder
            if (delivery == wanted.delivery and from_here) or (delivery is not None and _content(delivery) in claimed):
                return None
            schedule = temporal_schedule(wanted.delivery, wanted.origin)
            # A person may have paused the schedule; it stays paused.
            schedule.state = given.description.schedule.state
            changed = True
            return ScheduleUpdate(schedule)

        await self._client.get_schedule_handle(wanted.delivery.schedule_id).update(change, rpc_timeout=RPC)
        return changed

    async def _is_gone(self, schedule_id: str, recorded: Path | None, served: frozenset[str], whole: bool) -> bool:
        """Whether a schedule that no other worker claims comes from a folder that is read here and lacks it now."""
        found = await placed(self._client, schedule_id)
        agent = (await found[1].memo()).get(MARK) if found is not None else None
        if found is None or not isinstance(agent, str):
            # Deleted since it was listed, or not ours whatever a record says.
            return False
        origin = await origin_of(self._client, found[1])
        if origin is not None:
            folder: Path | None = Path(origin.folder)
        else:
            folder = self._folder_of(recorded) if recorded is not None else None
        if folder is None:
            return agent in served
        if folder not in self._folders:
            return False
        # A folder that is not mounted says nothing; a single file may be deleted.
        readable = folder.parent.is_dir() if folder.suffix in _SINGLE else folder.is_dir()
        return readable and (whole or agent in served)

    async def _remove(self, schedule_id: str) -> None:
        try:
            await self._client.get_schedule_handle(schedule_id).delete(rpc_timeout=RPC)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise

    @property
    def _folders(self) -> frozenset[Path]:
        return frozenset(folder.absolute() for folder in self._definitions.folders)

    def _folder_of(self, file: Path) -> Path:
        """What was given to this process, or to an earlier one, for `file` to be read."""
        file = file.absolute()
        if file in self._folders:
            return file
        parent = file.parent
        return parent.parent if parent.name.startswith(OF_TENANT) and parent not in self._folders else parent

    def _recorded(self) -> dict[str, Path]:
        try:
            read = json.loads(self._record.read_text())
            return {name: Path(one["file"]) for name, one in read.items()}
        except (OSError, ValueError, AttributeError, KeyError, TypeError):
            return {}


def _content(delivery: Delivery) -> str:
    return hashlib.sha256(delivery.model_dump_json().encode()).hexdigest()
