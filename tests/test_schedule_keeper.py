"""Which schedules a worker may delete and overwrite, beside other workers on the real Temporal."""

import asyncio
import json
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.definitions.store import Definitions
from perdure.temporal.server.claims import STANDS_S, Claims
from perdure.temporal.server.client import connect, ensure_search_attributes
from perdure.temporal.server.deliveries import deliveries
from perdure.temporal.server.schedule_keeper import ScheduleKeeper
from perdure.temporal.server.schedules import MARK, attributes_of, origin_of, ours, placed, temporal_schedule
from perdure.temporal.settings import Settings
from perdure.temporal.stores.blobs import LocalBlobs
from tests.support.session_client import PATIENCE_S

pytestmark = pytest.mark.server

HEAD = "models: {m: {use: anthropic/claude-sonnet-5-5}}\nmodel: m\ninstructions: Be brief.\n"


def write(folder: Path, name: str, *sessions: str, message: str = "Report") -> Path:
    """An agent with one schedule per session, each due once a year."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = ", ".join(f'{{cron: "0 9 1 1 *", session: {session}, message: {message}}}' for session in sessions)
    file = folder / f"{name}.yaml"
    file.write_text(f"name: {name}\n{HEAD}schedules: [{listed}]\n")
    return file


class Time:
    """Unix time for the claims of all workers of a test."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Worker:
    """One worker's definitions and the keeper of their schedules. Its data directory is empty, its blobs are shared."""

    def __init__(self, client: Client, clock: Time, root: Path, *folders: Path, data: str = "data") -> None:
        blobs = LocalBlobs(root / "blobs")
        self.definitions = Definitions(folders, blobs=blobs)
        claims = Claims(blobs, client.namespace, clock=clock)
        self.keeper = ScheduleKeeper(client, self.definitions, claims, root / data / "schedules.json")

    async def changed(self) -> None:
        await self.definitions.refresh()
        await self.keeper.place()


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def temporal(temporal_server: DevServer) -> Client:
    client = await connect(Settings.load(), address=temporal_server.address)
    await ensure_search_attributes(client)
    return client


async def listed(client: Client, *wanted: str) -> None:
    """Waits until Temporal lists these among our schedules."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if set(wanted) <= {schedule_id async for schedule_id, _ in ours(client)}:
                return
            await asyncio.sleep(0.05)


async def there(client: Client, *schedule_ids: str) -> list[bool]:
    return [await placed(client, schedule_id) is not None for schedule_id in schedule_ids]


async def message(client: Client, schedule_id: str) -> str | None:
    found = await placed(client, schedule_id)
    assert found is not None
    assert found[0] is not None
    return found[0].schedule.message


async def test_workers_with_other_folders_leave_each_other_s_schedules_alone(
    temporal: Client, clock: Time, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    file = write(first, "one", "one-s")
    write(second, "two", "two-s")
    one, two = "default/perdure/one/one-s", "default/perdure/two/two-s"
    both = Worker(temporal, clock, tmp_path, first, second)
    # Concurrently, as when several workers start.
    starting = Worker(temporal, clock, tmp_path, second)
    await asyncio.gather(both.keeper.place(), both.keeper.place(), starting.keeper.place())
    await listed(temporal, one, two)

    # However long the other workers have been away.
    clock.now += 100 * STANDS_S
    await Worker(temporal, clock, tmp_path, second).keeper.place()
    await Worker(temporal, clock, tmp_path / "apart", second).keeper.place()
    assert await there(temporal, one, two) == [True, True]

    # While any definition is refused, no agent counts as gone.
    file.unlink()
    (second / "three.yaml").write_text("name: three")
    await both.changed()
    assert await there(temporal, one, two) == [True, True]
    (second / "three.yaml").unlink()
    await both.changed()
    assert await there(temporal, one, two) == [False, True]


async def test_what_went_while_no_worker_ran_is_deleted_without_anything_in_the_data_directory(
    temporal: Client, clock: Time, tmp_path: Path
) -> None:
    agents = tmp_path / "agents"
    left = write(agents, "left", "left-s")
    write(agents / "@acme", "left", "left-s")
    write(agents, "kept", "kept-s", "kept-t")
    names = ["default/perdure/left/left-s", "acme/perdure/left/left-s", "default/perdure/kept/kept-t"]
    await Worker(temporal, clock, tmp_path, agents).keeper.place()
    await listed(temporal, *names)
    found = await placed(temporal, names[1])
    assert found is not None
    origin = await origin_of(temporal, found[1])
    assert origin is not None
    assert origin.folder == str(agents)

    left.unlink()
    (agents / "@acme" / "left.yaml").unlink()
    (agents / "@acme").rmdir()
    write(agents, "kept", "kept-s")
    started = Worker(temporal, clock, tmp_path, agents, data="another")
    await started.keeper.place()
    assert await there(temporal, *names) == [True, True, True]
    clock.now += STANDS_S + 1
    await started.keeper.place(changed=False)
    assert await there(temporal, *names, "default/perdure/kept/kept-s") == [False, False, False, True]


async def test_a_folder_that_is_not_there_says_nothing_of_its_schedules(
    temporal: Client, clock: Time, tmp_path: Path
) -> None:
    agents, other = tmp_path / "agents", tmp_path / "other"
    write(other, "mounted", "mounted-t")
    file = write(agents, "mounted", "mounted-s")
    await Worker(temporal, clock, tmp_path, agents).keeper.place()
    await listed(temporal, "default/perdure/mounted/mounted-s")
    file.unlink()
    agents.rmdir()
    clock.now += STANDS_S + 1
    await Worker(temporal, clock, tmp_path, agents, other).keeper.place()
    assert await there(temporal, "default/perdure/mounted/mounted-s") == [True]


async def test_builds_of_a_rolling_deployment_delete_and_overwrite_nothing_of_each_other(
    temporal: Client, clock: Time, tmp_path: Path
) -> None:
    """Workers that read the same folder at different times stand for the builds: each keeps what it has read."""
    agents = tmp_path / "agents"
    write(agents, "rolling", "both", "dropped", message="old")
    old, old_again = (Worker(temporal, clock, tmp_path, agents) for _ in range(2))
    await old.keeper.place()
    write(agents, "rolling", "both", "added", message="new")
    new = Worker(temporal, clock, tmp_path, agents)
    both, dropped, added = (f"default/perdure/rolling/{name}" for name in ("both", "dropped", "added"))
    await new.keeper.place()
    await listed(temporal, both, dropped, added)
    assert await message(temporal, both) == "new"

    # The old build is started once more, and runs beside the new one for long.
    for _ in range(3):
        await old_again.keeper.place(changed=True)
        assert await message(temporal, both) == "old"
        await new.keeper.place(changed=False)
        assert await message(temporal, both) == "old"
        assert await there(temporal, both, dropped, added) == [True, True, True]
        clock.now += STANDS_S - 1

    clock.now += 2
    await new.keeper.place(changed=False)
    assert await message(temporal, both) == "new"
    assert await there(temporal, both, dropped, added) == [True, False, True]


async def test_a_schedule_that_somebody_deleted_comes_back(temporal: Client, clock: Time, tmp_path: Path) -> None:
    write(tmp_path / "agents", "again", "again-s")
    worker = Worker(temporal, clock, tmp_path, tmp_path / "agents")
    await worker.keeper.place()
    await temporal.get_schedule_handle("default/perdure/again/again-s").delete()
    await worker.keeper.place()
    assert await there(temporal, "default/perdure/again/again-s") == [True]


async def test_a_schedule_of_somebody_else_is_not_touched(temporal: Client, clock: Time, tmp_path: Path) -> None:
    file = write(tmp_path / "agents", "mine", "m")
    worker = Worker(temporal, clock, tmp_path, tmp_path / "agents")
    known = worker.definitions.current("mine")
    assert known is not None
    (delivery,) = deliveries(known.definition)
    theirs = delivery.model_copy(update={"schedule": delivery.schedule.model_copy(update={"message": "theirs"})})
    await temporal.create_schedule(
        delivery.schedule_id, temporal_schedule(theirs), search_attributes=attributes_of(theirs)
    )
    await worker.keeper.place()
    assert await message(temporal, delivery.schedule_id) == "theirs"
    file.unlink()
    clock.now += STANDS_S + 1
    await worker.changed()
    assert await message(temporal, delivery.schedule_id) == "theirs"


async def test_schedules_of_an_earlier_version_are_taken_over_with_its_record(
    temporal: Client, clock: Time, tmp_path: Path
) -> None:
    """An earlier version gave schedules no origin, and kept a file that names their definitions."""
    agents, record = tmp_path / "agents", tmp_path / "data" / "schedules.json"
    files = {name: write(agents, name, f"{name}-s") for name in ("stays", "goes")}
    worker = Worker(temporal, clock, tmp_path, agents)
    names = {}
    for name in files:
        known = worker.definitions.current(name)
        assert known is not None
        (delivery,) = deliveries(known.definition)
        names[name] = delivery.schedule_id
        await temporal.create_schedule(
            delivery.schedule_id,
            temporal_schedule(delivery),
            memo={MARK: name},
            search_attributes=attributes_of(delivery),
        )
    record.parent.mkdir()
    record.write_text(json.dumps({names[name]: {"agent": name, "file": str(file)} for name, file in files.items()}))
    files["goes"].unlink()

    await worker.changed()

    assert await there(temporal, names["stays"], names["goes"]) == [True, False]
    found = await placed(temporal, names["stays"])
    assert found is not None
    assert await origin_of(temporal, found[1]) is not None
    assert not record.exists()


async def test_claims_of_others_stand_for_a_while_and_are_then_cleared_away(clock: Time, tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    mine, theirs, foreign = (Claims(blobs, namespace, clock=clock) for namespace in ("one", "one", "two"))
    await mine.make({"a": "1"})
    await theirs.make({"a": "2", "b": "1"})
    await foreign.make({"c": "1"})
    assert await mine.others() == {"a": {"2"}, "b": {"1"}}

    clock.now += STANDS_S - 1
    await theirs.make({"a": "3"})
    assert await mine.others() == {"a": {"3"}}
    clock.now += STANDS_S + 1
    assert await mine.others() == {}
    for _ in range(4):
        clock.now += STANDS_S
        await mine.make({"a": "1"})
    # The last two of its own.
    assert len(await blobs.keys("definitions/schedules")) == 2
