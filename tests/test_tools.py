"""A function as a tool: its activity, run in the SDK's own test environment."""

import asyncio
import dataclasses
import hashlib
import re
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, JsonValue, field_serializer
from temporalio import activity
from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DefaultFailureConverter
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.testing import ActivityEnvironment

from perdure.activities.tools.tool import ToolLoadError, read_tool
from perdure.temporal.stores.blobs import LocalBlobs, unfold
from perdure.temporal.stores.files import get_file
from perdure.workflows.protocol.activities import ToolOutput
from perdure.workflows.vocabulary.parts import INLINE_LIMIT, ToolResult


@dataclasses.dataclass(frozen=True)
class Bench:
    """Runs tools as their activities, as the second attempt of call `t1.s1.c1` in session `acme/s1`."""

    blobs: LocalBlobs
    environment: ActivityEnvironment

    async def call(self, fn: Callable[..., Any], args: dict[str, JsonValue] | None = None) -> ToolOutput:
        wrapper = read_tool(fn).activity(self.blobs, asyncio.get_running_loop())
        if activity._Definition.must_from_callable(wrapper).is_async:
            output = await self.environment.run(wrapper, args or {})
        else:
            output = await asyncio.to_thread(self.environment.run, wrapper, args or {})
        assert isinstance(output, ToolOutput)
        return output

    async def failure(self, fn: Callable[..., Any], args: dict[str, JsonValue] | None = None) -> tuple[str, str, bool]:
        """Type, message and whether it is final."""
        with pytest.raises(ApplicationError) as caught:
            await self.call(fn, args)
        return caught.value.type or "", caught.value.message, caught.value.non_retryable


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, workflow_id="acme/s1", activity_id="t1.s1.c1", attempt=2)
    return Bench(LocalBlobs(tmp_path), environment)


class Receipt(BaseModel):
    day: date
    total: float


class Opaque:
    pass


@activity.defn
async def pay(amount: float, day: date) -> Receipt:
    return Receipt(day=day, total=amount)


@activity.defn(name="pay")
def pay_in_thread(amount: float, day: date) -> Receipt:
    assert threading.current_thread() is not threading.main_thread()
    return Receipt(day=day, total=amount)


@activity.defn
async def book(size: int) -> str:
    return "é" * size


@activity.defn(name="book")
def book_in_thread(size: int) -> str:
    return "é" * size


@pytest.mark.parametrize("tool", [pay, pay_in_thread])
async def test_arguments_are_converted_and_results_become_json(bench: Bench, tool: Callable[..., Any]) -> None:
    output = await bench.call(tool, {"amount": 3, "day": "2026-03-01"})
    assert output == ToolOutput(output={"day": "2026-03-01", "total": 3.0}, attempt=2)


@pytest.mark.parametrize("tool", [pay, pay_in_thread])
async def test_bad_arguments_never_reach_the_function(bench: Bench, tool: Callable[..., Any]) -> None:
    assert await bench.failure(tool, {"amount": "a lot", "date": "secret"}) == (
        "invalid_arguments",
        "pay was not called, because its arguments are wrong. amount: should be a valid number, unable to parse string "
        "as a number; day: is required; date: is not an argument of this tool; its arguments: amount, day.",
        True,
    )


@pytest.mark.parametrize("tool", [book, book_in_thread])
async def test_a_big_result_is_folded_and_a_small_one_is_not(bench: Bench, tool: Callable[..., Any]) -> None:
    small = await bench.call(tool, {"size": 1000})
    assert (small.output, small.blob) == ("é" * 1000, None)

    big = await bench.call(tool, {"size": INLINE_LIMIT})
    assert big.blob is not None
    assert big.blob.key.startswith("acme/s1/")
    assert len(big.model_dump_json()) < INLINE_LIMIT
    part = ToolResult(call_id="t1.s1.c1", name="book", output=big.output, blob=big.blob)
    assert await unfold(bench.blobs, (part,)) == (
        ToolResult(call_id="t1.s1.c1", name="book", output="é" * INLINE_LIMIT),
    )


async def test_a_tool_s_own_failure_passes_as_it_is(bench: Bench) -> None:
    @activity.defn
    async def refuse() -> None:
        raise ApplicationError("sold out", {"sku": 7}, type="sold_out", non_retryable=True)

    with pytest.raises(ApplicationError) as caught:
        await bench.call(refuse)
    assert (caught.value.type, caught.value.message, caught.value.details) == ("sold_out", "sold out", ({"sku": 7},))


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ConnectionError("the shop is away"), "ConnectionError", "the shop is away"),
        (ValueError(), "ValueError", "ValueError"),
        (TimeoutError(), "TimeoutError", "TimeoutError"),
    ],
)
async def test_any_other_error_is_typed_by_its_class_and_retried(
    bench: Bench, error: Exception, kind: str, message: str
) -> None:
    @activity.defn
    async def fail() -> None:
        raise error

    @activity.defn(name="fail")
    def fail_in_thread() -> None:
        raise error

    assert await bench.failure(fail) == (kind, message, False)
    assert await bench.failure(fail_in_thread) == (kind, message, False)


async def test_a_long_message_is_shortened(bench: Bench) -> None:
    @activity.defn
    async def fail() -> None:
        raise RuntimeError("x" * 1_000_000)

    _, message, _ = await bench.failure(fail)
    assert len(message) < 3000


async def test_cancellation_passes(bench: Bench) -> None:
    started = asyncio.Event()

    @activity.defn
    async def wait() -> None:
        started.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(bench.call(wait))
    await started.wait()
    bench.environment.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_cancellation_reaches_a_thread_and_passes(bench: Bench) -> None:
    started, wait_for_ever = threading.Event(), threading.Event()

    @activity.defn
    def wait() -> None:
        started.set()
        while not wait_for_ever.wait(0.005):
            pass

    running = asyncio.create_task(bench.call(wait))
    await asyncio.to_thread(started.wait)
    bench.environment.cancel()
    with pytest.raises(CancelledError):
        await running


async def test_what_the_sdk_offers_works_inside(bench: Bench) -> None:
    beats: list[Any] = []
    bench.environment.on_heartbeat = lambda *details: beats.append(details)

    @activity.defn
    async def beat() -> str:
        activity.heartbeat("half")
        return activity.info().activity_id

    @activity.defn
    def beat_in_thread() -> int:
        activity.heartbeat("whole")
        return activity.info().attempt

    assert ((await bench.call(beat)).output, (await bench.call(beat_in_thread)).output) == ("t1.s1.c1", 2)
    assert beats == [("half",), ("whole",)]


@pytest.mark.parametrize("value", [Opaque(), {"deep": [Opaque()]}])
async def test_a_result_that_is_no_json_is_a_final_failure(bench: Bench, value: object) -> None:
    @activity.defn
    async def give() -> object:
        return value

    kind, message, final = await bench.failure(give)
    assert (kind, final) == ("invalid_result", True)
    assert message.startswith("give ran, but what it returned is not what it promises: it cannot be written as JSON: ")


async def test_half_a_character_of_a_result_costs_that_character(bench: Bench) -> None:
    @activity.defn
    async def names() -> dict[str, list[str]]:
        return {"caf\udce9": ["\ud800", "\ud83d\ude00", "whole"]}

    @activity.defn
    def name() -> str:
        return "caf\udce9"

    found = (await bench.call(names)).output
    assert isinstance(found, dict)
    assert list(found.values()) == [["\ufffd", "\U0001f600", "whole"]]
    assert all(key.startswith("caf\ufffd") for key in found)
    assert (await bench.call(name)).output == "caf\ufffd"


PNG = b"\x89PNG\r\n\x1a\n\x00"


@dataclasses.dataclass
class Chart:
    title: str
    pictures: list[bytes]


class Page(BaseModel):
    body: bytes
    at: date


class Base64(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64")
    body: bytes


def file(data: bytes, media_type: str = "application/octet-stream") -> dict[str, JsonValue]:
    uri = f"acme/s1/{hashlib.sha256(data).hexdigest()}"
    return {"type": "file", "media_type": media_type, "bytes": len(data), "uri": uri}


@pytest.mark.parametrize(
    ("kind", "value", "output"),
    [
        (bytes, PNG, file(PNG, "image/png")),
        (object, b"plain", file(b"plain")),
        (object, {"a": [bytearray(b"\xff"), memoryview(b"\xfe")]}, {"a": [file(b"\xff"), file(b"\xfe")]}),
        (Chart, Chart("Sales\ud800", [PNG]), {"title": "Sales\ufffd", "pictures": [file(PNG, "image/png")]}),
        (object, [Chart("Sales", [b"\xff"])], [{"title": "Sales", "pictures": [file(b"\xff")]}]),
        (Page, Page(body=b"\xff", at=date(2026, 3, 1)), {"body": file(b"\xff"), "at": "2026-03-01"}),
        (dict[str, bytes], {"k": b"\xff"}, {"k": file(b"\xff")}),
        # The author of the type chose its encoding.
        (Base64, Base64(body=b"\xff"), {"body": "_w=="}),
    ],
)
async def test_bytes_become_files(bench: Bench, kind: Any, value: object, output: JsonValue) -> None:
    async def give() -> object:
        return value

    def give_in_thread() -> object:
        return value

    for fn in (give, give_in_thread):
        fn.__annotations__["return"] = kind
        assert (await bench.call(activity.defn(fn))).output == output
    for sha256 in re.findall(r"acme/s1/([0-9a-f]{64})", str(output)):
        kept = await get_file(bench.blobs, "acme/s1", sha256)
        assert kept is not None
        assert hashlib.sha256(kept[0]).hexdigest() == sha256


async def test_bytes_and_half_characters_of_an_error_and_a_heartbeat_cost_the_tool_nothing(bench: Bench) -> None:
    class Odd(Exception):
        pass

    @activity.defn
    async def fail() -> None:
        raise Odd("no caf\udce9") from ValueError("\ud800")

    @activity.defn
    def fail_its_own_way() -> None:
        raise ApplicationError("no caf\udce9", {"name": "\ud800", "raw": b"\xff"}, type="closed", non_retryable=True)

    @activity.defn
    async def fail_above() -> None:
        raise Odd("fine") from ValueError("\ud800")

    assert await bench.failure(fail) == ("Odd", "no caf\ufffd", False)
    assert await bench.failure(fail_its_own_way) == ("closed", "no caf\ufffd", True)
    assert await bench.failure(fail_above) == ("Odd", "fine", False)
    for fn in (fail, fail_its_own_way, fail_above):
        with pytest.raises(ApplicationError) as raised:
            await bench.call(fn)
        DefaultFailureConverter().to_failure(raised.value, pydantic_data_converter.payload_converter, Failure())


async def test_a_result_whose_own_serializer_fails_is_final(bench: Bench) -> None:
    class Broken(BaseModel):
        n: int

        @field_serializer("n")
        def write(self, n: int) -> int:
            raise LookupError(n)

    @activity.defn
    async def give() -> object:
        return Broken(n=1)

    assert (await bench.failure(give))[::2] == ("invalid_result", True)


async def test_an_endless_result_is_a_final_failure(bench: Bench) -> None:
    @activity.defn
    async def give() -> object:
        value: list[Any] = []
        value.append(value)
        return value

    assert (await bench.failure(give))[0] == "invalid_result"


async def test_bound_methods_are_tools_too(bench: Bench) -> None:
    class Desk:
        stock = 3

        @activity.defn
        async def count(self, times: int = 1) -> int:
            return self.stock * times

    assert (await bench.call(Desk().count, {"times": 2})).output == 6


def test_a_tool_that_cannot_be_described_names_place_function_and_parameter() -> None:
    @activity.defn
    async def odd(value: Opaque) -> None: ...

    with pytest.raises(ToolLoadError) as caught:
        read_tool(odd)
    assert str(caught.value).startswith(
        f"{__file__}:{odd.__code__.co_firstlineno}: tool 'odd': parameter 'value': its type"
    )


@pytest.mark.parametrize("name", ["two words", "1st", "a" * 65, "naïve"])
def test_a_name_that_providers_refuse_is_refused(name: str) -> None:
    @activity.defn(name=name)
    async def tool() -> None: ...

    with pytest.raises(ToolLoadError, match="a tool's name is a letter and then up to 63"):
        read_tool(tool)


def test_a_dynamic_activity_is_no_tool() -> None:
    from collections.abc import Sequence

    from temporalio.common import RawValue

    @activity.defn(dynamic=True)
    async def anything(args: Sequence[RawValue]) -> None: ...

    with pytest.raises(ToolLoadError, match="tool ''"):
        read_tool(anything)
