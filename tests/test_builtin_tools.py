"""The shipped tools, called as a worker calls them."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from perdure.activities.shipped.builtin_tools import BUILTIN_TOOLS, calculator, current_time, fetch_url
from perdure.activities.shipped.order_desk import find_order
from perdure.activities.tools.catalogue import Catalogue
from perdure.activities.tools.tool import read_tool
from perdure.temporal.stores.blobs import LocalBlobs
from perdure.workflows.protocol.activities import ToolOutput

Call = Callable[..., Any]


@pytest.fixture
def call(tmp_path: Path) -> Call:
    async def call(fn: Callable[..., Any], **args: JsonValue) -> Any:
        wrapper = read_tool(fn).activity(LocalBlobs(tmp_path), asyncio.get_running_loop())
        output = await ActivityEnvironment().run(wrapper, args)
        assert isinstance(output, ToolOutput)
        return output.output

    return call


async def failure(calling: Any) -> tuple[str, str, bool]:
    with pytest.raises(ApplicationError) as caught:
        await calling
    return caught.value.type or "", caught.value.message, caught.value.non_retryable


def test_each_describes_itself_and_its_arguments() -> None:
    catalogue = Catalogue([*BUILTIN_TOOLS, find_order])
    assert catalogue.names == ("current_time", "calculator", "fetch_url", "find_order")
    for spec in catalogue.specs(catalogue.names):
        assert spec.description
        properties = spec.input["properties"]
        assert isinstance(properties, dict)
        assert all(isinstance(field, dict) and field["description"] for field in properties.values())


@pytest.mark.parametrize("timezone", ["UTC", "Europe/Berlin", "America/St_Johns"])
async def test_current_time(call: Call, timezone: str) -> None:
    clock = await call(current_time, timezone=timezone)
    told = datetime.fromisoformat(clock["time"])
    assert abs(datetime.now(UTC) - told) < timedelta(minutes=1)
    assert (clock["timezone"], clock["weekday"]) == (timezone, told.strftime("%A"))


async def test_current_time_is_utc_unless_told(call: Call) -> None:
    clock = await call(current_time)
    assert (clock["timezone"], clock["time"][-6:]) == ("UTC", "+00:00")


@pytest.mark.parametrize(
    "timezone", ["Mars/Base", "", ".", "America", "../../etc/passwd", "/etc/passwd", "a\0b", "Ü", "CET "]
)
async def test_what_is_no_timezone_is_said(call: Call, timezone: str) -> None:
    kind, message, final = await failure(call(current_time, timezone=timezone))
    assert (kind, final) == ("invalid_arguments", True)
    assert "is not an IANA timezone; use e.g. Europe/Berlin" in message


async def test_a_long_timezone_never_reaches_the_disk(call: Call) -> None:
    kind, message, _ = await failure(call(current_time, timezone="x" * 100_000))
    assert (kind, len(message) < 200) == ("invalid_arguments", True)


async def test_calculator(call: Call) -> None:
    assert await call(calculator, expression="0.1 + 0.2") == {"result": "0.3", "exact": True}
    assert await failure(call(calculator, expression="1 / 0")) == ("calculation_failed", "division by zero", True)
    assert (await failure(call(calculator, expression="9" * 5000)))[0] == "invalid_arguments"


async def test_fetch_url_refuses_what_is_not_public(call: Call) -> None:
    for url in ("http://127.0.0.1/", "http://2130706433/", "http://[::ffff:127.0.0.1]/", "http://169.254.169.254/"):
        kind, message, final = await failure(call(fetch_url, url=url))
        assert (kind, final) == ("fetch_refused", True)
        assert message.endswith("is not on the public internet")


@pytest.mark.parametrize("order_id", ["A-1001", "a-1006 "])
async def test_find_order(call: Call, order_id: str) -> None:
    order = await call(find_order, order_id=order_id)
    assert order["order_id"] == order_id.strip().upper()
    assert order["lines"]


async def test_an_order_that_is_not_there_is_a_typed_failure(call: Call) -> None:
    assert await failure(call(find_order, order_id="A-9999")) == (
        "order_not_found",
        "there is no order 'A-9999'",
        True,
    )
