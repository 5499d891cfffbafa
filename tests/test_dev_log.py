"""The log of `perdure dev` at its start and when an external failure occurs."""

from pathlib import Path

import httpx2
import pytest

from perdure.activities.models.failure_log import cause_of
from tests.support.dev import Dev
from tests.support.ports import free_ports
from tests.support.session_client import Sessions

AGENT = """
name: {name}
models: {{main: {{use: {use}, base_url: "{url}"}}}}
model: main
instructions: Help.
"""
#: No provider's key is set, whatever this machine's environment.
NO_KEYS = {"ANTHROPIC_API_KEY": "", "ANTHROPIC_AUTH_TOKEN": "", "ANTHROPIC_BASE_URL": "", "OPENAI_API_KEY": ""}


@pytest.mark.slow
@pytest.mark.server
async def test_a_model_server_that_is_away_is_named_in_one_line_and_so_is_a_missing_key(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    agents = tmp_path / "agents"
    agents.mkdir()
    text = AGENT.format(name="local", use="openai-chat/llama3.2", url=f"http://127.0.0.1:{port}/v1")
    (agents / "local.yaml").write_text(text)
    (agents / "broken.yaml").write_text("name: broken\nmodel: fast\ninstructions: Help.\n")
    (bare := tmp_path / "bare.py").write_text("def pay(amount: float) -> float:\n    return amount\n")
    dev = Dev(tmp_path, NO_KEYS, ["--agents", str(agents), "--tools", str(bare)])
    await dev.start()
    async with httpx2.AsyncClient(base_url=dev.url, timeout=30) as http:
        await Sessions(http).create("local", message="hi")
        line = await dev.said("model.failed")
    await dev.stop()

    for words in ("model=openai-chat/llama3.2", f"address=http://127.0.0.1:{port}", "Connection refused", "warning"):
        assert words in line
    output = "\n".join(dev.output)
    assert "Traceback" not in output
    assert "uvicorn" not in output
    assert "activity.defn" in next(line for line in dev.output if "tools.none" in line)
    assert f"  refused, and not served: {agents}/broken.yaml:" in output
    assert "agent local  openai-chat/llama3.2\n" in output
    assert (
        "agent assistant  anthropic/claude-sonnet-5-5  (ANTHROPIC_API_KEY is not set: runs on the demo model)" in output
    )
    assert f"other commands find all of this with --data-dir {tmp_path}" in output


def test_the_cause_is_what_the_operating_system_says_and_no_text_of_others() -> None:
    group = ExceptionGroup("two addresses", [ConnectionRefusedError(111, "Connect call failed ('::1', 80)")])
    away = OSError("All connection attempts failed")
    away.__cause__ = group
    failed = RuntimeError("key=secret")
    failed.__context__ = away
    assert cause_of(failed) == "Connection refused"
    assert cause_of(RuntimeError("key=secret")) is None
