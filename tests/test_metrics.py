"""Metrics as Prometheus reads them: over real HTTP from `dev`, from a worker, and what each event counts as."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
import pytest_asyncio

from perdure.gateway.live.step import MEASURED_EACH
from perdure.gateway.live.watches import Watches
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.temporal.live.frames import StepDelta
from perdure.temporal.live.redis_live import redis_live
from perdure.temporal.redis_address import redis_address
from perdure.temporal.sessions.sealed import Sealed
from perdure.temporal.settings import Settings, SettingsInvalid
from perdure.temporal.stores.blobs import LocalBlobs
from perdure.temporal.telemetry.exporter import Exporter, ExporterFailed
from perdure.temporal.telemetry.hidden_address import BLOCKED_PORTS
from perdure.temporal.telemetry.metrics import Metrics
from perdure.workflows.vocabulary.events import Event
from perdure.workflows.vocabulary.parts import Text, ToolCall, ToolError, ToolResult, Usage
from tests.support.core import AT, Story, agent, call
from tests.support.dev import Command
from tests.support.live_reading import Speaker
from tests.support.ports import free_ports
from tests.support.redis import Redis
from tests.support.scrape import Scrape, scrape
from tests.support.session_client import Sessions
from tests.support.watching import SESSION, SOON, Session, Viewer

SONNET = "anthropic/claude-sonnet-5-5"
LONG = Reply(text=" ".join(f"word{n}" for n in range(2000)), gap=0.02)


@pytest.fixture(scope="module")
def exporter() -> Exporter:
    """One for all tests, as in a process: tests distinguish their numbers by agents and models of their own, or by
    reading before and after."""
    return Exporter(None)


@pytest.fixture(scope="module")
def metrics(exporter: Exporter) -> Metrics:
    return Metrics(exporter.runtime.metric_meter)


def test_no_page_reads_what_only_this_process_is_to_read(exporter: Exporter) -> None:
    ip, _, port = exporter.address.rpartition(":")
    assert ip.startswith("127.")
    assert int(port) in BLOCKED_PORTS


async def scraped(exporter: Exporter) -> Scrape:
    return Scrape((await exporter.read()).decode())


@pytest.fixture
def sessions(http: httpx2.AsyncClient) -> Sessions:
    return Sessions(http)


async def until(http: httpx2.AsyncClient, right: Callable[[Scrape], bool]) -> Scrape:
    """The first scrape that satisfies `right`: a viewer that disconnects is noticed a moment later."""
    async with asyncio.timeout(60):
        while True:
            found = await scrape(http)
            if right(found):
                return found
            await asyncio.sleep(0.05)


@pytest.mark.slow
@pytest.mark.server
async def test_dev_tells_of_turns_steps_tools_stops_and_viewers(
    http: httpx2.AsyncClient, sessions: Sessions, provider: FakeProvider
) -> None:
    session = await sessions.create()
    provider.script(
        Reply(text="", tools=(("calculator", {"expression": "6*7"}), ("no_such_tool", {})), input_tokens=100),
        Reply(status=529, error="overloaded_error"),
        Reply(text="It is 42.", input_tokens=200, cached_tokens=150, output_tokens=7, reasoning_tokens=3),
    )
    await sessions.ask(session, "six times seven?")
    provider.script(LONG)
    async with sessions.view(session) as viewer:
        await sessions.send(session, "a long story")
        await viewer.until_streaming()
        seen = len(viewer.frames)
        # As many frames as a fast model can write before one of them is measured.
        await viewer.more(seen + 2 * MEASURED_EACH)
        watched = await scrape(http)
        await sessions.stop(session)
        await viewer.until("turn.finished", 2)
    found = await until(http, lambda found: found.value("perdure_viewers") == 0)

    assert watched.value("perdure_viewers") == 1
    expected = {
        ("perdure_turns_total", "agent=assistant reason=done"): 1,
        ("perdure_turns_total", "agent=assistant reason=stopped"): 1,
        ("perdure_steps_total", f"model={SONNET} stop=tool_calls"): 1,
        ("perdure_steps_total", f"model={SONNET} stop=end"): 1,
        ("perdure_steps_total", f"model={SONNET} stop=stopped"): 1,
        ("perdure_step_attempts_total", f"model={SONNET}"): 4,
        ("perdure_lost_attempts_total", f"model={SONNET}"): 1,
        ("perdure_tool_calls_total", "name=calculator outcome=ok"): 1,
        ("perdure_tool_calls_total", "name=(unknown) outcome=unknown_tool"): 1,
        ("perdure_cost_usd_count", f"model={SONNET}"): 3,
        ("perdure_first_token_seconds_count", f"model={SONNET}"): 3,
        ("perdure_first_token_overhead_seconds_count", f"model={SONNET}"): 4,
        ("perdure_stop_delay_seconds_count", ""): 1,
        ("perdure_viewers_cut_total", ""): 0,
        ("perdure_lost_frames_total", ""): 0,
    }
    assert {
        (name, labels): found.value(name, **dict(pair.split("=") for pair in labels.split()))
        for name, labels in expected
    } == expected
    whole = await sessions.snapshot(session)
    for kind, tokens in {
        "input": whole["usage"]["input_tokens"],
        "cached": whole["usage"]["cached_tokens"],
        "cache_write": whole["usage"]["cache_write_tokens"],
        "output": whole["usage"]["output_tokens"],
        "reasoning": whole["usage"]["reasoning_tokens"],
    }.items():
        assert found.value("perdure_tokens_total", model=SONNET, kind=kind) == tokens
    assert found.value("perdure_cost_usd_sum", model=SONNET) == pytest.approx(whole["cost_usd"])
    assert (found.value("perdure_live_lag_seconds_count") or 0) >= 1
    for name in ("first_token_overhead_seconds", "stop_delay_seconds", "live_lag_seconds"):
        labels = {"model": SONNET} if name.startswith("first") else {}
        assert 0 < (found.value(f"perdure_{name}_sum", **labels) or 0) < 60
    # The SDK's own metrics, with the unit in the name.
    assert found.families["temporal_request_latency_seconds"].type == "histogram"
    assert found.families["temporal_activity_execution_latency_seconds"].type == "histogram"


@pytest.mark.slow
@pytest.mark.server
async def test_no_label_names_a_session_a_user_or_a_tenant(http: httpx2.AsyncClient, sessions: Sessions) -> None:
    session = await sessions.create()
    await sessions.ask(session, "hi")

    answer = await http.get("/metrics")

    assert session not in answer.text
    found = Scrape(answer.text)
    ours = {sample.name for family in found.families.values() for sample in family.samples if "perdure" in sample.name}
    assert {label for sample in ours for label in found.labels(sample)} <= {
        *("agent", "model", "reason", "stop", "kind", "name", "outcome", "le"),
    }


class Listening(Command):
    def ports(self) -> set[int]:
        """The ports on which the process itself listens, without its children."""
        assert self._process is not None
        found = psutil.Process(self._process.pid).net_connections()
        return {one.laddr.port for one in found if one.status == psutil.CONN_LISTEN}


@pytest_asyncio.fixture(loop_scope="session")
async def commands() -> AsyncIterator[list[Command]]:
    """Processes that are stopped when the test is over."""
    running: list[Command] = []
    yield running
    for command in running:
        await command.stop()


@pytest.mark.server
@pytest.mark.slow
async def test_a_worker_tells_at_an_address_of_its_own_and_otherwise_nowhere(
    temporal_server: DevServer, tmp_path: Path, commands: list[Command]
) -> None:
    (port,) = free_ports(1)
    environment = {"TEMPORAL_ADDRESS": temporal_server.address, "PERDURE_DATA_DIR": str(tmp_path)}
    telling = Listening(tmp_path, {**environment, "PERDURE_METRICS_ADDRESS": f"127.0.0.1:{port}"}, ["worker"])
    silent = Listening(tmp_path, environment, ["worker"])
    for command in (telling, silent):
        commands.append(command)
        await command.start()

    async with httpx2.AsyncClient() as client:
        found = Scrape((await client.get(f"http://127.0.0.1:{port}/metrics")).text)

    assert "temporal_num_pollers" in found.families
    assert telling.ports() == {port}
    assert silent.ports() == set()


async def test_an_address_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ExporterFailed, match=rf"metrics cannot be served on {address}: Address already in use"):
            Exporter(address)


async def test_an_exporter_on_all_addresses_is_read_on_the_nearest() -> None:
    (port,) = free_ports(1)
    exporter = Exporter(f"0.0.0.0:{port}")
    Metrics(exporter.runtime.metric_meter).serving()
    assert (await scraped(exporter)).value("perdure_viewers") == 0


@pytest.mark.parametrize(
    "given", ["9464", "localhost:9464", "127.0.0.1:0", "::1:9464", "127.0.0.1:99999", "[127.0.0.1]:1"]
)
def test_an_address_that_cannot_be_one_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_METRICS_ADDRESS", given)
    with pytest.raises(SettingsInvalid, match=r"PERDURE_METRICS_ADDRESS: .*give an IP address and a port"):
        Settings.load()


def test_what_is_empty_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("METRICS_ADDRESS", "OTEL", "OTEL_CONTENT"):
        monkeypatch.setenv(f"PERDURE_{name}", "")
    off = Settings.load()
    monkeypatch.setenv("PERDURE_METRICS_ADDRESS", "[::1]:9464")
    monkeypatch.setenv("PERDURE_OTEL", "on")
    on = Settings.load()

    assert (off.metrics_address, off.otel, off.otel_content) == (None, False, False)
    assert (on.metrics_address, on.otel, on.otel_content) == ("[::1]:9464", True, False)


# What events count as.


def tell(metrics: Metrics, story: Story, kind: str, stop_after: float | None = None, **fields: Any) -> Event:
    before = story.state
    event = story.event(kind, **fields)
    metrics.event("acme/s1", before, event, None if stop_after is None else event.at - timedelta(seconds=stop_after))
    return event


@pytest.mark.parametrize(
    ("name", "error", "labels"),
    [
        ("add", None, {"name": "add", "outcome": "ok"}),
        ("add", "timeout", {"name": "add", "outcome": "timeout"}),
        ("add", "invalid_arguments", {"name": "add", "outcome": "invalid_arguments"}),
        # Error types that a tool defines itself are not labels; there may be one for each customer.
        ("add", "CustomerNotFound:4711", {"name": "add", "outcome": "tool_failed"}),
        ("made_up_by_a_model", "stopped", {"name": "(unknown)", "outcome": "stopped"}),
    ],
)
async def test_tools_and_their_failures_are_counted_under_few_names(
    exporter: Exporter, metrics: Metrics, name: str, error: str | None, labels: dict[str, str]
) -> None:
    story = Story.new().loaded().turn()
    story.open()
    made: ToolCall = call("t1.s1.c1").model_copy(update={"name": name})
    story.answered(made, stop="tool_calls")
    output = ToolError(type=error, message="no").model_dump() if error else 3
    result = ToolResult(call_id="t1.s1.c1", name=name, output=output, is_error=error is not None)
    before = (await scraped(exporter)).value("perdure_tool_calls_total", **labels) or 0

    tell(metrics, story, "tool.finished", call_id="t1.s1.c1", name=name, result=result, duration_ms=1)

    assert (await scraped(exporter)).value("perdure_tool_calls_total", **labels) == before + 1


async def test_an_unknown_price_costs_nothing_here_and_a_stop_is_measured_where_it_was_one(
    exporter: Exporter, metrics: Metrics
) -> None:
    loaded = agent(price=None, models={"main": {"use": "demo/unpriced"}})
    story = Story.new(agent="measured").loaded(loaded)
    for reason, stop_after in (("done", 3.0), ("stopped", 0.75), ("stopped", None)):
        story.turn()
        story.open()
        before = story.state
        story.answered(Text(text="x"), cost=None)
        metrics.event("acme/s1", before, story.state.log.events[-1], None)
        tell(metrics, story, "turn.finished", stop_after, reason=reason, usage=story.state.books.usage, cost_usd=None)

    found = await scraped(exporter)
    assert found.value("perdure_steps_total", model="demo/unpriced", stop="end") == 3
    assert found.value("perdure_tokens_total", model="demo/unpriced", kind="input") == 30
    assert found.value("perdure_cost_usd_count", model="demo/unpriced") is None
    assert found.value("perdure_turns_total", agent="measured", reason="stopped") == 2
    assert found.value("perdure_stop_delay_seconds_count") == 1
    assert found.value("perdure_stop_delay_seconds_sum") == 0.75


async def test_what_a_server_did_not_count_or_know_is_counted(exporter: Exporter, metrics: Metrics) -> None:
    story = Story.new(agent="measured").loaded(agent(models={"main": {"use": "demo/odd"}}))
    story.turn()
    story.open()
    before = story.state
    story.answered(Text(text="x"))
    event = story.state.log.events[-1]
    counted = {"usage": Usage(input_tokens=9, cache_write_tokens=4)}
    odd = {
        "usage": Usage(input_tokens=9, estimated=True),
        "adapted": ("left out seed", "left out stop"),
        "skipped": 3,
    }
    for told in (counted, odd):
        metrics.event("acme/s1", before, event.model_copy(update=told), None)

    found = await scraped(exporter)
    assert found.value("perdure_tokens_total", model="demo/odd", kind="cache_write") == 4
    assert found.value("perdure_estimated_steps_total", model="demo/odd") == 1
    assert found.value("perdure_adapted_requests_total", model="demo/odd") == 1
    assert found.value("perdure_skipped_shapes_total", model="demo/odd") == 3


async def test_clocks_that_disagree_give_nought(exporter: Exporter, metrics: Metrics) -> None:
    metrics.request_sent("demo/early", -0.2)

    found = await scraped(exporter)
    assert found.value("perdure_first_token_overhead_seconds_sum", model="demo/early") == 0
    assert found.value("perdure_first_token_overhead_seconds_count", model="demo/early") == 1


# What watches count.


def watching(session: Session, folder: Path, metrics: Metrics, viewer_queue: int = 1000) -> Watches:
    return Watches(
        live=session.live,
        blobs=LocalBlobs(folder),
        sealed=Sealed(LocalBlobs(folder)),
        ask=session.ask,
        look=session.look,
        snapshot=session.snapshot,
        viewer_queue=viewer_queue,
        metrics=metrics,
    )


async def test_frames_that_were_lost_are_counted_once(exporter: Exporter, metrics: Metrics, tmp_path: Path) -> None:
    session = Session()
    gateway = watching(session, tmp_path, metrics)
    session.turn()
    session.open()
    session.begin()
    before = (await scraped(exporter)).value("perdure_lost_frames_total") or 0
    viewer = Viewer(session, gateway)
    session.say("a")
    await settled(lambda: viewer.view.text == "a")
    session.live.loses_frames = True
    session.say("b", "c")
    session.live.loses_frames = False
    session.say("d", "e")
    await settled(lambda: viewer.view.text == "abcde")

    assert (await scraped(exporter)).value("perdure_lost_frames_total") == before + 2
    await viewer.go()


async def test_a_redis_that_is_away_is_seen_and_so_is_what_it_cost(
    exporter: Exporter, metrics: Metrics, redis: Redis
) -> None:
    async with redis_live(redis_address(redis.url), "default", metrics) as live:
        assert (await scraped(exporter)).value("perdure_live_connected") == 1
        assert (await scraped(exporter)).value("perdure_live_dropped_total") in (None, 0)
        await redis.kill()
        Speaker(live).say(3)
        await settled(lambda: live.state == "lost")
        await redis.start()
        await settled(lambda: live.state == "ok")
        found = await scraped(exporter)
        assert found.value("perdure_live_connected") == 1
        assert (found.value("perdure_live_dropped_total") or 0) > 0


async def test_viewers_are_counted_and_so_are_those_that_are_cut(
    exporter: Exporter, metrics: Metrics, tmp_path: Path
) -> None:
    session = Session()
    gateway = watching(session, tmp_path, metrics, viewer_queue=3)
    before = (await scraped(exporter)).value("perdure_viewers_cut_total") or 0
    viewers = [Viewer(session, gateway), Viewer(session, gateway)]
    await settled(lambda: gateway.viewers == 2)
    assert (await scraped(exporter)).value("perdure_viewers") == 2

    session.turn()
    session.open()
    session.story.answered(Text(text="x"))
    session.finished()
    await settled(lambda: gateway.viewers == 0)

    found = await scraped(exporter)
    assert found.value("perdure_viewers") == 0
    assert found.value("perdure_viewers_cut_total") == before + 2
    assert [viewer.ends for viewer in viewers] == [["cut"], ["cut"]]


async def test_the_delay_of_some_frames_is_measured(exporter: Exporter, metrics: Metrics, tmp_path: Path) -> None:
    session = Session()
    gateway = watching(session, tmp_path, metrics)
    session.turn()
    step = session.open()
    session.begin()
    viewer = Viewer(session, gateway)
    # Its time of writing is unknown.
    session.say("x")
    await settled(lambda: viewer.view.text == "x")
    before = (await scraped(exporter)).value("perdure_live_lag_seconds_count") or 0
    count = 2 * MEASURED_EACH + 1
    session.said[step, 1] = ["x"] * count
    for n in range(1, count):
        session.live.delta(SESSION, StepDelta(step, 1, n, 0, "text", "x", written=AT.timestamp()))
    await settled(lambda: viewer.view.text == "x" * count)

    assert (await scraped(exporter)).value("perdure_live_lag_seconds_count") == before + 2
    await viewer.go()


async def settled(right: Callable[[], bool]) -> None:
    """Returns once `right` returns true."""
    with suppress(TimeoutError):
        async with asyncio.timeout(30):
            while not right():  # noqa: ASYNC110 - there are as many things to wait for as conditions
                await asyncio.sleep(SOON / 100)
    assert right()
