"""Messages to people as a process starts."""

import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from perdure.gateway.auth.api_keys import new_key
from perdure.gateway.auth.key_file import Keys, changed_keys
from perdure.temporal.sessions.scopes import EVERYTHING
from tests.support.ports import free_ports


async def gateway(folder: Path, *arguments: str, **more: str) -> tuple[int, str]:
    """Exit code and standard error of a gateway that finds no Temporal."""
    ports = free_ports(2)
    command = [str(Path(sys.executable).parent / "perdure"), "gateway", "--port", str(ports[0]), *arguments]
    environment = {**os.environ, "TEMPORAL_ADDRESS": f"127.0.0.1:{ports[1]}", **more}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, env=environment, stdout=pipe, stderr=pipe)
    async with asyncio.timeout(60):
        _, told = await process.communicate()
    assert process.returncode is not None
    return process.returncode, told.decode()


@pytest.mark.slow
async def test_a_gateway_without_authentication_says_what_is_open(tmp_path: Path) -> None:
    # An address of no machine (RFC 5737), so that no port is opened to others while this runs.
    (tmp_path / "agents").mkdir()
    code, told = await gateway(tmp_path, "--host", "192.0.2.1", "--insecure")
    assert code == 1
    # All but the last words are lines of the log.
    *log, last = told.splitlines()
    logged = [json.loads(line) for line in log]
    assert last.startswith("error: ")
    assert [line["event"] for line in logged] == ["sources.found", "gateway.insecure", "live.missing"]
    assert logged[0]["paths"] == [str(tmp_path / "agents")]
    assert (logged[1]["level"], logged[1]["host"]) == ("warning", "192.0.2.1")
    _, told = await gateway(tmp_path, "--host", "192.0.2.1", "--insecure", PERDURE_LOG_FORMAT="console")
    (warning,) = [line for line in told.splitlines() if line.startswith("warning: ")]
    for words in (
        "192.0.2.1",
        "asks nobody",
        "run tools",
        "answer approvals",
        "every session",
        "PERDURE_ALLOWED_HOSTS",
    ):
        assert words in warning
    assert "cannot be used" in told


async def test_on_loopback_there_is_nothing_to_warn_of(tmp_path: Path) -> None:
    code, told = await gateway(tmp_path, "--insecure")
    assert (code, "warning" in told, "cannot reach Temporal" in told) == (1, False, True)


@pytest.mark.slow
async def test_without_redis_a_gateway_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERDURE_LIVE", raising=False)
    _, told = await gateway(tmp_path)
    assert '"event": "live.missing"' in told
    _, told = await gateway(tmp_path, PERDURE_LOG_FORMAT="console")
    assert "note: PERDURE_LIVE is not set" in told
    monkeypatch.setenv("PERDURE_LIVE", f"redis://:hunter2@127.0.0.1:{free_ports(1)[0]}")
    _, told = await gateway(tmp_path)
    assert "live.missing" not in told
    assert "hunter2" not in told


async def test_an_open_address_must_be_asked_for(tmp_path: Path) -> None:
    code, told = await gateway(tmp_path, "--host", "192.0.2.1")
    assert (code, "needs --insecure" in told) == (1, True)


async def test_a_gateway_that_asks_who_calls_serves_anywhere_and_warns_of_nothing(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    code, told = await gateway(tmp_path, "--host", "192.0.2.1", PERDURE_KEYS_FILE=str(keys))
    assert (code, "no file of keys" in told and str(keys) in told) == (1, True)
    made = new_key("default", None, EVERYTHING, datetime.now(UTC), None, "")
    with changed_keys(keys) as replace:
        replace(Keys(keys=(made.kept,)))
    code, told = await gateway(tmp_path, "--host", "192.0.2.1", PERDURE_KEYS_FILE=str(keys))
    # It comes as far as the address, which is no machine's.
    assert (code, "cannot be used" in told, "warning" in told) == (1, True, False)
