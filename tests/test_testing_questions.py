"""Sessions' questions, in the test kit as its users have it: a pytest run of their own, outside of the repository."""

import subprocess
import sys
from pathlib import Path

import pytest

import perdure
from tests.test_testing import HEAD, INI

pytestmark = [pytest.mark.server, pytest.mark.slow]

AGENT = """\
name: clerk
models: {main: {use: anthropic/claude-sonnet-5-5}}
model: main
instructions: Help.
tools:
  - pay: {approval: {when: "{{ args.sum > 10 }}", expires: 8d}, side_effects: once}
  - ask_user: {expires: 2d}
"""
TOOLS = '''\
from temporalio import activity

@activity.defn
def pay(sum: float) -> str:
    """Pays."""
    return f"paid {sum}"
'''
TESTS = """
async def test_a_week(perdure):
    tool = perdure.tool("pay", returns="paid")
    perdure.model.says(calls=[("pay", {"sum": 100})])
    perdure.model.says("It is paid.")
    session = await perdure.session("clerk")
    turn = await session.say("Pay 100")
    assert (turn.waiting, turn.reason, turn.questions[0].name) == (True, "waiting", "pay")
    await perdure.later(days=7)
    await perdure.restart_worker()
    assert [question.args for question in await session.questions()] == [{"sum": 100}]
    turn = await session.approve("pay", by="ada")
    assert (turn.waiting, turn.text, tool.calls) == (False, "It is paid.", [{"sum": 100}])
    assert [event.by.subject for event in turn.events if event.type == "approval.resolved"] == ["ada"]
    with pytest.raises(LookupError, match="open are: none"):
        await session.approve()

async def test_nobody(perdure):
    perdure.model.says(calls=[("pay", {"sum": 100})])
    perdure.model.says("Nobody came.")
    session = await perdure.session("clerk")
    assert (await session.say("Pay 100")).waiting
    await perdure.later(days=9)
    assert (await session.turn()).text == "Nobody came."
    assert failure("pay", "expired") in await session.transcript()

async def test_edit_deny_and_several(perdure):
    tool = perdure.tool("pay", returns="paid")
    perdure.model.says(calls=[("pay", {"sum": 11}), ("pay", {"sum": 12}), ("pay", {"sum": 1})])
    perdure.model.says("Done.")
    session = await perdure.session("clerk")
    first, second = (await session.say("Pay")).questions
    with pytest.raises(LookupError, match="not exactly one question"):
        await session.approve("pay")
    with pytest.raises(AnswerRefused, match="args.sum"):
        await session.approve(first.question_id, args={"sum": "much"})
    assert (await session.approve(first.question_id, args={"sum": 5})).waiting
    turn = await session.deny(reason="Too much")
    assert turn.text == "Done."
    assert sorted(call["sum"] for call in tool.calls) == [1, 5]
    denied = next(line for line in await session.transcript() if line == failure("pay", "denied"))
    assert "Too much" in str(turn.events)

async def test_ask_user(perdure):
    fields = [{"name": "size", "type": "choice", "options": ["S", "L"], "required": True}, {"name": "note", "type": "text"}]
    perdure.model.says(calls=[("ask_user", {"prompt": "Which size?", "fields": fields})])
    perdure.model.says("Large it is.")
    session = await perdure.session("clerk")
    turn = await session.say("A shirt")
    assert turn.questions[0].prompt == "Which size?"
    with pytest.raises(AnswerRefused, match="result.size"):
        await session.answer({"size": "XL"})
    assert (await session.answer({"size": "L"})).text == "Large it is."
    assert result("ask_user", {"size": "L"}) in await session.transcript()
"""


def test_questions_in_a_user_s_tests(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "clerk.yaml").write_text(AGENT)
    (tmp_path / "tools.py").write_text(TOOLS)
    (tmp_path / "pytest.ini").write_text(INI)
    (tmp_path / "test_clerk.py").write_text(HEAD + TESTS)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(perdure.__file__).parent.parent), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert "4 passed" in ran.stdout, ran.stdout + ran.stderr
