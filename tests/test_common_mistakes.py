"""The commonest mistakes in an agent's file: one place, and words that say what to write, also for who is no programmer."""

from pathlib import Path

import pytest

from perdure.temporal.definitions.agent_file import load_agent_file

WHOLE = """\
name: support
description: Answers questions about orders
models:
  fast: {use: anthropic/claude-haiku-5-5}
  capable: {use: anthropic/claude-sonnet-5-5}
model: capable
inputs:
  customer: {type: string}
instructions: |
  You help {{ customer }}.
  Be brief.
tools:
  - find_order: {timeout: 10s}
  - issue_refund: {approval: {when: "{{ args.amount > 100 }}"}, side_effects: once, timeout: 30s}
limits:
  turn: {steps: 8, cost_usd: 0.20}
"""
TOOLS = frozenset(["find_order", "issue_refund"])
QUOTE = 'a value that begins with {{ has to stand in quotes, as in when: "{{ args.amount > 100 }}"'

MISTAKES = [
    # 1. A name is misspelt: of a field, a role, a tool, an input, a model, a choice.
    ("instructions: |", "instructons: |", "9:1: instructons: there is no such field; did you mean 'instructions'?"),
    ("timeout: 10s", "timout: 10s", "13:18: tools[0].timout: there is no such field; did you mean 'timeout'?"),
    (
        "model: capable\n",
        "model: capabel\n",
        "6:1: model: 'capabel' is not one of models: fast, capable; did you mean 'capable'?",
    ),
    (
        "- find_order",
        "- find_ordre",
        "13:5: tools[0]: no worker tool is named 'find_ordre'; did you mean 'find_order'?",
    ),
    (
        "{{ customer }}",
        "{{ custommer }}",
        "10:15: instructions: 'custommer' is neither an input nor a built-in name; did you mean 'customer'?",
    ),
    (
        "claude-sonnet-5-5",
        "claude-sonet-5-5",
        "5:3: models.capable: anthropic/claude-sonet-5-5 has no known price, which a cap on cost needs; did you mean "
        "'anthropic/claude-sonnet-5-5'?",
    ),
    (
        "side_effects: once",
        "side_effects: one",
        "14:65: tools[1].side_effects: must be one of none, idempotent, once, not 'one'; did you mean 'once'?",
    ),
    # 2. A text with a colon, or a template, stands without quotes.
    (
        "Answers questions about orders",
        "Orders: questions and answers",
        "2:20: not valid YAML: a text with a colon in it has to stand in quotes; or this line is indented too far, or "
        "the line above lacks a colon at its end",
    ),
    ('"{{ args.amount > 100 }}"', "{{ args.amount > 100 }}", f"14:37: not valid YAML: {QUOTE}"),
    (
        "instructions: |\n  You help {{ customer }}.\n  Be brief.\n",
        "instructions: {{ customer }} needs help.\n",
        f"9:15: not valid YAML: {QUOTE}",
    ),
    # 3. The indentation is wrong.
    ("  fast:", "\tfast:", "4:1: not valid YAML: a tab stands here; indent with spaces"),
    (
        "  Be brief.",
        "Be brief.",
        "11:1: not valid YAML: this line has no colon: write a field as name: value, or indent it as far as the text above",
    ),
    (
        "find_order: {timeout: 10s}",
        "find_order:\n    timeout: 10s",
        "13:5: tools[0]: a tool is a name, or one name with its options: indent those of find_order below it "
        "(here: a mapping)",
    ),
    (
        "find_order: {timeout: 10s}",
        "find_order\n      timeout: 10s",
        "14:14: not valid YAML: a text with a colon in it has to stand in quotes; or this line is indented too far, or "
        "the line above lacks a colon at its end",
    ),
    (
        "find_order: {timeout: 10s}",
        "find_order: 10s",
        "13:5: tools[0].find_order: the options of a tool are a mapping, as in {timeout: 30s}",
    ),
    (
        "limits:\n  turn:",
        "handlers: {later: [wait: 3d]}\nlimits:\n  turn:",
        "15:20: handlers.later[0].wait: is a mapping of fields, as in {for: 3d}",
    ),
    (
        "limits:\n  turn:",
        "limits: {}\nturn:",
        "16:1: turn: there is no such field; it belongs to limits: indent it below that",
    ),
    # 4. A dash is missing, or a bracket.
    (
        "  - find_order: {timeout: 10s}",
        "  find_order: {timeout: 10s}",
        "14:3: not valid YAML: an entry of a list stands among fields; begin every entry with - and indent all of them alike",
    ),
    (
        "cost_usd: 0.20}",
        "cost_usd: 0.20",
        "16:9: not valid YAML: this { is never closed, or a comma is missing after it; each { needs a }",
    ),
    # 5. A model has no provider, or is no mapping.
    (
        "{use: anthropic/claude-sonnet-5-5}",
        "anthropic/claude-sonnet-5-5",
        "5:3: models.capable: must be a mapping, as in {use: anthropic/claude-sonnet-5-5}, not 'anthropic/claude-sonnet-5-5'",
    ),
    (
        "anthropic/claude-sonnet-5-5",
        "claude-sonnet-5-5",
        "5:13: models.capable.use: 'claude-sonnet-5-5' names no provider of this version; write one of anthropic/…, "
        "bedrock/…, openai/…, openai-chat/…, azure/…, azure-chat/…, gemini/…, demo/…",
    ),
    # 6. A duration has no unit, an amount has a sign.
    (
        "timeout: 10s",
        "timeout: 10",
        "13:18: tools[0].timeout: a duration is a number and a unit: 30s, 5m, 2h, 3d (here: 10)",
    ),
    (
        "cost_usd: 0.20",
        "cost_usd: $0.20",
        "16:20: limits.turn.cost_usd: must be a number, not '$0.20'; write 0.20 without quotes or signs",
    ),
    # 7. Something is missing, or stands twice.
    ("name: support\n", "", "1:1: name: is required"),
    ("model: capable\n", "model: capable\nmodel: fast\n", "7:1: the key 'model' stands here twice"),
    # 8. A cap stands where there is none.
    (
        "  turn: {steps: 8, cost_usd: 0.20}",
        "  cost_usd: 5",
        "16:3: limits.cost_usd: there is no such field; caps are those of a turn, a session, a user or a tenant, as in "
        "limits: {session: {cost_usd: 5}}",
    ),
    # 9. A template is not closed, or reads what a value has not.
    (
        "  Be brief.",
        "  {% if customer %}\n  Be brief.",
        "11:3: instructions: not a valid template: {% if %} is never closed; add {% endif %} where it ends",
    ),
    (
        "{{ customer }}",
        "{{ customer }",
        "10:3: instructions: not a valid template: a } stands where none can: values stand in {{ two braces }}",
    ),
    ("{{ customer }}", "{{ customer.name }}", "10:3: instructions: customer is a text, which has no field 'name'"),
    # 10. An input is described by a word alone.
    (
        "customer: {type: string}",
        "customer: string",
        "8:3: inputs.customer: must be a mapping, as in {type: string}, not 'string'",
    ),
]


@pytest.mark.parametrize(("right", "wrong", "told"), MISTAKES, ids=[told.partition(": ")[0] for *_, told in MISTAKES])
def test_a_mistake_has_one_place_and_says_what_to_write(tmp_path: Path, right: str, wrong: str, told: str) -> None:
    assert WHOLE.count(right) >= 1
    (file := tmp_path / "support.yaml").write_text(WHOLE.replace(right, wrong, 1))
    found = load_agent_file(file, {}, TOOLS)
    assert [str(one) for one in (*found.problems, *found.warnings)] == [f"{file}:{told}"]


def test_the_file_itself_is_right(tmp_path: Path) -> None:
    (file := tmp_path / "support.yaml").write_text(WHOLE)
    found = load_agent_file(file, {}, TOOLS)
    assert (found.problems, found.warnings) == ((), ())
