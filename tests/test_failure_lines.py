"""Log lines of failing tools: one line for an answer, one trace for a bug, beginning at the user's own frame."""

import asyncio
import io
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from perdure.activities.tools.catalogue import Catalogue, load_tools
from perdure.activities.tools.places import ToolPlaces
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.server.client import connect
from perdure.temporal.settings import Settings
from perdure.temporal.stores.blobs import LocalBlobs

RATES = {"DE": (5.0, 2)}


@activity.defn
async def weigh(kilograms: float) -> float:
    """Weighs a parcel."""
    activity.logger.info("weighing")
    if kilograms > 30:
        raise ApplicationError("at most 30 kg", type="too_heavy", non_retryable=True)
    return kilograms


def rate(country: str) -> tuple[float, int]:
    return RATES[country]


@activity.defn
def quote(country: str) -> float:
    """What a parcel costs."""
    return rate(country)[0]


@activity.defn
async def quote_all(countries: list[str]) -> list[float]:
    """What parcels cost."""
    return [rate(country)[0] for country in countries]


@workflow.defn
class Calls:
    @workflow.run
    async def run(self, calls: list[tuple[str, dict[str, Any]]], options: dict[str, Any]) -> None:
        for number, (name, args) in enumerate(calls, 1):
            try:
                await workflow.execute_activity(
                    name,
                    args=[args, options],
                    activity_id=f"t1.s1.c{number}",
                    start_to_close_timeout=timedelta(seconds=10),
                    retry_policy=RetryPolicy(maximum_attempts=2, initial_interval=timedelta(milliseconds=1)),
                )
            except ActivityError:
                pass


async def logged(
    server: DevServer, folder: Path, output: io.StringIO, *calls: tuple[str, Any], apart: Path | None = None
) -> list[dict[str, Any]]:
    """The log of a worker that makes these calls, one after the other: of the tools above, or of the file `apart`,
    which run in a process of their own."""
    client = await connect(Settings(data_dir=folder), address=server.address)
    catalogue = Catalogue([weigh, quote, quote_all] if apart is None else load_tools(str(apart)))
    places = None if apart is None else ToolPlaces([str(apart)], 1)
    queue = folder.name
    async with AsyncExitStack() as stack:
        if places is not None:
            stack.push_async_callback(places.aclose)
        threads = stack.enter_context(ThreadPoolExecutor(2))
        worker = Worker(
            client,
            task_queue=queue,
            workflows=[Calls],
            activities=catalogue.activities(LocalBlobs(folder), asyncio.get_running_loop(), places),
            activity_executor=threads,
            workflow_runner=UnsandboxedWorkflowRunner(),
        )
        await stack.enter_async_context(worker)
        given = [list(calls), {"process": apart is not None}]
        await client.execute_workflow(Calls.run, args=given, id=f"default/{queue}", task_queue=queue)
    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    return [line for line in lines if line["logger"] == "temporalio.activity"]


@pytest.mark.server
async def test_an_answer_is_one_line_and_leaves_the_tool_s_own_to_be_seen(
    temporal_server: DevServer, tmp_path: Path, output: io.StringIO
) -> None:
    lines = await logged(
        temporal_server, tmp_path, output, ("weigh", {"kilograms": 31}), ("weigh", {"kilograms": "heavy"})
    )

    assert [line["event"] for line in lines[:1]] == ["weighing"]
    place = f" at {__file__}:"
    refused, misfit = (line["event"] for line in lines[1:])
    assert refused.startswith(f"weigh failed: too_heavy: at most 30 kg{place}")
    assert misfit.startswith("weigh failed: invalid_arguments: weigh was not called")
    assert {(line["level"], "exception" in line) for line in lines} == {("info", False)}


@pytest.mark.server
@pytest.mark.parametrize(
    ("name", "args"), [("quote", {"country": "AQ"}), ("quote_all", {"countries": ["AQ"]})], ids=["thread", "loop"]
)
async def test_a_bug_is_one_trace_that_begins_in_the_tool(
    temporal_server: DevServer, tmp_path: Path, output: io.StringIO, name: str, args: dict[str, Any]
) -> None:
    first, second = await logged(temporal_server, tmp_path, output, (name, args))

    assert first["event"].startswith(f"{name} failed: KeyError: 'AQ' at {__file__}:")
    assert second["event"].startswith(f"{name} failed (attempt 2): KeyError: 'AQ' at {__file__}:")
    assert [line["level"] for line in (first, second)] == ["warning", "warning"]
    head, frame, *_, raised = first["exception"].splitlines()
    assert head == "Traceback (most recent call last):"
    assert frame.startswith(f'  File "{__file__}"')
    assert frame.endswith(f"in {name}")
    assert raised == "KeyError: 'AQ'"
    assert "temporalio" not in first["exception"]
    assert "exception" not in second


@pytest.mark.server
async def test_a_bug_in_a_process_of_its_own_has_its_trace_as_well(
    temporal_server: DevServer, tmp_path: Path, output: io.StringIO
) -> None:
    file = tmp_path / "apart.py"
    tool = "from temporalio import activity\n\n@activity.defn\ndef halve(price: int) -> float:\n    return price / 0\n"
    file.write_text(tool)

    first, second = await logged(temporal_server, tmp_path, output, ("halve", {"price": 1}), apart=file)

    assert first["event"].startswith("halve failed: ZeroDivisionError: division by zero")
    _, frame, *_, raised = first["exception"].splitlines()
    assert frame == f'  File "{file}", line 5, in halve'
    assert raised == "ZeroDivisionError: division by zero"
    assert [line["level"] for line in (first, second)] == ["warning", "warning"]
    assert "exception" not in second


def test_a_server_that_starts_says_nothing(output: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").info("Started server process")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    assert [json.loads(line)["event"] for line in output.getvalue().splitlines()] == ["Invalid HTTP request received."]
