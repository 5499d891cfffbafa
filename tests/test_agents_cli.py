import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from perdure.temporal.app.cli.agents import app
from perdure.temporal.definitions.json_schema import schema

GOOD = "name: parcels\nmodels: {m: {use: demo/x}}\nmodel: m\ninstructions: x\n"


def run(*args: str) -> Result:
    return CliRunner().invoke(app, args)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with one agent in ./agents."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "parcels.yaml").write_text(GOOD)
    return tmp_path


def test_validate_takes_the_shipped_ones_and_the_folder_here(here: Path) -> None:
    result = run("validate")
    assert result.exit_code == 0
    assert [line.split()[1] for line in result.stdout.splitlines()] == [
        "assistant",
        "concierge",
        "parcels",
        "support",
        "triage",
    ]


def test_validate_tells_every_problem_and_fails(here: Path) -> None:
    Path("agents/odd.yaml").write_text(GOOD.replace("parcels", "odd") + "colour: red\n")
    result = run("validate", "agents")
    assert result.exit_code == 1
    assert result.stdout == "ok parcels (agents/parcels.yaml)\n"
    assert result.stderr == "agents/odd.yaml:5:1: colour: there is no such field\n"


def test_validate_takes_single_files_with_the_models_beside_them(here: Path) -> None:
    Path("agents/shared.yaml").write_text("name: shared\nmodel: fast\ninstructions: x\n")
    assert run("validate", "agents/shared.yaml").exit_code == 1
    Path("agents/models.yaml").write_text("fast: {use: demo/x}\n")
    assert run("validate", "agents/shared.yaml").exit_code == 0


def test_validate_fails_where_there_is_nothing(here: Path) -> None:
    Path("empty").mkdir()
    result = run("validate", "empty")
    assert (result.exit_code, result.stderr) == (1, "no agent definitions found\n")
    assert "there is no such file or folder" in run("validate", "nowhere").stderr


@pytest.mark.parametrize("use", ["anthropic/claude-next-9", "openai-chat/llama3.2", "openai/gpt-99"])
def test_a_model_that_is_only_unknown_is_never_refused(here: Path, use: str) -> None:
    Path("agents/parcels.yaml").write_text(GOOD.replace("demo/x", use))
    result = run("validate", "agents")
    assert result.exit_code == 0
    assert result.stderr.startswith("agents/parcels.yaml:2:14: warning: models.m.use: no model ")


@pytest.mark.parametrize(
    "model",
    [
        "openai-chat/llama3.2, base_url: 'http://localhost/v1'",
        "anthropic/new-one, price: {input: 1, output: 1}",
        "demo/y",
    ],
)
def test_a_model_that_nobody_could_know_is_no_warning(here: Path, model: str) -> None:
    capped = f"{GOOD}limits: {{session: {{tokens: 9}}}}\n"
    Path("agents/parcels.yaml").write_text(capped.replace("demo/x", model))
    assert run("validate", "agents").stderr == ""


def test_models_can_come_from_a_file(here: Path) -> None:
    Path("agents/parcels.yaml").write_text("name: parcels\nmodel: fast\ninstructions: x\n")
    Path("prod.yaml").write_text("fast: {use: demo/x}\n")
    assert run("validate", "agents").exit_code == 1
    assert run("validate", "agents", "--models", "prod.yaml").exit_code == 0


TOOLS = '''
from temporalio import activity


@activity.defn
async def weigh(weight_kg: float, unit: str = "kg") -> float:
    """Weighs a parcel."""
    return weight_kg
'''
PARCELS = """\
name: parcels
models: {m: {use: anthropic/claude-sonet-5-5}}
model: m
instructions: x
tools:
  - weigh: {approval: {when: "{{ args.wieght_kg > 10 }}"}}
  - calculater
  - find_stock:
      task_queue: stock
      description: x
      input: {type: object, properties: {item: {type: string}}}
      approval: {when: "{{ args.itme == 'tea' and args.item > 3 }}"}
  - mcp: {url: "http://localhost/mcp", approval: {when: "{{ args.x }}"}}
"""


def test_validate_checks_tools_of_ones_own_where_it_is_given_them(here: Path) -> None:
    Path("agents/parcels.yaml").write_text(PARCELS)
    Path("own.py").write_text(TOOLS)
    result = run("validate", "agents", "--tools", "own.py")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "agents/parcels.yaml:2:14: warning: models.m.use: no model 'claude-sonet-5-5' of anthropic is known; "
        "did you mean 'anthropic/claude-sonnet-5-5'?",
        "agents/parcels.yaml:6:24: warning: tools[0].approval.when: there is no args.wieght_kg; "
        "did you mean args.weight_kg?",
        "agents/parcels.yaml:7:5: tools[1]: no worker tool is named 'calculater'; did you mean 'calculator'?",
        "agents/parcels.yaml:12:18: warning: tools[2].approval.when: args.item is a text, which cannot be compared with 3 "
        "by >",
        "agents/parcels.yaml:12:18: warning: tools[2].approval.when: there is no args.itme; did you mean args.item?",
        "agents/parcels.yaml:13:51: not checked: tools[3].approval.when: what args holds, which only the MCP server knows",
    ]


def test_an_agent_may_name_a_shipped_one_where_only_its_own_folder_is_given(here: Path) -> None:
    Path("agents/parcels.yaml").write_text(GOOD + "tools: [agent: {name: assistant}]\n")
    result = run("validate", "agents")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "ok parcels (agents/parcels.yaml)\n", "")


def test_warnings_do_not_fail(here: Path) -> None:
    Path("agents/parcels.yaml").write_text(PARCELS.replace("  - calculater\n", ""))
    Path("own.py").write_text(TOOLS)
    result = run("validate", "agents", "--tools", "own.py")
    assert (result.exit_code, result.stdout) == (0, "ok parcels (agents/parcels.yaml)\n")
    assert result.stderr.count("warning: ") == 4


def test_without_tools_it_says_what_it_did_not_check_and_runs_no_code(here: Path) -> None:
    Path("agents/parcels.yaml").write_text(PARCELS)
    Path("tools.py").write_text("raise ValueError('it ran')")
    result = run("validate", "agents")
    assert result.exit_code == 0
    for line in (
        "agents/parcels.yaml:6:5: not checked: tools[0]: whether there is a tool 'weigh', and what it takes\n",
        "agents/parcels.yaml:7:5: not checked: tools[1]: whether there is a tool 'calculater', and what it takes\n",
        "to check tools of your own, add --tools tools.py\n",
    ):
        assert line in result.stderr
    assert "add --tools" not in run("validate", "agents", "--tools", "perdure.activities.shipped.builtin_tools").stderr


def test_agents_that_name_each_other_are_checked_in_refused_files_too(here: Path) -> None:
    tool = "tools: [agent: {name: helpr}, agent: {name: helper, approval: {when: \"{{ args.mesage == 'x' }}\"}}]\n"
    Path("agents/helper.yaml").write_text(GOOD.replace("parcels", "helper"))
    Path("agents/odd.yaml").write_text(GOOD.replace("parcels", "odd") + "colour: red\n" + tool)
    Path("agents/parcels.yaml").write_text(GOOD + tool.replace("agent: {name: helpr}, ", ""))
    Path("agents/zoo.yaml").write_text(GOOD.replace("parcels", "zoo") + "tools: [agent: {name: odd}]\n")
    result = run("validate", "agents")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "agents/odd.yaml:5:1: colour: there is no such field",
        "agents/odd.yaml:6:17: tools[0].agent.name: no agent is named 'helpr'; did you mean 'helper'?",
        "agents/parcels.yaml:5:42: warning: tools[0].agent.approval.when: there is no args.mesage; "
        "did you mean args.message?",
        "agents/zoo.yaml:5:17: tools[0].agent.name: the agent 'odd' is refused itself",
    ]


def test_list_shows_what_would_serve(here: Path) -> None:
    result = run("list")
    assert result.exit_code == 0
    for word in ("assistant", "concierge", "support", "triage", "parcels", "demo/x", "shipped"):
        assert word in result.stdout


def test_the_schema_is_printed_as_json(here: Path) -> None:
    assert json.loads(run("schema").stdout) == schema()
