"""Finds the recorded histories to replay: by a visibility query, or as files in a folder.

Rule: open sessions come first, because code that breaks them breaks them today. Within each group the longest come
first, so that no long history is left to run alone at the end.
"""

import re
from datetime import datetime
from pathlib import Path
from typing import Final

from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus

from perdure.temporal.app.console.refused import Refused
from perdure.temporal.app.replay.verdicts import Recorded

_SESSIONS: Final = "WorkflowType = 'SessionWorkflow'"
#: Number of sessions whose other runs are queried at once.
_BATCH: Final = 50
#: The event that ends a run, as the SDK and Temporal's own tools write it. User content in these files is base64.
_END: Final = re.compile(
    rb'"(?:EVENT_TYPE_WORKFLOW_EXECUTION_(?:COMPLETED|FAILED|TIMED_OUT|CANCELED|TERMINATED|CONTINUED_AS_NEW)'
    rb'|WorkflowExecution(?:Completed|Failed|TimedOut|Canceled|Terminated|ContinuedAsNew))"'
)


def active_since(moment: datetime) -> str:
    """The query for sessions that are open, or were active after `moment` (an aware datetime)."""
    return f"ExecutionStatus = 'Running' OR CloseTime > '{moment.isoformat()}'"


async def found_by(client: Client, query: str) -> list[Recorded]:
    """All runs of the sessions of which `query` finds at least one run. Raises `RPCError`."""
    matches = f"{_SESSIONS} AND ({query})" if query.strip() else _SESSIONS
    runs = {run.run_id: run async for run in client.list_workflows(matches)}
    # Session ids contain no quote, but workflows of this type started by other programs might.
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
    """The files `*.json` in `folder` and below. Raises `Refused` if there are none."""
    if not folder.is_dir():
        raise Refused(f"--dir {folder}: there is no such folder")
    files = [(path, path.stat().st_size) for path in sorted(folder.rglob("*.json")) if path.is_file()]
    if not files:
        raise Refused(f"--dir {folder}: it contains no *.json file")
    files.sort(key=lambda found: -found[1])
    recorded = [
        Recorded(workflow_id=path.name, run_id="", live=_END.search(path.read_bytes()) is None, file=path.absolute())
        for path, _ in files
    ]
    return sorted(recorded, key=lambda one: not one.live)
