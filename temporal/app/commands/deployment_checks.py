"""The checks of `perdure doctor` that concern processes on several machines: their clocks, and the file of API keys."""

import asyncio
import stat
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, PollActivityTaskQueueRequest
from temporalio.client import Client

from perdure.gateway.auth.key_file import KeyFileInvalid, read_keys
from perdure.temporal.app.commands.checkup import Check

_RPC: Final = timedelta(seconds=10)
#: No worker's: nothing is ever put on it.
_QUEUE: Final = "perdure-doctor"
_LOOKS: Final = 30
_BETWEEN_S: Final = 0.1
#: Heartbeats, time-outs and tokens are compared between clocks; half a heartbeat time-out is too much.
_SKEW: Final = timedelta(seconds=1)
_SYNCHRONISE: Final = "synchronise this machine's clock and the server's (NTP): time-outs and tokens are judged by both"


async def clock(client: Client) -> Check:
    """How far this machine's clock and the server's are apart.

    The server tells its time nowhere, but notes when somebody polled. So this polls a queue of its own.
    """
    queue, identity = TaskQueue(name=_QUEUE), f"doctor-{uuid.uuid4().hex}"
    poll = PollActivityTaskQueueRequest(namespace=client.namespace, task_queue=queue, identity=identity)
    look = DescribeTaskQueueRequest(
        namespace=client.namespace, task_queue=queue, task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
    )
    before = datetime.now(UTC)
    polling = asyncio.create_task(client.workflow_service.poll_activity_task_queue(poll, timeout=_RPC))
    try:
        for _ in range(_LOOKS):
            described = await client.workflow_service.describe_task_queue(look, timeout=_RPC)
            after = datetime.now(UTC)
            for poller in described.pollers:
                if poller.identity == identity:
                    return apart(before, poller.last_access_time.ToDatetime(tzinfo=UTC), after)
            await asyncio.sleep(_BETWEEN_S)
    finally:
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)
    return Check("unknown", "clock", "the server did not say when it was asked")


def apart(before: datetime, server: datetime, after: datetime) -> Check:
    """`server` is the server's time at a moment that was, by our clock, between `before` and `after`."""
    skew = max(before - server, server - after, timedelta())
    found = f"this machine's and the server's are at most {_seconds(skew + (after - before))} apart"
    if skew <= _SKEW:
        return Check("ok", "clock", found)
    ahead = "behind" if server > after else "ahead of"
    return Check("failed", "clock", f"this machine's is {_seconds(skew)} {ahead} the server's", _SYNCHRONISE)


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():.2g} s" if span < timedelta(seconds=10) else f"{span.total_seconds():.0f} s"


def keys_file(path: Path) -> Check:
    """Whether gateways can read the file of API keys, and nobody else."""
    name = "API keys"
    try:
        kept = read_keys(path).keys
        mode = stat.S_IMODE(path.stat().st_mode)
    except (KeyFileInvalid, OSError) as error:
        found, _, advice = str(error).partition("; ")
        return Check("failed", name, found, advice or "let the user of the gateways read it")
    if mode & stat.S_IRWXO:
        found = f"every user of this machine can reach {path} (mode {mode:04o}), which also holds what signs tokens"
        return Check("failed", name, found, f"chmod 0600 {path}, and make new keys where strangers have accounts")
    now = datetime.now(UTC)
    valid = [key for key in kept if key.expires_at is None or key.expires_at > now]
    if not valid:
        return Check("warning", name, f"{path} holds none that counts", f"perdure keys create --file {path} makes one")
    over = f", {len(kept) - len(valid)} more are over" if len(valid) < len(kept) else ""
    return Check("ok", name, f"{path} holds {len(valid)}{over}")
