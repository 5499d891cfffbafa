"""The SDK's bare `Replayer` over the files of a folder: `python -m perdure.temporal.app.bench.bare.replayer FOLDER`.

It is what one would write without `perdure replay`: read a file, replay it, check the result. At the end it prints how
many passed.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from perdure.temporal.app.console.exit import leave
from perdure.temporal.stores.codec import data_converter
from perdure.workflows.session import SessionWorkflow


async def _main(folder: Path, paths: list[Path]) -> None:
    replayer = Replayer(
        workflows=[SessionWorkflow],
        data_converter=data_converter(folder / "blobs"),
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    passed = 0
    async with replayer.workflow_replay_iterator(_read(paths)) as results:
        async for result in results:
            passed += result.replay_failure is None
    os.write(1, f"{passed}\n".encode())
    leave(0)


async def _read(paths: Iterable[Path]) -> AsyncIterator[WorkflowHistory]:
    for path in paths:
        # `write_histories` names files after their session.
        session = f"default/{path.name.partition('.')[0]}"
        yield WorkflowHistory.from_json(session, path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    given = Path(sys.argv[1])
    asyncio.run(_main(given, sorted(given.glob("*.json"), key=lambda path: -path.stat().st_size)))
