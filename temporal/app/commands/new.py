"""`perdure new DIR`: a small project that runs as it is: an agent, a tool, a test and a word on how to go on.

The texts below are templates of those files; `{agent}` is the agent's name, made from the directory's.
"""

import json
import re
import shlex
from pathlib import Path
from typing import Final

import typer

from perdure.temporal.definitions.json_schema import schema
from perdure.temporal.user_error import UserError

_AGENT: Final = """\
# yaml-language-server: $schema=agent.schema.json
name: {agent}
description: Tells what a parcel costs and when it arrives
starters:
  - Quote me a parcel of 3 kg to DE, please.
  - I want to send something to Japan.

models:
  capable: {{use: anthropic/claude-sonnet-5-5, max_output_tokens: 2048}}
model: capable

instructions: |
  You help people to send parcels. Be friendly and brief.

  - Use `quote_parcel` for every price and never guess one.
  - Ask for the weight and the country if you do not know them.

tools:
  - quote_parcel: {{timeout: 10s}}

limits:
  turn: {{steps: 8, cost_usd: 0.20}}
  session: {{cost_usd: 2.00}}
"""

_TOOLS: Final = '''\
"""The tools of this project: plain Temporal activities. The hints and the docstring are what the model is told."""

from temporalio import activity
from temporalio.exceptions import ApplicationError

# Dollars for the first kilogram, and days on the way.
RATES = {{"DE": (5.0, 2), "FR": (9.0, 3), "US": (19.0, 7)}}


@activity.defn
def quote_parcel(weight_kg: float, country: str, express: bool = False) -> dict[str, float]:
    """What a parcel costs and how long it takes.

    Args:
        weight_kg: Weight in kilograms, above 0 and at most 30.
        country: Where it goes: a two-letter country code, such as DE.
        express: Twice the price, half the time.
    """
    if not 0 < weight_kg <= 30:
        # The model reads the message, and can ask the user for another weight.
        raise ApplicationError("weight_kg must be above 0 and at most 30", type="bad_weight", non_retryable=True)
    if country.upper() not in RATES:
        raise ApplicationError(f"no parcels go to {{country}}", type="unknown_country", non_retryable=True)
    base, days = RATES[country.upper()]
    price = base + 1.5 * max(0.0, weight_kg - 1)
    return {{"price_usd": round(price * (2 if express else 1), 2), "days": days / 2 if express else days}}
'''

_TEST: Final = """\
import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from perdure.testing import Perdure, assistant, call, result, user
from tools import quote_parcel


def test_a_quote() -> None:
    quote = ActivityEnvironment().run(quote_parcel, 3.0, "DE", True)
    assert quote == {{"price_usd": 16.0, "days": 1.0}}


def test_a_country_without_parcels() -> None:
    with pytest.raises(ApplicationError) as raised:
        ActivityEnvironment().run(quote_parcel, 3.0, "AQ")
    assert raised.value.type == "unknown_country"


async def test_a_customer_who_comes_back_after_three_days(perdure: Perdure) -> None:
    # The model says what it is told to; the session, your agent's file and your tools are real.
    perdure.model.says("Let me see.", calls=[("quote_parcel", {{"weight_kg": 3.0, "country": "DE"}})])
    perdure.model.says("That is 8 dollars.")
    perdure.kill_worker(at="tool.started")  # and nobody notices
    session = await perdure.session("{agent}")
    turn = await session.say("What does a parcel of 3 kg to Germany cost?")
    assert (turn.reason, turn.text) == ("done", "That is 8 dollars.")

    await perdure.later(days=3)
    perdure.model.says("Still 8 dollars.")
    await session.say("And today?")
    assert await session.transcript() == [
        user("What does a parcel of 3 kg to Germany cost?"),
        assistant("Let me see.", call("quote_parcel", weight_kg=3.0, country="DE", express=False)),
        result("quote_parcel", {{"price_usd": 8.0, "days": 2}}),
        assistant("That is 8 dollars."),
        user("And today?"),
        assistant("Still 8 dollars."),
    ]
"""

_PYPROJECT: Final = """\
[project]
name = "{project}"
version = "0.1.0"
description = "Tells what a parcel costs and when it arrives"
requires-python = ">=3.11"
dependencies = ["perdure"]

[dependency-groups]
dev = ["perdure[test]"]

[tool.uv]
package = false

[tool.pytest.ini_options]
asyncio_default_fixture_loop_scope = "function"
"""

_GITIGNORE: Final = """\
# What perdure dev keeps: sessions, files, logs.
.perdure/
# Keys.
.env

.venv/
__pycache__/
.pytest_cache/
"""

_README: Final = """\
# {agent}

    perdure dev                                 # the agent in the browser; without a key it runs on the demo model
    perdure agents validate --tools tools.py    # is the definition right?
    pytest                                      # do the agent and its tools work? Needs: pip install 'perdure[test]'

- `agents/{agent}.yaml` is the agent: what it is told, its models, tools and limits. A change reaches running sessions
  at their next turn.
- `tools.py` holds its tools. A tool is a function with type hints and a docstring, decorated with `activity.defn`.
  Add one, name it in the agent's file, and start `perdure dev` again: tools are loaded once.
- `agents/agent.schema.json` lets editors complete and check definitions, by the first line of the agent's file. After an
  update of Perdure, write it anew: `perdure agents schema > agents/agent.schema.json`.
- Keys come from the environment: `ANTHROPIC_API_KEY`, `OPENAI_API_KEY`.
"""


class NotEmpty(UserError):
    """The directory holds something already, or is no directory."""


def new(directory: Path) -> None:
    """Writes the project into `directory` and prints its files, and what to type next. Raises NotEmpty."""
    for path in create(directory):
        typer.echo(path)
    typer.echo("\nNext:")
    if directory.resolve() != Path.cwd():
        typer.echo(f"  cd {shlex.quote(str(directory))}")
    typer.echo("  perdure dev     # the agent in the browser")
    typer.echo("  pytest          # its tests; they need: pip install 'perdure[test]'")


def create(directory: Path) -> list[Path]:
    """Writes the project into `directory`, which is made if it is missing, and returns the files. Raises NotEmpty."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise NotEmpty(f"{directory} is not an empty directory; give another, or empty it first")
    agent = agent_name(directory)
    files = {
        f"agents/{agent}.yaml": _AGENT,
        "tools.py": _TOOLS,
        f"test_{agent.replace('-', '_')}.py": _TEST,
        "pyproject.toml": _PYPROJECT,
        ".gitignore": _GITIGNORE,
        "README.md": _README,
    }
    project = agent.replace("_", "-").strip("-")
    texts = {name: template.format(agent=agent, project=project) for name, template in files.items()}
    texts["agents/agent.schema.json"] = json.dumps(schema(), indent=2) + "\n"
    for name, text in texts.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return [directory / name for name in texts]


def agent_name(directory: Path) -> str:
    """The directory's name as an agent may be called: `My Shop` → `my-shop`."""
    name = re.sub(r"[^a-z0-9_-]+", "-", directory.resolve().name.lower()).lstrip("-_0123456789").rstrip("-")
    return name[:64] or "parcels"
