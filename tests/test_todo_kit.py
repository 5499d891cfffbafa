"""The to-do list in a real session: over a kill, further runs, a rewind and the definition's checks."""

from pathlib import Path

import pytest

from perdure.temporal.app.testing.kit import Perdure
from perdure.temporal.definitions.agent_file import load_agent_file


def todo(text: str, status: str) -> tuple[str, dict[str, object]]:
    return "todo", {"items": [{"id": "a", "text": text, "status": status}]}


@pytest.mark.server
async def test_a_list_survives_a_kill_and_further_runs_and_goes_back_with_a_rewind(perdure: Perdure) -> None:
    perdure.model.says(calls=[todo("look", "doing"), ("add", {"a": 1, "b": 1})])
    perdure.model.says("Begun.")
    perdure.model.says(calls=[todo("look", "done")])
    perdure.model.says("Done.")
    perdure.model.says("Again.")
    session = await perdure.session("librarian", continue_as_new_after=20)
    perdure.kill_worker(at="tool.finished", tool="add")
    await session.say("begin")
    await session.say("go on")
    assert [item.status for item in (await session.snapshot()).todo] == ["done"]

    assert (await session.rewind(text="go on otherwise")).text == "Again."
    assert [item.status for item in (await session.snapshot()).todo] == ["doing"]
    told = [event.items[0].status for event in await session.events() if event.type == "todo.updated"]
    assert told == ["doing", "done", "doing"]
    assert len(await session.runs()) > 1


def test_a_tool_of_the_same_name_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text("name: a\nmodels: {m: {use: demo/x}}\nmodel: m\ninstructions: x\ntools: [todo]\n")
    assert load_agent_file(file, {}, frozenset(["add"])).problems == ()
    (problem,) = load_agent_file(file, {}, frozenset(["add", "todo"])).problems
    assert "a tool of Perdure's own worker has the name 'todo', too" in str(problem)
