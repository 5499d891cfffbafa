"""The output next to a failing test."""

from pathlib import Path

import pytest

from tests.test_testing import AGENT, TOOLS, run

pytestmark = [pytest.mark.server, pytest.mark.slow]

NOISY = """
async def test_wrong_total(perdure):
    perdure.model.says("Let me see.", calls=[
        ("add", {"a": 1, "b": "two"}), ("refuse", {}), ("break_down", {"price": 1}),
    ])
    perdure.model.says("3")
    session = await perdure.session("adder")
    assert (await session.say("1 + 2?")).text == "4"
"""
NOISY_TOOLS = """
from temporalio.exceptions import ApplicationError

@activity.defn
def refuse() -> None:
    raise ApplicationError("not today", type="closed", non_retryable=True)

@activity.defn
def break_down(price: int) -> float:
    return price / 0
"""


def test_the_cause_of_a_failing_test_is_not_buried(tmp_path: Path) -> None:
    agent = AGENT.replace("[add,", "[add, refuse, break_down,")
    code, output = run(tmp_path, NOISY, agent=agent, tools=TOOLS + NOISY_TOOLS)
    assert code == 1
    assert "AssertionError: assert '3' == '4'" in output
    log = output.partition("Captured log call")[2].partition("short test summary")[0].splitlines()
    # A tool's refusal is an answer, which the transcript shows.
    assert not [line for line in log if "refuse failed" in line or "add failed" in line]
    assert [line for line in log if "break_down failed: ZeroDivisionError" in line]
    assert [line for line in log if line.startswith("Traceback")] == ["Traceback (most recent call last):"]
    traced = log.index("Traceback (most recent call last):")
    assert log[traced + 1].startswith(f'  File "{tmp_path / "tools.py"}", line ')
    assert len(log) < 20
    assert "site-packages" not in "".join(log)
