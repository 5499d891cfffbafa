"""Secrets in a failure's text reach nobody: not the model, events, histories, logs or progress."""

import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
import structlog
from temporalio.api.failure.v1 import Failure
from temporalio.exceptions import ApplicationError

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.settings import Settings
from perdure.temporal.stores.codec import data_converter
from perdure.temporal.telemetry.log import configure
from perdure.temporal.telemetry.redaction import name_secrets, redacted, redacted_json, without_secrets
from perdure.workflows.vocabulary.events import ToolFinished
from tests.support.session_lab import Lab, Play, lab_on

KEY = "w4re/house+key=77"
PLACE = "behind-the-old-mill"
NEEDLES = (KEY, KEY[:10], KEY[-10:], "w4re%2Fhouse", "NHJlL2hvdXNlK2tleT", PLACE)

_TOOLS = Path(__file__).parent / "support" / "leaky_tools.py"
_AGENT = """\
models: {main: {use: demo/stage}}
secrets: [PLACE_OF_STOCK]
tools:
  - leak: {retry: {attempts: 2, initial: 1ms}}
  - leak_typed: {retry: {attempts: 1}}
  - leak_listed: {retry: {attempts: 1}}
  - give
"""


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAREHOUSE_API_KEY", KEY)
    monkeypatch.setenv("PLACE_OF_STOCK", PLACE)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    folder = tmp_path_factory.mktemp("leaks")
    async with lab_on(
        temporal_server, folder, more_agents={"leaky": _AGENT}, more_tools=[_TOOLS], heartbeat_throttle_s=0.1
    ) as opened:
        yield opened


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    written = io.StringIO()
    root = logging.getLogger()
    before, level, known = list(root.handlers), root.level, structlog.get_config()
    configure(Settings.load(log_level="DEBUG"), written)
    yield written
    root.handlers = before
    root.setLevel(level)
    structlog.configure(**known)


@pytest.mark.server
async def test_a_tool_that_fails_with_its_key(lab: Lab, log: io.StringIO) -> None:
    lab.stage.requests.clear()
    lab.stage.plays = [Play("", [("leak", {}), ("leak_typed", {}), ("leak_listed", {})]), Play("done")]
    talk = await lab.start("leaky")
    async with lab.live.subscribe(talk.handle.id) as frames:
        events = await talk.turn("go")
        lived = []
        while not frames.empty():
            lived.append(repr(frames.get_nowait()))
    finished = {event.result.name: event.result for event in events if isinstance(event, ToolFinished)}
    assert set(finished) == {"leak", "leak_typed", "leak_listed"}
    for result in finished.values():
        assert result.is_error
        assert "[hidden]" in json.dumps(result.output)
    history = await talk.handle.fetch_history()
    failures = [event for event in history.events if event.HasField("activity_task_failed_event_attributes")]
    assert len(failures) == 3
    assert any(event.activity_task_failed_event_attributes.failure.cause.message for event in failures)
    places = {
        "events": "".join(event.model_dump_json() for event in events),
        "model": repr(lab.stage.requests),
        "history": b"".join(event.SerializeToString() for event in history.events).decode(errors="replace"),
        "live": "".join(lived),
        "log": log.getvalue(),
    }
    assert "leak" in places["log"]
    for name, text in places.items():
        for needle in NEEDLES:
            assert needle not in text, (name, needle)


@pytest.mark.server
async def test_a_result_is_its_user_s(lab: Lab) -> None:
    lab.stage.plays = [Play("", [("give", {})]), Play("done")]
    events = await (await lab.start("leaky")).turn("go")
    (finished,) = [event for event in events if isinstance(event, ToolFinished)]
    assert finished.result.output == KEY


def test_every_process_writes_failures_so(tmp_path: Path) -> None:
    for converter in (data_converter(None), data_converter(tmp_path)):
        failure = Failure()
        cause = RuntimeError(f"cause {KEY}")
        error = ApplicationError(f"no {KEY}", {"a": [KEY, 123456]}, type="x")
        error.__cause__ = cause
        converter.failure_converter.to_failure(error, converter.payload_converter, failure)
        assert (failure.message, failure.cause.message) == ("no [hidden]", "cause [hidden]")
        (payload,) = failure.application_failure_info.details.payloads
        assert json.loads(payload.data) == {"a": ["[hidden]", 123456]}


def test_details_stay_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIN_TOKEN", "123456")
    converter, failure = data_converter(None), Failure()
    converter.failure_converter.to_failure(
        ApplicationError("x", {"n": 123456, "s": "123456"}), converter.payload_converter, failure
    )
    assert json.loads(failure.application_failure_info.details.payloads[0].data) == {"n": 123456, "s": "[hidden]"}


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        ("STOCK_KEY", True),
        ("MY_TOKEN", True),
        ("TOKEN_OF_MINE", True),
        ("my_secret", True),
        ("DB_PASSWORD", True),
        ("KEYBOARD", False),
        ("STOCK_URL", False),
    ],
)
def test_which_variables_hold_secrets(monkeypatch: pytest.MonkeyPatch, name: str, hidden: bool) -> None:
    monkeypatch.setenv(name, "some-value-1")
    assert (redacted("it is some-value-1.") == "it is [hidden].") == hidden
    monkeypatch.setenv(name, "short")
    assert redacted("it is short.") == "it is short."


def test_the_password_of_the_redis_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_LIVE", "rediss://ann:hunter%2Fmill@redis.internal/0")
    assert redacted("hunter/mill, rediss://ann:hunter%2Fmill@redis") == "[hidden], rediss://ann:[hidden]@redis"
    monkeypatch.setenv("PERDURE_LIVE", "redis://redis.internal/0")
    assert redacted("redis://redis.internal/0") == "redis://redis.internal/0"
    assert without_secrets("redis://:hunter@redis") == "redis://[hidden]@redis"


def test_a_variable_that_a_definition_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTED_LATER", "some-value-2")
    assert redacted("some-value-2") == "some-value-2"
    name_secrets(["LISTED_LATER"])
    assert redacted("some-value-2") == "[hidden]"


def test_what_is_no_text_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    thing = object()
    assert redacted_json(({"a": [KEY, 1, None]}, thing)) == ({"a": ["[hidden]", 1, None]}, thing)


def test_a_key_of_several_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "MIIEvQIBADANBgkqhkiG9w0"
    monkeypatch.setenv("SIGNING_KEY", f"-----BEGIN PRIVATE KEY-----\n{line}\nabc\n-----END PRIVATE KEY-----\n")
    assert redacted(f"bad line {line}") == "bad line [hidden]"
    assert redacted("-----BEGIN PRIVATE KEY-----") == "-----BEGIN PRIVATE KEY-----"
