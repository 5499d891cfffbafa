"""Log lines name their session, once, without secrets; and the last line is written before the process exits."""

import asyncio
import io
import json
import logging
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from temporalio import activity, workflow
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.server.client import connect
from perdure.temporal.settings import Settings
from perdure.temporal.telemetry.log import configure, redact
from perdure.temporal.telemetry.redaction import HIDDEN

#: Other imports of this file, besides its workflow, must not be re-imported by the sandbox.
SANDBOX = SandboxedWorkflowRunner(
    restrictions=SandboxRestrictions.default.with_passthrough_modules("hypothesis", "perdure", "pytest", "structlog")
)


def lines(output: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.getvalue().splitlines()]


@activity.defn
async def call_model() -> None:
    structlog.get_logger("perdure").info("streaming", model="demo")
    activity.logger.warning("slow")


@workflow.defn(sandboxed=True)
class Talk:
    @workflow.run
    async def run(self) -> None:
        workflow.logger.info("turn begins", extra={"turn": "t7"})
        await workflow.execute_activity("call_model", activity_id="t7.s2", start_to_close_timeout=timedelta(seconds=10))
        workflow.logger.info("turn ends", extra={"turn": "t7"})


@pytest.mark.server
@pytest.mark.parametrize("runner", [UnsandboxedWorkflowRunner(), SANDBOX], ids=["plain", "sandboxed"])
async def test_a_session_is_named_on_each_line_and_replay_is_silent(
    tmp_path: Path, output: io.StringIO, runner: WorkflowRunner
) -> None:
    async with DevServer(tmp_path, port=0, ui_port=None) as server:
        client = await connect(Settings(data_dir=tmp_path), address=server.address)
        # Without a cache, each workflow task replays everything before it.
        async with Worker(
            client,
            task_queue="q",
            workflows=[Talk],
            activities=[call_model],
            max_cached_workflows=0,
            workflow_runner=runner,
        ):
            await client.execute_workflow(Talk.run, id="acme/s1", task_queue="q")

    ours = [line for line in lines(output) if line["event"] in ("turn begins", "streaming", "slow", "turn ends")]
    assert [line["event"] for line in ours] == ["turn begins", "streaming", "slow", "turn ends"]
    assert {(line["tenant"], line["session"], line["turn"]) for line in ours} == {("acme", "s1", "t7")}
    assert [line.get("attempt") for line in ours] == [None, 1, 1, None]
    assert all(line["timestamp"] and line["level"] and line["logger"] for line in ours)
    assert not any("temporal_workflow" in line or "temporal_activity" in line for line in ours)


def test_foreign_records_take_the_same_path(output: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").warning("%s at %d", "listening", 8080)
    logging.getLogger("uvicorn.access").info("GET /")
    logging.getLogger("httpx2").info("HTTP Request")
    with structlog.contextvars.bound_contextvars(tenant="acme"):
        logging.getLogger("temporalio.worker").warning("no poller")

    assert [(line["logger"], line["level"], line["event"], line.get("tenant")) for line in lines(output)] == [
        ("uvicorn.error", "warning", "listening at 8080", None),
        ("temporalio.worker", "warning", "no poller", "acme"),
    ]


def test_an_exception_is_text_without_the_secret_in_it(output: io.StringIO) -> None:
    for logger in (structlog.get_logger("ours"), logging.getLogger("theirs")):
        try:
            raise ValueError("401 for Bearer abcdef123456 and sk-ant-0123456789")
        except ValueError:
            logger.exception("call failed")

    for line in lines(output):
        assert line["exception"].endswith(f"ValueError: 401 for Bearer {HIDDEN} and {HIDDEN}")
    assert len(lines(output)) == 2


def test_the_readable_form_says_the_same(output: io.StringIO) -> None:
    stream = io.StringIO()
    configure(Settings(log_format="console"), stream)
    structlog.get_logger("ours").info("ready", session="s1", api_key="abc")

    assert output.getvalue() == ""
    assert "ready" in stream.getvalue()
    assert "session=s1" in stream.getvalue()
    assert f"api_key={HIDDEN}" in stream.getvalue()
    assert "abc" not in stream.getvalue()


@pytest.mark.parametrize(
    "name",
    ["api_key", "ANTHROPIC_API_KEY", "x-api-key", "key", "token", "auth_token", "Authorization", "password", "cookie"],
)
def test_what_is_named_as_a_secret_is_hidden_at_any_depth(name: str) -> None:
    event = {"event": "x", "headers": [{name: "abc", "tokens": {"input_tokens": 3}}], name: ["abc"]}
    assert redact(None, "", event) == {
        "event": "x",
        "headers": [{name: HIDDEN, "tokens": {"input_tokens": 3}}],
        name: HIDDEN,
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key sk-proj-abc_DEF-123456 refused", f"key {HIDDEN} refused"),
        ("Authorization: Bearer eyJhbGciOi.J9", f"Authorization: Bearer {HIDDEN}"),
        ("redis://user:pass@host/0", f"redis://{HIDDEN}@host/0"),
        ("ghp_0123456789abcdef", HIDDEN),
        ("AKIA0123456789ABCDEF", HIDDEN),
        ("task-queue perdure, input_tokens=12, http://localhost:8080/a@b", None),
    ],
)
def test_what_looks_like_a_secret_is_hidden_in_any_text(text: str, shown: str | None) -> None:
    expected = text if shown is None else shown
    assert redact(None, "", {"event": text, "error": ValueError(text)}) == {"event": expected, "error": expected}


@given(key=st.text("aZ0_-", min_size=8, max_size=20), before=st.text(max_size=5), after=st.text(max_size=5))
def test_no_key_survives_wherever_it_stands(key: str, before: str, after: str) -> None:
    shown = str(redact(None, "", {"event": f"{before} sk-{key} {after}"})["event"])
    assert f"sk-{key}" not in shown


async def test_the_last_words_are_out_when_the_process_leaves() -> None:
    program = (
        "import sys; from perdure.temporal.app.console.exit import leave; "
        "print('out'); print('err', file=sys.stderr); leave(7)"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert await process.communicate() == (b"out\n", b"err\n")
    assert process.returncode == 7
