"""Histories of earlier versions must replay: a worker that cannot replay them stalls every session that it gets."""

import json
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from perdure.temporal.stores.codec import data_converter
from perdure.workflows.core.runs import SessionInput
from perdure.workflows.ledger import LedgerWorkflow
from perdure.workflows.scheduled import DeliverMessage
from perdure.workflows.session import SessionWorkflow
from tests.golden.record import SCENES

FILES = sorted((Path(__file__).parent / "golden" / "sessions").glob("*.json"))
DELIVERIES = sorted((Path(__file__).parent / "golden" / "deliveries").glob("*.json"))
LEDGERS = sorted((Path(__file__).parent / "golden" / "ledgers").glob("*.json"))


@workflow.defn(name="SessionWorkflow")
class Sleepy(SessionWorkflow):
    """The session, with an additional timer that no history contains."""

    @workflow.run
    async def run(self, start: SessionInput) -> Any:
        await workflow.sleep(1)
        return await super().run(start)


def replayer(session: type[Any]) -> Replayer:
    return Replayer(
        workflows=[session], data_converter=data_converter(None), workflow_runner=UnsandboxedWorkflowRunner()
    )


def history(file: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(f"golden/{file.stem}", file.read_text())


def test_there_is_a_history_of_everything_that_a_session_does() -> None:
    now = {file.name.partition(".")[0] for file in FILES}
    assert now == {scene.__name__ for scene in SCENES}
    assert DELIVERIES
    assert LEDGERS
    kinds = {event["eventType"] for file in FILES for event in json.loads(file.read_text())["events"]}
    assert kinds >= {
        f"EVENT_TYPE_{kind}"
        for kind in (
            "WORKFLOW_EXECUTION_CONTINUED_AS_NEW",
            "WORKFLOW_EXECUTION_COMPLETED",
            "ACTIVITY_TASK_FAILED",
            "ACTIVITY_TASK_CANCEL_REQUESTED",
            "MARKER_RECORDED",
            "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES",
        )
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_an_old_history_replays(file: Path) -> None:
    await replayer(SessionWorkflow).replay_workflow(history(file))


@pytest.mark.parametrize("file", [file for file in FILES if file.stem in ("plain.1", "close.2")], ids=lambda f: f.stem)
async def test_a_change_that_old_histories_do_not_bear_is_caught(file: Path) -> None:
    with pytest.raises(workflow.NondeterminismError):
        await replayer(Sleepy).replay_workflow(history(file))


@pytest.mark.parametrize("file", DELIVERIES, ids=lambda file: file.stem)
async def test_an_old_delivery_replays(file: Path) -> None:
    await replayer(DeliverMessage).replay_workflow(history(file))


@pytest.mark.parametrize("file", LEDGERS, ids=lambda file: file.stem)
async def test_an_old_ledger_replays(file: Path) -> None:
    await replayer(LedgerWorkflow).replay_workflow(history(file))


@pytest.mark.parametrize("file", [*FILES, *DELIVERIES, *LEDGERS], ids=lambda file: file.stem)
def test_a_history_tells_nothing_of_the_machine_that_recorded_it(file: Path) -> None:
    text = file.read_text()
    assert "/site-packages/" not in text
    assert str(Path(__file__).parent.parent) not in text
