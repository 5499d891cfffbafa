"""A worker that reports finished turns: `python -m perdure.temporal.app.bench.rig.worker perdure|bare`.

After `ready`, each line of standard output is a workflow's id and a number: for a session its latest `seq`, for a bare
workflow the number of its finished turns. Both write it in the same way, inside the workflow task that gets there.

`perdure` is Perdure's own worker, assembled as in the product except for the `Live`, which writes these lines.
"""

import asyncio
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

import uvloop
from temporalio.client import Client
from temporalio.worker import (
    Interceptor,
    UnsandboxedWorkflowRunner,
    Worker,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from perdure.temporal.app.bench.rig.asked import REPORT, TASK_QUEUE, Answers, Asked
from perdure.temporal.app.bench.rig.called import Called
from perdure.temporal.app.bench.rig.effects import TOOLS, nod, pause
from perdure.temporal.app.console.exit import leave
from perdure.temporal.app.processes.assembly import assemble, make_worker
from perdure.temporal.app.processes.sources import Sources
from perdure.temporal.live.memory import MemoryLive
from perdure.temporal.server.client import connect
from perdure.temporal.settings import Settings
from perdure.temporal.telemetry.log import configure, runtime


class _ReportingLive(MemoryLive):
    def poke(self, session: str, seq: int = 0) -> None:
        _report(session, seq)
        super().poke(session, seq)


class _Reporting(Interceptor):
    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002 - the SDK's name
    ) -> type[WorkflowInboundInterceptor] | None:
        input.unsafe_extern_functions[REPORT] = _report
        return None


def _report(workflow: str, number: int) -> None:
    # Shorter than a pipe's atomic write, so lines of several threads do not mix.
    os.write(1, f"{workflow} {number}\n".encode())


async def _perdure(client: Client, settings: Settings) -> Worker:
    parts = assemble(settings, Sources(agents=(Path("agents"),), tools=(str(TOOLS),)), demo_without_keys=False)
    await parts.definitions.publish()
    return make_worker(client, _ReportingLive(asyncio.get_running_loop()), parts)


async def _bare(client: Client, settings: Settings) -> Worker:
    answers = Answers()
    throttle = timedelta(seconds=settings.heartbeat_throttle_s)
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[Asked, Called],
        activities=[answers.nothing, answers.model, nod, pause],
        workflow_runner=UnsandboxedWorkflowRunner(),
        interceptors=[_Reporting()],
        max_concurrent_activities=settings.activity_slots,
        max_cached_workflows=settings.cached_workflows,
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=settings.sticky_schedule_to_start_s),
        max_heartbeat_throttle_interval=throttle,
        default_heartbeat_throttle_interval=throttle,
    )


async def _main(kind: str) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    settings = Settings.load(log_level="ERROR", graceful_shutdown_s=0)
    configure(settings)
    client = await connect(settings, runtime=runtime())
    worker = await (_perdure if kind == "perdure" else _bare)(client, settings)
    running = asyncio.create_task(worker.run())
    os.write(1, b"ready\n")
    await stopped.wait()
    await worker.shutdown()
    await asyncio.gather(running, return_exceptions=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_main(sys.argv[1]))
    leave(0)
