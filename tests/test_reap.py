"""A dead worker's activities are retried at once, and a living worker's are left alone."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payloads
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueRequest,
    PollActivityTaskQueueResponse,
    RecordActivityTaskHeartbeatRequest,
)
from temporalio.client import Client, WorkflowHandle
from temporalio.common import RetryPolicy, SearchAttributePair, TypedSearchAttributes
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.app.processes.identity import new_identity
from perdure.temporal.app.processes.reap import reap
from perdure.temporal.server.client import connect
from perdure.temporal.settings import Settings
from perdure.workflows.vocabulary.search_attributes import STATUS

DEAD, ALIVE = "dead#1", "alive#2"


@workflow.defn(name="SessionWorkflow", sandboxed=False)
class Session:
    @workflow.run
    async def run(self) -> list[int]:
        answer: list[int] = await workflow.execute_activity(
            "step",
            start_to_close_timeout=timedelta(minutes=5),
            heartbeat_timeout=timedelta(minutes=5),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=100)),
            result_type=list[int],
        )
        return answer


@activity.defn
async def step() -> list[int]:
    """The attempt's number, and the details of the previous attempt's last heartbeat."""
    return [activity.info().attempt, *activity.info().heartbeat_details]


@pytest.fixture(scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    folder = tmp_path_factory.mktemp("reap")
    async with DevServer(folder, port=0, ui_port=None) as server:
        yield await connect(Settings(data_dir=folder), address=server.address)


async def start(client: Client, session: str) -> WorkflowHandle[Session, list[int]]:
    return await client.start_workflow(
        Session.run,
        id=f"default/{session}",
        task_queue="reap",
        search_attributes=TypedSearchAttributes([SearchAttributePair(STATUS, "working")]),
    )


async def take(client: Client, identity: str) -> PollActivityTaskQueueResponse:
    """Takes the next activity like a worker that is killed immediately afterwards."""
    return await client.workflow_service.poll_activity_task_queue(
        PollActivityTaskQueueRequest(namespace="default", task_queue=TaskQueue(name="reap"), identity=identity)
    )


@pytest.mark.server
async def test_only_the_dead_workers_attempts_are_tried_again(client: Client) -> None:
    async with Worker(client, task_queue="reap", workflows=[Session], workflow_runner=UnsandboxedWorkflowRunner()):
        first = await start(client, "s1")
        await heartbeat(client, await take(client, DEAD), 41)
        second = await start(client, "s2")
        await take(client, ALIVE)

        async with asyncio.timeout(20):
            while await reap(client, DEAD) == 0:
                pass
        assert await reap(client, DEAD) == 0

        async with Worker(client, task_queue="reap", activities=[step]):
            assert await first.result() == [2, 41]
            (held,) = (await second.describe()).raw_description.pending_activities
            assert (held.attempt, held.last_worker_identity) == (1, ALIVE)

            assert await reap(client, ALIVE) == 1
            assert await second.result() == [2]


async def heartbeat(client: Client, taken: PollActivityTaskQueueResponse, detail: int) -> None:
    details = Payloads(payloads=await client.data_converter.encode([detail]))
    await client.workflow_service.record_activity_task_heartbeat(
        RecordActivityTaskHeartbeatRequest(task_token=taken.task_token, details=details, identity=DEAD)
    )


def test_each_identity_is_new_and_the_one_before_is_remembered(tmp_path: Path) -> None:
    first, before_first = new_identity(tmp_path)
    second, before_second = new_identity(tmp_path)

    assert (before_first, before_second) == (None, first)
    assert first != second


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"identity": 7}', '{"identity": ""}', "\x00"])
def test_a_broken_file_means_that_nobody_is_known(tmp_path: Path, text: str) -> None:
    (tmp_path / "identity.json").write_text(text)
    assert new_identity(tmp_path)[1] is None
