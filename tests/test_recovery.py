"""One reading finds every problem in a file, in order, and none that only follows from another problem."""

from pathlib import Path

import pytest

from perdure.temporal.definitions.agent_file import load_agent_file
from perdure.workflows.definition.agent import ModelDefinition

HEAD = "name: a\nmodels: {m: {use: demo/x}}\nmodel: m\ninstructions: x\n"
MANY = """\
name: my agent
inputs:
  customer_name: text
  tier: {type: strng, minLength: -1}
modls:
  capable: {use: anthropic/claude-sonnet-5-5, thinkin: low}
  local: {use: nobody/x, max_output_tokens: many}
model: capabel
instructions: |
  You help {{ customer }} and {{ customer_name }}.
  {{ tier|uper }}
tools:
  - find_ordr
  - calculator: {timeout: soon, side_effect: once, on_unknown: ask, retry: {attempts: 0, bakoff: 2}}
  - issue_refund: {approval: {when: "{{ arg.amount > 100 }}", expires: 1ms}}
  - client: {name: pick, output: {type: date}}
  - client: x
limits: {turn: {steps: 0}, sesion: {cost_usd: x}}
secrets: [a b]
colour: red
colour: blue
schedules: [{cron: "61 * * * *", session: s, message: m, timezone: Mars/Base, inputs: {x: 1}}]
"""


def read(tmp_path: Path, text: str) -> list[str]:
    """`LINE:COLUMN FIELD` of each problem."""
    file = tmp_path / "a.yaml"
    file.write_text(text)
    loaded = load_agent_file(file, {}, frozenset(["find_order", "calculator", "issue_refund"]))
    assert loaded.definition is None
    return [f"{problem.line}:{problem.column} {problem.field}" for problem in loaded.problems]


def test_all_layers_of_faults_are_found_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    assert read(tmp_path, MANY) == [
        "1:1 name",
        "3:3 inputs.customer_name",
        "4:10 inputs.tier.type",
        "4:23 inputs.tier.minLength",
        "5:1 modls",
        "6:47 modls.capable.thinkin",
        "7:11 modls.local.use",
        "7:26 modls.local.max_output_tokens",
        "8:1 model",
        "10:15 instructions",
        "11:11 instructions",
        "13:5 tools[0]",
        "14:18 tools[1].timeout",
        "14:33 tools[1].side_effect",
        "14:77 tools[1].retry.attempts",
        "14:90 tools[1].retry.bakoff",
        "15:31 tools[2].approval.when",
        "15:63 tools[2].approval.expires",
        "16:5 tools[3].description",
        "16:35 tools[3].output.type",
        "17:5 tools[4].client",
        "18:17 limits.turn.steps",
        "18:28 limits.sesion",
        "18:37 limits.sesion.cost_usd",
        "19:11 secrets[0]",
        "20:1 colour",
        "21:1 ",
        "22:14 schedules[0].cron",
        "22:58 schedules[0].timezone",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # A field that is recognised by its right name has no further problem.
        (HEAD.replace("model: m", "modell: m"), ["3:1 modell"]),
        (HEAD.replace("name: a", "nmae: a"), ["1:1 nmae"]),
        # An invalid model can still be chosen.
        (HEAD.replace("{use: demo/x}", "x"), ["2:10 models.m"]),
        (HEAD.replace("{m: {use: demo/x}}", "[m]"), ["2:1 models"]),
        (HEAD.replace("{m: ", "{m m: ").replace("model: m\n", "model: m m\n"), ["2:10 models.m m"]),
        # A rule that depends on a field also applies if that field is misspelt.
        (HEAD + "tools: [calculator: {side_effects: onec, on_unknown: ask}]\n", ["5:22 tools[0].side_effects"]),
        (HEAD + "tools: [calculator: {side_effects: [], on_unknown: ask}]\n", ["5:22 tools[0].side_effects"]),
        (
            HEAD + "tools: [calculator: {approval: {expires: x, default: approve}}]\n",
            ["5:33 tools[0].approval.expires"],
        ),
        # An invalid tool keeps its name.
        (HEAD + "tools: [find_order: 3, calculator: {fallback: find_order}]\n", ["5:9 tools[0].find_order"]),
        (HEAD + "tools: [7, 8]\n", ["5:9 tools[0]", "5:12 tools[1]"]),
        (HEAD + "secrets: [A B]\ntools: [mcp: {url: '${A}'}]\n", ["5:11 secrets[0]"]),
        (HEAD + "inputs: {x: 3}\n", ["5:10 inputs.x"]),
        (
            HEAD.replace("instructions: x", "instructions: '{{ x }}'")
            + "inputs: [x]\ntools: [calculator: {approval: {when: '{{ x }}'}}]\n",
            ["5:1 inputs"],
        ),
        (HEAD.replace("instructions: x", "instructions: '{{ x }}'") + "inputs: {x: 3}\n", ["5:10 inputs.x"]),
        (HEAD.replace("instructions: x", "instructions: {file: none.md}"), ["4:16 instructions.file"]),
        # An invalid model needs no price.
        (
            HEAD.replace("demo/x", "openai-chat/x, price: {input: x}") + "limits: {turn: {cost_usd: 1}}\n",
            ["2:34 models.m.price.output", "2:42 models.m.price.input"],
        ),
    ],
)
def test_what_follows_from_a_fault_is_not_reported(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert sorted(read(tmp_path, text)) == sorted(expected)


def test_a_shared_model_may_be_chosen_where_the_own_ones_are_faulty(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(HEAD.replace("demo/x", "nowhere/x").replace("model: m", "model: shared"))
    loaded = load_agent_file(file, {"shared": ModelDefinition(use="demo/y")}, None)
    assert [problem.field for problem in loaded.problems] == ["models.m.use"]


def test_near_names_are_offered(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(MANY)
    loaded = load_agent_file(file, {}, frozenset(["find_order", "calculator", "issue_refund"]))
    found = {problem.field: problem.message for problem in loaded.problems}
    for field, near in {
        "inputs.tier.type": "did you mean 'string'?",
        "modls": "did you mean 'models'?",
        "modls.capable.thinkin": "did you mean 'thinking'?",
        "model": "did you mean 'capable'?",
        "instructions": "did you mean 'upper'?",
        "tools[0]": "did you mean 'find_order'?",
        "tools[1].side_effect": "did you mean 'side_effects'?",
        "tools[2].approval.when": "did you mean 'args'?",
        "limits.sesion": "did you mean 'session'?",
    }.items():
        assert found[field].endswith(near), (field, found[field])
    assert found["colour"] == "there is no such field"
