"""A worker that is not Perdure's: `python remote_worker.py ADDRESS QUEUE`. It needs only the Temporal SDK."""

import asyncio
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

Args = dict[str, Any]


@activity.defn
async def find_stock(args: Args) -> Args:
    return {"product": args["product"], "pieces": 7}


@activity.defn
async def whose_stock(args: Args, context: Args) -> Args:
    """Returns on whose behalf it is called."""
    return context


@activity.defn
async def bad_stock(args: Args) -> Args:
    return {"pieces": "many"}


@activity.defn
async def all_stock(args: Args) -> list[int]:
    return list(range(args["count"]))


@activity.defn
async def whole_stock(args: Args) -> str:
    """Returns more than a worker can send."""
    with (Path(args["ledger"]) / "counted.txt").open("a") as counted:
        counted.write(f"{activity.info().attempt}\n")
    return "x" * 3_000_000


@activity.defn
async def raw_stock(args: Args) -> bytes:
    return b"\x00\xff"


@activity.defn
async def no_stock(args: Args) -> None:
    raise ApplicationError("sold out", type="sold_out", non_retryable=True)


@activity.defn
async def move_stock(args: Args) -> str:
    book = Path(args["ledger"])
    with (book / "moved.txt").open("a") as moved:
        moved.write(f"{activity.info().activity_id}\n")
    while not (book / "go").exists():
        activity.heartbeat("moving")
        await asyncio.sleep(0.1)
    return "moved"


@activity.defn
async def count_stock(args: Args) -> str:
    """Reports progress from the file `shelf`, with a type that only its own worker can decode."""
    folder = Path(args["ledger"])
    while not (folder / "go").exists():
        private = RawValue(Payload(metadata={"encoding": b"binary/private"}, data=b"\x00\xff"))
        activity.heartbeat(private, {"message": (folder / "shelf").read_text(), "fraction": 0.5})
        await asyncio.sleep(0.1)
    return "counted"


@activity.defn
async def report_stock(args: Args) -> str:
    """Reports the contents of the file `said` in each heartbeat: a JSON list of its details."""
    folder = Path(args["ledger"])
    while not (folder / "go").exists():
        activity.heartbeat(*json.loads((folder / "said").read_text()))
        await asyncio.sleep(0.1)
    return "reported"


async def main(address: str, queue: str) -> None:
    client = await Client.connect(address)
    tools: list[Any] = [whose_stock, find_stock, bad_stock, all_stock, whole_stock, raw_stock, no_stock]
    tools += [move_stock, count_stock, report_stock]
    throttle = timedelta(seconds=0.2)
    async with Worker(client, task_queue=queue, activities=tools, max_heartbeat_throttle_interval=throttle):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
