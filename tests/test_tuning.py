"""A worker that is tuned otherwise carries sessions on like any other."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.worker import PollerBehaviorAutoscaling, PollerBehaviorSimpleMaximum

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.app.processes.tuning import worker_options
from perdure.temporal.settings import Settings
from tests.support.session_lab import ONE_STEP, kinds, lab_on


def test_each_setting_reaches_the_worker_that_it_is_for() -> None:
    usual = worker_options(Settings(), "models")
    assert usual["max_concurrent_activities"] == 1000
    assert usual["max_concurrent_workflow_tasks"] == 100
    assert usual["max_activities_per_second"] is None
    assert usual["activity_task_poller_behavior"] == PollerBehaviorSimpleMaximum(5)
    settings = Settings(
        activity_slots=30,
        model_slots=20,
        tool_slots=10,
        workflow_pollers=3,
        activity_pollers=4,
        pollers_at_most=50,
        graceful_shutdown_s=60,
        activities_per_s=2.5,
    )
    slots = {
        kind: worker_options(settings, kind)["max_concurrent_activities"] for kind in ("sessions", "models", "tools")
    }
    assert slots == {"sessions": 30, "models": 20, "tools": 10}
    tuned = worker_options(settings, "sessions")
    assert tuned["workflow_task_poller_behavior"] == PollerBehaviorAutoscaling(2, 50, 3)
    assert tuned["activity_task_poller_behavior"] == PollerBehaviorAutoscaling(1, 50, 4)
    assert tuned["graceful_shutdown_timeout"] == timedelta(seconds=60)
    assert tuned["max_activities_per_second"] == 2.5


@pytest.mark.server
@pytest.mark.parametrize(
    "settings",
    [
        {"memory_target": 0.95, "cpu_target": 0.95, "activity_slots": 20},
        {"pollers_at_most": 20, "workflow_slots": 4, "activities_per_s": 100.0},
    ],
    ids=["by the machine's load", "scaled pollers"],
)
async def test_a_turn_of_a_worker_that_is_tuned(
    temporal_server: DevServer, tmp_path: Path, settings: dict[str, Any]
) -> None:
    async with lab_on(temporal_server, tmp_path, **settings) as lab:
        talk = await lab.start()
        assert kinds(await talk.turn("hello")) == ONE_STEP
        await talk.close()
