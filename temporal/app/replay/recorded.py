"""Which recorded histories there are to replay: by a visibility query, or as files of a folder.

Rule: live ones come first, for what breaks them breaks them today; among equals the longest, so that no long one is left
to run alone at the end.
"""

import re
from datetime import datetime
from pathlib import Path
from typing import Final

from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus

from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.replay.verdicts import Recorded

_SESSIONS: Final = "WorkflowType = 'SessionWorkflow'"
#: Sessions whose other runs are asked for at once.
_BATCH: Final = 50
#: The event that ends a run, as the SDK and Temporal's own tools write it. What users said is base64 in these files.
_END: Final = re.compile(
    rb'"(?:EVENT_TYPE_WORKFLOW_EXECUTION_(?:COMPLETED|FAILED|TIMED_OUT|CANCELED|TERMINATED|CONTINUED_AS_NEW)'
    rb'|WorkflowExecution(?:Completed|Failed|TimedOut|Canceled|Terminated|ContinuedAsNew))"'
)


def active_since(moment: datetime) -> str:
    """The query for sessions that are open, or were at work after `moment` (with its time zone)."""
    return f"ExecutionStatus = 'Running' OR CloseTime > '{moment.isoformat()}'"


async def found_by(client: Client, query: str) -> list[Recorded]:
    """All runs of the sessions that `query` finds, be it by one of them. Raises `RPCError`."""
    matches = f"{_SESSIONS} AND ({query})" if query.strip() else _SESSIONS
    runs = {run.run_id: run async for run in client.list_workflows(matches)}
    # Ids of sessions hold no quote; a workflow of this type that somebody else started might.
    ids = sorted({run.id for run in runs.values() if "'" not in run.id})
    for start in range(0, len(ids), _BATCH):
        named = ", ".join(f"'{one}'" for one in ids[start : start + _BATCH])
        async for run in client.list_workflows(f"{_SESSIONS} AND WorkflowId IN ({named})"):
            runs[run.run_id] = run
    return [
        Recorded(workflow_id=run.id, run_id=run.run_id, live=_is_live(run))
        for run in sorted(runs.values(), key=lambda run: (not _is_live(run), -run.history_length, run.id))
    ]


def _is_live(run: WorkflowExecution) -> bool:
    return run.status is WorkflowExecutionStatus.RUNNING


def in_folder(folder: Path) -> list[Recorded]:
    """The files `*.json` in `folder` and below. Raises `Refused` where there are none."""
    if not folder.is_dir():
        raise Refused(f"--dir {folder}: there is no such folder")
    files = [(path, path.stat().st_size) for path in sorted(folder.rglob("*.json")) if path.is_file()]
    if not files:
        raise Refused(f"--dir {folder}: there is no file *.json in it")
    files.sort(key=lambda found: -found[1])
    recorded = [
        Recorded(workflow_id=path.name, run_id="", live=_END.search(path.read_bytes()) is None, file=path.absolute())
        for path, _ in files
    ]
    return sorted(recorded, key=lambda one: not one.live)
