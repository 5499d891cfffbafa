"""`perdure tools`, as people type it."""

import json
import sys
from pathlib import Path
from unittest.mock import ANY

import pytest
from typer.testing import CliRunner, Result

from perdure.activities.tools.tool import ToolLoadError
from perdure.temporal.app.cli.tools import app
from perdure.temporal.app.console.refused import Refused

ROOT = Path(__file__).parent.parent

TOOLS = '''
import json
from typing import Annotated, Any

from temporalio import activity
from temporalio.exceptions import ApplicationError


@activity.defn
async def reserve(item: str, count: int = 1) -> dict[str, int]:
    """Reserves an item.

    Args:
        item: Its name.

    Raises:
        sold_out: There is none left.
        ApplicationError("too_many"): More than a person may have.
    """
    if item == "tea":
        raise ApplicationError("There is no tea.", type="sold_out", non_retryable=True)
    return {item: count}


@activity.defn
async def weigh(item: str) -> float:
    """Weighs an item."""
    return _weight(item)


@activity.defn
def measure(item: str) -> float:
    """Measures an item."""
    return json.loads(item)["cm"]


def _weight(item: str) -> float:
    weights: dict[str, float] = {}
    return weights[item]


@activity.defn
def whose(item: str, who: Annotated[dict[str, Any], "perdure.context"]) -> list[Any]:
    """Says whose an item is."""
    return [item, who["user"], who["inputs"], who["session_id"]]


@activity.defn
def long(size: int) -> str:
    """Gives a long text."""
    return "x" * size
'''

AGENT = f"""
name: desk
model: m
models: {{m: {{use: demo/x}}}}
instructions: x
tools:
  - find_stock: {{task_queue: stock, description: Finds stock., input: {{type: object}}}}
  - client: {{name: pick_date, description: Picks a date.}}
  - mcp:
      {{command: ["{sys.executable}", -m, tests.support.mcp_server], env: {{PYTHONPATH: "{ROOT}"}}, name: shop, allow: [add]}}
  - mcp:
      name: own
      command: ["{sys.executable}", -m, tests.support.mcp_whoami]
      env: {{PYTHONPATH: "{ROOT}", WHO: "{{{{ user.id }}}}"}}
  - mcp: {{command: [no-such-program], name: away}}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with ./agents and ./tools.py."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "desk.yaml").write_text(AGENT)
    (tmp_path / "tools.py").write_text(TOOLS)
    return tmp_path


def run(*args: str) -> Result:
    return CliRunner().invoke(app, args)


def test_what_others_wrote_does_not_steer_the_terminal(here: Path) -> None:
    hostile = AGENT.replace("Finds stock.", '"Finds \\e[2J\\e]0;owned\\a stock.\\u009b31m"')
    (here / "agents" / "desk.yaml").write_text(hostile)
    for args in (("list",), ("show", "find_stock")):
        result = run(*args)
        assert result.exit_code == 0, result.output
        assert "Finds [2J]0;owned stock.31m" in result.stdout
        assert not set("\x1b\x07\x9b") & set(result.output)


def test_list_tells_of_every_kind_of_tool_and_where_it_comes_from(here: Path) -> None:
    result = run("list")
    assert result.exit_code == 0, result.output
    rows = [[cell.strip() for cell in line.split("│")[1:4]] for line in result.stdout.splitlines() if "│" in line]
    told = {name: (about, source) for name, about, source in rows}
    assert told["calculator"][1] == "built-in"
    assert told["wake_me"][1] == "built-in, in the session"
    assert told["reserve"] == ("Reserves an item.", f"{here / 'tools.py'}:9")
    assert told["find_stock"] == ("Finds stock.", "task queue stock, agent desk")
    assert told["pick_date"] == ("Picks a date.", "the app, agent desk")
    assert told["shop_add"] == ("Adds two numbers.", "MCP server shop, agent desk")
    assert result.stderr.splitlines() == [
        f"using {here / 'agents'} and {here / 'tools.py'}, found in this folder; --agents and --tools name others",
        "agent desk: the MCP server away cannot be reached: its program cannot be started",
    ]


def test_what_was_not_named_is_told_before_it_runs(here: Path) -> None:
    (here / "tools.py").write_text("raise ValueError('it ran')")
    for arguments in (["list"], ["show", "add"], ["call", "add"]):
        result = run(*arguments, "--agents", "agents")
        assert isinstance(result.exception, ToolLoadError)
        assert "it ran" in str(result.exception)
        assert result.stderr == f"using {here / 'tools.py'}, found in this folder; --agents and --tools name others\n"
        assert str(here) not in run(*arguments, "--agents", "agents", "--tools", "nothing.py").stderr


def test_show_tells_what_a_model_is_told() -> None:
    result = run("show", "reserve", "--agents", "agents")
    told, _, rest = result.stdout.partition("\ninput:\n")
    given, _, output = rest.partition("\noutput:\n")
    assert told.splitlines()[2:] == [
        "Reserves an item.",
        "",
        "It may fail with:",
        "- sold_out: There is none left.",
        "- too_many: More than a person may have.",
    ]
    assert json.loads(given)["properties"]["item"] == {"type": "string", "description": "Its name."}
    assert json.loads(output)["type"] == "object"


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (["reserve", "item=42", "count=2"], {"42": 2}),
        (["reserve", "--args", '{"item": "cup"}'], {"cup": 1}),
        (["long", "size=100000"], "x" * 100_000),
        (["shop_add", "a=1", "b=2"], {"result": 3}),
        (["whose", "item=cup"], ["cup", None, {}, "try"]),
        (
            ["whose", "item=cup", "--context", '{"user": "ada", "inputs": {"customer": "C-1"}}'],
            ["cup", "ada", {"customer": "C-1"}, "try"],
        ),
        (["own_whoami", "--context", '{"user": "ada"}'], {"who": "ada", "token": None, "pid": ANY}),
    ],
)
def test_call_runs_a_tool_for_real(arguments: list[str], output: object) -> None:
    result = run("call", *arguments)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["reserve", "item=tea"], "sold_out: There is no tea.\n"),
        (
            ["reserve"],
            "invalid_arguments: reserve was not called, because its arguments are wrong. item: is required.\n",
        ),
    ],
)
def test_a_failure_has_its_type(arguments: list[str], told: str) -> None:
    result = run("call", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines(keepends=True)[1:] == [told]


@pytest.mark.parametrize(
    ("arguments", "told", "code"),
    [
        # The innermost line of one's own, also below one's own and above a library's.
        (["weigh", "item=tea"], "KeyError: 'tea'", "return weights[item]"),
        (["measure", "item={"], "JSONDecodeError: Expecting property name", 'return json.loads(item)["cm"]'),
    ],
)
def test_a_bug_has_its_line(here: Path, arguments: list[str], told: str, code: str) -> None:
    result = run("call", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    line = next(number for number, text in enumerate(TOOLS.splitlines(), 1) if text.strip() == code)
    name = "_weight" if arguments[0] == "weigh" else "measure"
    _, said, place, shown = result.stderr.splitlines()
    assert said.startswith(told)
    assert (place, shown) == (f"  {here / 'tools.py'}:{line}, in {name}", f"    {code}")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["show", "nothing"], "there is no tool 'nothing'; there are: "),
        (["call", "nothing"], "there is no tool 'nothing'"),
        (["call", "find_stock"], "'find_stock' runs elsewhere (task queue stock, agent desk)"),
        (["call", "reserve", "tea"], "'tea': arguments are written as key=value"),
        (["call", "reserve", "--args", "[]"], "--args: is one JSON object"),
        (["call", "reserve", "--args", "{"], "--args: not JSON"),
    ],
)
def test_what_cannot_be_done_is_refused(arguments: list[str], told: str) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, Refused)
    assert str(result.exception).startswith(told)


def test_a_schema_that_no_provider_takes_is_refused_with_its_place(here: Path) -> None:
    (here / "odd.py").write_text(
        "from typing import Any\nfrom pydantic import BaseModel, Field\nfrom temporalio import activity\n\n"
        "class Odd(BaseModel):\n    x: int = Field(alias='ein Wort')\n\n"
        "@activity.defn\nasync def odd(odd: Odd) -> int:\n    return 1\n"
    )
    result = run("list", "--tools", "odd.py")
    assert isinstance(result.exception, ToolLoadError)
    assert "tool 'odd': input.properties.ein Wort: models take only names of up to 64 letters" in str(result.exception)


def test_show_tells_that_a_tool_asks_on_whose_behalf() -> None:
    result = run("show", "whose")
    assert "`perdure tools call` takes that as --context" in result.stdout
    assert '"who"' not in result.stdout


@pytest.mark.parametrize(
    ("context", "told"),
    [
        ("ada", "--context: not JSON"),
        ("[]", "--context: is one JSON object"),
        ('{"usr": "ada"}', "--context: there is no 'usr'; there are: agent, call_id"),
        ('{"user": 5}', "--context: user: "),
    ],
)
def test_a_context_that_cannot_be_read_is_named(context: str, told: str) -> None:
    result = run("call", "whose", "item=cup", "--context", context)
    assert isinstance(result.exception, Refused)
    assert str(result.exception).startswith(told)


def test_a_server_that_cannot_be_told_is_not_asked() -> None:
    result = run("call", "own_whoami")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (
        1,
        "context_unfit: own_whoami did not run, because own cannot be told on whose behalf: WHO: there is no user.id.",
    )
