import asyncio
import contextlib
import hashlib
import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest
import structlog

from perdure.temporal.definitions.folders import SHIPPED
from perdure.temporal.definitions.store import Definitions, Known, digest
from perdure.temporal.stores.blobs import LocalBlobs
from perdure.workflows.definition.agent import AgentDefinition, Price
from perdure.workflows.vocabulary.parts import ToolSpec


def write(folder: Path, name: str, **fields: Any) -> Path:
    """An agent file named after the agent; fields that are not given get the smallest valid value."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = {"models": {"m": {"use": "demo/x"}}, "model": "m", "instructions": "x", **fields}
    file = folder / f"{name}.yaml"
    file.write_text("\n".join([f"name: {name}", *(f"{key}: {value!r}" for key, value in whole.items())]))
    return file


def definitions(tmp_path: Path, *folders: Path, **options: Any) -> Definitions:
    return Definitions(folders or [tmp_path / "agents"], blobs=LocalBlobs(tmp_path / "blobs"), **options)


def instructions(found: Known | None) -> str:
    assert found is not None
    return found.definition.instructions


def touch(file: Path, text: str) -> None:
    """Writes `text` so that even a coarse file clock shows the change."""
    file.write_text(text)
    stat = file.stat()
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000_000))


def test_the_shipped_agents_are_right(tmp_path: Path) -> None:
    tools = frozenset(["current_time", "calculator", "fetch_url", "find_order", "issue_refund"])
    shipped = definitions(tmp_path, SHIPPED, tool_names=tools)
    assert shipped.problems == ()
    assert shipped.names() == ("assistant", "concierge", "support", "triage")


def test_a_later_folder_replaces_by_name(tmp_path: Path) -> None:
    write(tmp_path / "one", "support", instructions="one")
    write(tmp_path / "one", "other")
    write(tmp_path / "two", "support", instructions="two")
    both = definitions(tmp_path, tmp_path / "one", tmp_path / "two", tmp_path / "one")
    assert both.names() == ("other", "support")
    assert instructions(both.current("support")) == "two"


def test_a_faulty_definition_is_absent_and_the_others_serve(tmp_path: Path) -> None:
    write(tmp_path / "one", "support")
    write(tmp_path / "two", "support", model="nobody")
    write(tmp_path / "two", "fine")
    (tmp_path / "two" / "broken.yaml").write_text("name: [")
    found = definitions(tmp_path, tmp_path / "one", tmp_path / "two", tmp_path / "none")
    assert found.names() == ("fine",)
    assert found.current("support") is None
    assert [problem.file for problem in found.problems] == [
        tmp_path / "two" / "broken.yaml",
        tmp_path / "two" / "support.yaml",
        tmp_path / "none",
    ]


def test_two_files_of_one_folder_cannot_share_a_name(tmp_path: Path) -> None:
    first = write(tmp_path / "agents", "support", instructions="first")
    (tmp_path / "agents" / "zebra.yaml").write_text(first.read_text().replace("first", "second"))
    found = definitions(tmp_path)
    assert instructions(found.current("support")) == "first"
    assert [str(problem) for problem in found.problems] == [
        f"{tmp_path}/agents/zebra.yaml:1:1: name: support.yaml in the same folder has the name 'support' already"
    ]


def test_models_from_elsewhere(tmp_path: Path) -> None:
    agents = tmp_path / "agents"
    write(agents, "support", models={"own": {"use": "demo/own"}}, model="own")
    (agents / "models.yaml").write_text("own: {use: demo/a}\nshared: {use: demo/folder}\nfast: {use: demo/folder}\n")
    (tmp_path / "prod.yaml").write_text("fast: {use: demo/prod}\n")
    known = definitions(tmp_path, models_file=tmp_path / "prod.yaml").current("support")
    assert known is not None
    assert {role: model.use for role, model in known.definition.models.items()} == {
        "own": "demo/own",
        "shared": "demo/folder",
        "fast": "demo/prod",
    }


def test_the_digest_covers_the_definition_and_its_tools(tmp_path: Path) -> None:
    write(tmp_path / "agents", "support", tools=["find_order"])
    known = definitions(tmp_path).current("support")
    assert known is not None
    again = AgentDefinition.model_validate_json(known.definition.model_dump_json())
    assert digest(again) == known.digest
    assert digest(again.model_copy(update={"instructions": "y"})) != known.digest
    salted = definitions(tmp_path, tools_digest=lambda names: f"specs of {' '.join(names)}").current("support")
    assert salted is not None
    assert salted.digest == digest(again, "specs of find_order") != known.digest


async def test_published_definitions_are_found_by_digest_in_another_process(tmp_path: Path) -> None:
    write(tmp_path / "agents", "support")
    here = definitions(tmp_path, tools_digest=lambda names: "specs")
    known = here.current("support")
    assert known is not None
    elsewhere = definitions(tmp_path, tmp_path / "empty")
    assert await elsewhere.by_digest(known.digest) is None
    await here.publish()
    assert await elsewhere.by_digest(known.digest) == known.definition
    assert await elsewhere.by_digest("../../etc/passwd") is None
    assert await elsewhere.by_digest(hashlib.sha256(b"").hexdigest()) is None


def test_models_without_a_key_run_on_the_demo_model(tmp_path: Path) -> None:
    write(
        tmp_path / "agents",
        "support",
        models={
            "m": {"use": "anthropic/claude-sonnet-5-5", "max_output_tokens": 99},
            "local": {"use": "openai-chat/llama3.2", "base_url": "http://127.0.0.1:9/v1"},
        },
    )
    real = definitions(tmp_path).current("support")
    demo = definitions(tmp_path, demo_for=lambda model: model.base_url is None).current("support")
    assert real is not None
    assert demo is not None
    assert (real.demo, demo.demo) == (False, True)
    assert real.digest != demo.digest
    model = demo.definition.models["m"]
    assert (model.use, model.max_output_tokens, model.price) == (
        "demo/claude-sonnet-5-5",
        99,
        Price(input=0, output=0),
    )
    assert demo.definition.models["local"] == real.definition.models["local"]


async def test_a_change_is_read_and_published(tmp_path: Path) -> None:
    file = write(tmp_path / "agents", "support", instructions="old")
    found = definitions(tmp_path)
    old = found.current("support")
    assert old is not None
    assert not await found.refresh()
    touch(file, file.read_text().replace("old", "new"))
    assert await found.refresh()
    assert not await found.refresh()
    new = found.current("support")
    assert new is not None
    assert (old.definition.instructions, new.definition.instructions) == ("old", "new")
    assert await found.by_digest(old.digest) == old.definition
    assert await definitions(tmp_path, tmp_path / "empty").by_digest(new.digest) == new.definition


async def test_a_file_that_becomes_faulty_serves_as_it_was(tmp_path: Path) -> None:
    file = write(tmp_path / "agents", "support", instructions="good")
    good = file.read_text()
    found = definitions(tmp_path)
    touch(file, "name: other\nmodel: [")
    assert await found.refresh()
    assert found.names() == ("support",)
    assert instructions(found.current("support")) == "good"
    assert [problem.line for problem in found.problems] == [2]
    touch(file, good.replace("good", "better still"))
    assert await found.refresh()
    assert found.problems == ()
    assert instructions(found.current("support")) == "better still"
    file.unlink()
    assert await found.refresh()
    assert found.names() == ()


async def test_included_files_and_shared_models_are_watched_too(tmp_path: Path) -> None:
    agents = tmp_path / "agents"
    write(agents, "support", instructions={"file": "support.md"}, models={}, model="fast")
    found = definitions(tmp_path)
    assert found.names() == ()
    (agents / "support.md").write_text("one")
    (agents / "models.yaml").write_text("fast: {use: demo/x}")
    assert await found.refresh()
    assert instructions(found.current("support")) == "one"
    touch(agents / "support.md", "two")
    assert await found.refresh()
    assert instructions(found.current("support")) == "two"


class Telling(LocalBlobs):
    """Signals when something was stored; refuses to store anything while it is unavailable."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.stored = asyncio.Event()
        self.away = False

    async def put(self, key: str, data: bytes) -> None:
        if self.away:
            raise OSError("the store is away")
        await super().put(key, data)
        # After the rest of the refresh that waits for this.
        asyncio.get_running_loop().call_soon(self.stored.set)


async def test_watching_picks_up_a_change(tmp_path: Path) -> None:
    file = write(tmp_path / "agents", "support", instructions="old")
    blobs = Telling(tmp_path / "blobs")
    found = Definitions([tmp_path / "agents"], blobs=blobs)
    touch(file, file.read_text().replace("old", "new"))
    watching = asyncio.create_task(found.watch(0.001))
    await asyncio.wait_for(blobs.stored.wait(), 10)
    assert instructions(found.current("support")) == "new"
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching


async def test_what_is_odd_serves_and_is_logged_with_its_place(tmp_path: Path) -> None:
    file = write(tmp_path / "agents", "support", tools=["pay"])
    spec = ToolSpec(name="pay", description="", input={"type": "object", "properties": {"amount": {"type": "number"}}})
    options = {"tool_names": frozenset(["pay"]), "tool_spec": lambda name: spec if name == "pay" else None}
    found = definitions(tmp_path, **options)
    assert found.warnings == ()
    logged = asyncio.Event()

    def take(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Any:
        lines.append(event)
        if event["event"] == "definition.warning":
            logged.set()
        raise structlog.DropEvent

    lines: list[MutableMapping[str, Any]] = []
    before = structlog.get_config()
    structlog.configure(processors=[take])
    try:
        watching = asyncio.create_task(found.watch(0.001))
        touch(file, file.read_text().replace("['pay']", "[pay: {approval: {when: '{{ args.amuont > 1 }}'}}]"))
        await asyncio.wait_for(logged.wait(), 10)
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
    finally:
        structlog.configure(**before)
    (problem,) = [line["problem"] for line in lines if line["event"] == "definition.warning"]
    there = "there is no args.amuont; did you mean args.amount?"
    assert problem == f"{file}:5:26: tools[0].approval.when: {there}"
    assert found.names() == ("support",)
    assert found.problems == ()


async def test_nothing_serves_that_could_not_be_published(tmp_path: Path) -> None:
    file = write(tmp_path / "agents", "support", instructions="old")
    blobs = Telling(tmp_path / "blobs")
    found = Definitions([tmp_path / "agents"], blobs=blobs)
    touch(file, file.read_text().replace("old", "new"))
    blobs.away = True
    with pytest.raises(OSError, match="away"):
        await found.refresh()
    assert instructions(found.current("support")) == "old"
    blobs.away = False
    assert await found.refresh()
    assert instructions(found.current("support")) == "new"


@pytest.mark.parametrize("name", [".#support.yaml", "notes.txt", "models.yml"])
def test_other_files_are_no_agents(tmp_path: Path, name: str) -> None:
    write(tmp_path / "agents", "support")
    (tmp_path / "agents" / name).write_text("x: {use: demo/x}")
    found = definitions(tmp_path)
    assert (found.names(), found.problems) == (("support",), ())
