"""How much a worker takes at a time, and how it asks for it: the settings, as the SDK's worker has them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Final

from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import (
    PollerBehavior,
    PollerBehaviorAutoscaling,
    PollerBehaviorSimpleMaximum,
    ResourceBasedSlotConfig,
    WorkerDeploymentConfig,
    WorkerTuner,
)

from perdure.activities.tools.runner import SDK_THROTTLE
from perdure.temporal.settings import Settings
from perdure.temporal.task_queues import Serves

#: Local activities look things up in memory and in the blob store, and are over in milliseconds.
_LOCAL_SLOTS: Final = 100
#: Slots that a worker has whatever its machine's load is: without any, it would never take what frees memory.
_LEAST: Final = 5


def worker_options(settings: Settings, serves: Serves) -> dict[str, Any]:
    """The keyword arguments of `temporalio.worker.Worker` that settings decide, for the worker of one task queue."""
    slots = {"sessions": None, "models": settings.model_slots, "tools": settings.tool_slots}[serves]
    slots = slots or settings.activity_slots
    return {
        # Threads are made when a tool that is not `async` needs one; fewer than slots could starve those tools.
        "activity_executor": ThreadPoolExecutor(slots, thread_name_prefix="tool"),
        **_slots(settings, slots),
        "max_cached_workflows": settings.cached_workflows,
        "workflow_task_poller_behavior": _pollers(settings.workflow_pollers, settings.pollers_at_most, least=2),
        "activity_task_poller_behavior": _pollers(settings.activity_pollers, settings.pollers_at_most, least=1),
        "max_activities_per_second": settings.activities_per_s,
        "sticky_queue_schedule_to_start_timeout": timedelta(seconds=settings.sticky_schedule_to_start_s),
        "max_heartbeat_throttle_interval": SDK_THROTTLE,
        "default_heartbeat_throttle_interval": SDK_THROTTLE,
        "graceful_shutdown_timeout": timedelta(seconds=settings.graceful_shutdown_s),
        "deployment_config": _deployment(settings),
    }


def _slots(settings: Settings, activities: int) -> dict[str, Any]:
    if settings.memory_target is None or settings.cpu_target is None:
        return {"max_concurrent_activities": activities, "max_concurrent_workflow_tasks": settings.workflow_slots}
    tuner = WorkerTuner.create_resource_based(
        target_memory_usage=settings.memory_target,
        target_cpu_usage=settings.cpu_target,
        workflow_config=_at_most(settings.workflow_slots),
        activity_config=_at_most(activities),
        local_activity_config=_at_most(_LOCAL_SLOTS),
    )
    return {"tuner": tuner}


def _at_most(slots: int) -> ResourceBasedSlotConfig:
    # Without a pause between two slots: a burst of messages would otherwise wait for its model calls one by one.
    return ResourceBasedSlotConfig(min(_LEAST, slots), slots, ramp_throttle=timedelta())


def _pollers(first: int, most: int | None, *, least: int) -> PollerBehavior:
    if most is None:
        return PollerBehaviorSimpleMaximum(first)
    return PollerBehaviorAutoscaling(minimum=least, maximum=max(first, most), initial=first)


def _deployment(settings: Settings) -> WorkerDeploymentConfig | None:
    if settings.deployment_name is None or settings.build_id is None:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(settings.deployment_name, settings.build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior[settings.versioning.upper()],
    )
