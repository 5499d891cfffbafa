"""What is allowed in a definition and unwise, in the words and at the place that people are told."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from perdure.temporal.app.cli.agents import app
from perdure.temporal.app.commands.new import create
from perdure.temporal.definitions.advice import LONG
from perdure.temporal.definitions.agent_file import load_agent_file

WISE = """\
name: shop
models:
  main:
    use: anthropic/claude-sonnet-5-5
model: main
instructions: Help.
limits:
  session: {cost_usd: 2.0}
"""


def validated(folder: Path, text: str, *options: str) -> Result:
    (folder / "shop.yaml").write_text(text)
    return CliRunner().invoke(app, ["validate", str(folder / "shop.yaml"), *options])


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        (
            "limits:\n  session: {cost_usd: 2.0}\n",
            "limits: {turn: {steps: 3}}\n",
            "5:1: warning: model",
            "anthropic/claude-sonnet-5-5 costs money, and nothing caps it; add limits: {session: {cost_usd: 2}}",
        ),
        (
            "limits:\n",
            "limits:\n  turn: {cost_usd: 3}\n",
            "8:10: warning: limits.turn.cost_usd",
            "lets one turn have more dollars (3) than the whole session (2); lower it, or raise the session's",
        ),
        (
            "limits:\n",
            "schedules: [{cron: '0 9 * * *', session: daily, message: Hi}]\nlimits:\n",
            "7:1: warning: schedules",
            "their turns ask a person at a limit, and may wait for one all night; add limits: {on_limit: stop}",
        ),
        (
            "model: main\n",
            "    fallback: [{use: anthropic/claude-haiku-5-5}]\nmodel: main\n",
            "5:5: warning: models.main.fallback",
            "stands in for anthropic with anthropic alone, and is down where that is; add a model of another provider",
        ),
        (
            "model: main\n",
            "  fast: {use: anthropic/claude-haiku-5-5}\nmodel: main\n",
            "5:3: warning: models.fast",
            "nothing in this file uses this role; remove it, unless people choose it for their session",
        ),
        (
            "model: main\n",
            "inputs:\n  customer: {type: string}\nmodel: main\n",
            "6:3: warning: inputs.customer",
            "no template of this file uses it, and every session has to give it; remove it, unless a tool takes "
            "it from the call's context",
        ),
        (
            "Help.",
            "Help. " + "x" * LONG,
            "6:1: warning: instructions",
            "has 20,006 characters, about 5,000 tokens that each step carries; leave out what few turns need, or "
            "let a tool look it up",
        ),
        (
            "limits:\n",
            "tools:\n  - pay: {side_effects: once, timeout: 30s}\nlimits:\n",
            "8:11: warning: tools[0].side_effects",
            "pay does something that cannot be done twice, and asks nobody; add approval: always, or for which "
            'calls: {when: "{{ args.amount > 100 }}"}',
        ),
        (
            "limits:\n",
            "tools:\n  - pay: {side_effects: once, approval: always}\nlimits:\n",
            "8:11: warning: tools[0].side_effects",
            "pay is never tried again, so what happens after 60 s is unknown for good; add the timeout that it needs",
        ),
        (
            "limits:\n",
            "tools:\n  - mcp: {url: 'https://stock.example.com/mcp'}\nlimits:\n",
            "8:5: warning: tools[0]",
            "gives the agent every tool of https://stock.example.com/mcp, those that it gets later too, and asks "
            "nobody; name them with allow, or add approval",
        ),
        (
            "limits:\n",
            "tools:\n  - mcp: {url: 'http://stock.example.com/mcp', allow: [a]}\nlimits:\n",
            "8:11: warning: tools[0].url",
            "sends arguments and results unencrypted; use https://",
        ),
        (
            "limits:\n",
            "tools:\n  - mcp: {url: 'https://x.example.com/mcp', allow: [a], headers: {X-Api-Key: abc}}\nlimits:\n",
            "8:67: warning: tools[0].headers.X-Api-Key",
            "stands here for all who read this file; write ${NAME}, and add NAME to secrets",
        ),
    ],
)
def test_advice_has_a_place_and_says_what_to_write(
    tmp_path: Path, old: str, new: str, place: str, message: str
) -> None:
    assert validated(tmp_path, WISE, "--strict").stderr == ""
    assert old in WISE
    text = WISE.replace(old, new)
    warned = validated(tmp_path, text)
    lines = [line.partition("shop.yaml:")[2] for line in warned.stderr.splitlines() if "warning" in line]
    assert (lines, warned.exit_code) == ([f"{place}: {message}"], 0)
    # Where nothing unwise may pass, as before a release.
    assert validated(tmp_path, text, "--strict").exit_code == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  session: {cost_usd: 2.0}", "  user: {day: {cost_usd: 2.0}}"),
        ("model: main\n", "    fallback: [fast]\n  fast: {use: openai/gpt-6-sol}\nmodel: main\n"),
        ("limits:\n", "context: {summarizer: fast}\nlimits:\n"),
        ("limits:\n", "limits:\n  on_limit: {cheaper: fast}\n"),
        ("instructions: Help.\n", "inputs: {who: {type: string}}\ninstructions: 'Help {% if who %}{{ who }}{% endif %}.'\n"),
        ("limits:\n", "inputs: {text: {type: string}}\nanswer: {schema: {type: object}}\nlimits:\n"),
        ("limits:\n", "inputs: {vip: {type: boolean}}\ntools: [pay: {approval: {when: '{{ vip }}'}}]\nlimits:\n"),
        ("limits:\n", "tools: [mcp: {url: 'http://stock:90/mcp', approval: always}]\nlimits:\n"),
        ("limits:\n", "tools: [mcp: {command: [stock], allow: [a], env: {KEY: '${K}'}}]\nsecrets: [K]\nlimits:\n"),
    ],
)  # fmt: skip
def test_what_is_wise_is_left_alone(tmp_path: Path, old: str, new: str) -> None:
    text = WISE.replace(old, new)
    if "fast" in text and "  fast:" not in text:
        text = text.replace("model: main\n", "  fast: {use: openai/gpt-6-sol}\nmodel: main\n")
    (file := tmp_path / "shop.yaml").write_text(text)
    found = load_agent_file(file, {}, None)
    assert (found.problems, found.advice) == ((), ())


def test_nothing_is_advised_of_what_is_wrong_in_other_ways(tmp_path: Path) -> None:
    result = validated(tmp_path, WISE.replace("limits:\n  session: {cost_usd: 2.0}\n", "colour: red\n"))
    assert (result.exit_code, "warning" in result.stderr) == (1, False)


def test_a_new_project_is_wise(tmp_path: Path) -> None:
    create(tmp_path / "shop")
    result = CliRunner().invoke(app, ["validate", str(tmp_path / "shop" / "agents"), "--strict"])
    assert (result.exit_code, [line for line in result.stderr.splitlines() if "warning" in line]) == (0, [])
