"""Payloads that are too large for a history are stored with their session's blobs, and come back unchanged."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio import activity, workflow
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import StorageDriverRetrieveContext, StorageDriverStoreContext, StorageDriverWorkflowInfo
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.server.client import connect
from perdure.temporal.settings import Settings
from perdure.temporal.stores.blobs import BlobMissing, LocalBlobs
from perdure.temporal.stores.codec import BlobDriver, data_converter
from perdure.workflows.vocabulary.parts import Frozen, Text


class Note(Frozen):
    part: Text


ANY = StorageDriverRetrieveContext()
SMALL, BIG = Note(part=Text(text="x" * 1000)), Note(part=Text(text="ä" * 200_000))


@activity.defn
async def twice(note: Note) -> Note:
    return Note(part=Text(text=note.part.text * 2))


@workflow.defn(sandboxed=False)
class Notes:
    @workflow.run
    async def run(self, note: Note) -> Note:
        return await workflow.execute_activity(twice, note, start_to_close_timeout=timedelta(seconds=10))


@pytest.mark.server
async def test_a_big_value_travels_through_a_workflow_by_its_sessions_blobs(tmp_path: Path) -> None:
    blobs = tmp_path / "blobs"
    async with DevServer(tmp_path, port=0, ui_port=None) as server:
        client = await connect(Settings(data_dir=tmp_path), address=server.address)
        runner = UnsandboxedWorkflowRunner()
        async with Worker(client, task_queue="q", workflows=[Notes], activities=[twice], workflow_runner=runner):
            small = await client.execute_workflow(Notes.run, SMALL, id="default/small", task_queue="q")
            big = await client.execute_workflow(Notes.run, BIG, id="default/big", task_queue="q")
            other = await client.execute_workflow(Notes.run, BIG, id="no-session", task_queue="q")
        history = await client.get_workflow_handle("default/big").fetch_history()

    assert small == Note(part=Text(text=SMALL.part.text * 2))
    assert big == other == Note(part=Text(text=BIG.part.text * 2))
    assert sorted(os.listdir(blobs)) == ["default", "~"]
    assert os.listdir(blobs / "default") == ["big"]
    assert sorted(os.listdir(blobs / "default" / "big")) == sorted(os.listdir(blobs / "~"))
    assert len(os.listdir(blobs / "~")) == 2
    assert len(history.to_json()) < 20_000
    replayer = Replayer(workflows=[Notes], workflow_runner=runner, data_converter=data_converter(blobs))
    assert (await replayer.replay_workflow(history)).replay_failure is None


async def test_erasing_a_session_erases_its_payloads(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    driver = BlobDriver(blobs)
    context = StorageDriverStoreContext(target=StorageDriverWorkflowInfo(namespace="default", id="default/s1"))
    (payload,) = await pydantic_data_converter.encode([SMALL])
    claims = await driver.store(context, [payload, payload])

    assert claims[0] == claims[1]
    assert await BlobDriver(LocalBlobs(tmp_path)).retrieve(ANY, claims) == [payload, payload]
    assert await blobs.delete_prefix("default/s1") == 1
    with pytest.raises(BlobMissing):
        await BlobDriver(LocalBlobs(tmp_path)).retrieve(ANY, claims)


@pytest.mark.parametrize("workflow_id", [None, "s1", "a/b/c", "../s1", "default/", "default/..", "default/ä"])
async def test_a_workflow_that_is_no_session_never_names_a_folder(tmp_path: Path, workflow_id: str | None) -> None:
    context = StorageDriverStoreContext(target=StorageDriverWorkflowInfo(namespace="default", id=workflow_id))
    await BlobDriver(LocalBlobs(tmp_path / "root")).store(context, await pydantic_data_converter.encode([SMALL]))
    assert os.listdir(tmp_path) == ["root"]
    assert os.listdir(tmp_path / "root") == ["~"]


def test_without_a_blob_store_everything_stays_inline() -> None:
    assert data_converter(None).external_storage is None
