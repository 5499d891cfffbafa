from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perdure.temporal.definitions.agent_file import load_agent_file
from perdure.temporal.definitions.models_file import load_models
from perdure.workflows.definition.agent import ModelDefinition

GOOD = """\
name: support
description: Answers questions
inputs:
  customer_name: {type: string}
models:
  capable: {use: anthropic/claude-sonnet-5-5, thinking: off}
  local: {use: openai-chat/llama3.2, base_url: "http://127.0.0.1:9/v1", price: {input: 0, output: 0}}
model: capable
instructions: |
  You help {{ customer_name }} in {{ session.id }}.
  {% for n in range(2) %}{{ n }}{{ user.id }}{{ turn.number }}{% endfor %}
tools:
  - find_order
  - calculator: {timeout: 90s, retry: {attempts: 1}}
limits:
  turn: {steps: 3, cost_usd: 0.5}
"""


def problems(tmp_path: Path, text: str, tools: frozenset[str] | None = None) -> list[str]:
    """The problems of `text` as `LINE: FIELD: MESSAGE`."""
    file = tmp_path / "agent.yaml"
    file.write_text(text)
    loaded = load_agent_file(file, {}, tools)
    assert (loaded.definition is None) == bool(loaded.problems)
    return [
        f"{problem.file}:{problem.line}: {problem.field}: {problem.message}".removeprefix(f"{tmp_path}/").removeprefix(
            "agent.yaml:"
        )
        for problem in loaded.problems
    ]


def test_a_good_file(tmp_path: Path) -> None:
    assert problems(tmp_path, GOOD, frozenset(["find_order", "calculator"])) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "name: support",
            "name: my agent",
            "1: name: must be a letter, then up to 63 letters, digits, _ or -, not 'my agent'",
        ),
        ("name: support\n", "", "1: name: is required"),
        ("model: capable", "model: clever", "8: model: 'clever' is not one of models: capable, local"),
        ("model: capable", "model: capable\nmodell: x", "9: modell: there is no such field"),
        (
            "model: capable",
            "model: capable\nidle_timeout: 5s",
            "9: idle_timeout: must be at least 60s, not '5s'",
        ),
        (
            "model: capable",
            "model: capable\nhandlers: {follow_up: [run_agents: {}]}",
            "9: handlers.follow_up[0]: there is no block 'run_agents'",
        ),
        (
            "model: capable",
            "model: capable\nanswer: {schema: {type: object, properties: {n: {type: nummer}}}}",
            "9: answer.schema.properties.n.type: not a JSON Schema: 'nummer' is not one of its types",
        ),
        (
            "model: capable",
            "model: capable\nanswer:\n  schema: {type: array}",
            "10: answer.schema: is a JSON Schema of type: object",
        ),
        (
            "model: capable",
            "model: capable\nanswer:\n  schema:\n    type: object\n    properties: {n: {$ref: '#/$defs/m'}}",
            "12: answer.schema.properties.n.$ref: '#/$defs/m' is not in this schema",
        ),
        ("model: capable", "model: capable\nanswer: {}", "9: answer.schema: is required"),
        ("thinking: off", "fallback: [othr]", "6: models.capable.fallback[0]: 'othr' is not one of models"),
        ("thinking: off", "output: 3", "6: models.capable.output: there is no such field"),
        (
            "anthropic/claude",
            "palm/claude",
            "6: models.capable.use: 'palm/claude-sonnet-5-5' names no provider of this version; "
            "write one of anthropic/…, bedrock/…, openai/…, openai-chat/…, azure/…, azure-chat/…, gemini/…, demo/…",
        ),
        ("anthropic/claude-sonnet-5-5", "openai/gpt-0", "6: models.capable: openai/gpt-0 has no known price"),
        ("timeout: 90s", "timeout: soon", "14: tools[1].timeout: a duration is a number and a unit"),
        ("timeout: 90s", "timeout: 99999999999999d", "14: tools[1].timeout: 99999999999999d is longer than"),
        ("- find_order", "- find_order: 30s", "13: tools[0].find_order: the options of a tool are a mapping"),
        (
            "timeout: 90s",
            "side_effects: twice",
            "14: tools[1].side_effects: must be one of none, idempotent, once, not 'twice'",
        ),
        (
            "timeout: 90s, retry: {attempts: 1}",
            "side_effects: once, retry: {attempts: 2}",
            "14: tools[1].retry: a tool whose side effects happen once is never tried again",
        ),
        ("timeout: 90s", "on_unknown: ask", "14: tools[1].on_unknown: only counts with side_effects: once"),
        (
            "timeout: 90s",
            "task_queue: stock",
            "14: tools[1].task_queue: a tool of another worker needs its description",
        ),
        ("timeout: 90s", "input: {type: object}", "14: tools[1].input: only counts with task_queue"),
        ("timeout: 90s", "approval: sometimes", "14: tools[1].approval: is always, never or {when: ...}"),
        (
            "timeout: 90s",
            "approval: {default: approve}",
            "14: tools[1].approval.default: only counts with expires",
        ),
        ("timeout: 90s", "approval: {when: args.x}", "14: tools[1].approval.when: is exactly one {{ }}"),
        (
            "timeout: 90s",
            "approval: {when: '{{ arg.x }}'}",
            "14: tools[1].approval.when: 'arg' is neither an input nor",
        ),
        ("timeout: 90s", "approval: {when: '{{ args. }}'}", "14: tools[1].approval.when: not a valid template"),
        ("timeout: 90s", "fallback: none", "12: tools: the fallback 'none' of 'calculator' is not one of the tools"),
        ("timeout: 90s", "fallback: calculator", "14: tools[1].fallback: cannot be the tool itself"),
        ("timeout: 90s", "kind: client", "14: tools[1].calculator: the options of a tool are a mapping"),
        ("- find_order", "- client: x", "13: tools[0].client: is a mapping"),
        ("- find_order", "- client: {name: pick}", "13: tools[0].description: is required"),
        (
            "- find_order",
            "- client: {name: pick, description: x, input: {type: string}}",
            "13: tools[0].input: is a JSON Schema of type: object",
        ),
        (
            "- find_order",
            "- client: {name: pick, description: x, output: {type: date}}",
            "13: tools[0].output.type: pick: not a JSON Schema",
        ),
        (
            "- find_order",
            "- client: {name: find_order, description: x}",
            "13: tools[0]: a tool of Perdure's own worker has the name 'find_order', too",
        ),
        ("- find_order", "- agent: {name: x, share: 2}", "13: tools[0].share: must be at most 1, not 2"),
        ("steps: 3", "calls_per_step: 0", "16: limits.turn.calls_per_step: must be at least 1, not 0"),
        ("- find_order", "- find_ordr", "13: tools[0]: no worker tool is named 'find_ordr'"),
        ("- find_order", "- calculator", "12: tools: 'calculator' is named twice"),
        ("steps: 3", "steps: none", "16: limits.turn.steps: must be a whole number, not 'none'"),
        ("steps: 3", "working_time: 5", "16: limits.turn.working_time: a duration is a number and a unit"),
        ("steps: 3", "tokens: -1", "16: limits.turn.tokens: must be at least 0, not -1"),
        ("limits:", "limits:\n  on_limit: sleep", "16: limits.on_limit: is ask, stop or {cheaper: ROLE}"),
        (
            "limits:",
            "limits:\n  on_limit: {cheaper: capabel}",
            "15: limits: on_limit.cheaper: 'capabel' is not one of models: capable, local; did you mean 'capable'?",
        ),
        (
            "model: capable",
            "model: capable\nbusy: later",
            "9: busy: must be one of queue, steer, interrupt, reject, not 'later'",
        ),
        ("model: capable", "model: capable\nstarters: [Hello, ' ']", "9: starters: none may be blank"),
        ("type: string", "type: text", "4: inputs.customer_name.type: not a JSON Schema"),
        ("customer_name: {", "session: {", "3: inputs: 'session' is a built-in name"),
        ("help {{ customer_name }}", "help {{ customer }}", "10: instructions: 'customer' is neither an input nor"),
        ("turn.number", "args.x", "11: instructions: 'args' is neither an input nor"),
        ("turn.number", "lipsum()", "11: instructions: 'lipsum' is neither an input nor"),
        ("range(2)", "range(2) | random", "11: instructions: there is no filter named 'random'"),
        ("{% endfor %}", "", "11: instructions: not a valid template"),
        ("help", "{% include 'x' %}", "10: instructions: x cannot be read: No such file or directory"),
        (
            "help",
            "{% include name %}",
            "10: instructions: `include` stands in instructions alone, and names one file in",
        ),
        ("help", "{% import 'x' as x %}", "10: instructions: a template is one text; `import` cannot be used"),
        (", price: {input: 0, output: 0}", "", "7: models.local: openai-chat/llama3.2 has no known price"),
        ("instructions: |", "instructions: {text: x}\nexamples: |", "9: instructions: is a text, or {file: NAME}"),
    ],
)
def test_a_fault_is_named_by_line_and_field(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in GOOD
    found = problems(tmp_path, GOOD.replace(old, new, 1), frozenset(["find_order", "calculator"]))
    assert any(problem.startswith(expected) for problem in found), found


def test_a_model_that_takes_over_needs_another_to_take_over_from(tmp_path: Path) -> None:
    text = GOOD.replace("limits:", "limits:\n  on_limit: {cheaper: capable}", 1)
    # A message may choose `local`, so `capable` can take over although it answers by default.
    assert problems(tmp_path, text) == []
    start = text.index("  local:")
    alone = text[:start] + text[text.index("\n", start) + 1 :]
    (told,) = problems(tmp_path, alone)
    assert "limits.on_limit.cheaper: 'capable' is the only one of models, so it answers already" in told


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    found = problems(tmp_path, GOOD.replace("timeout: 90s", "timeout: soon").replace("steps: 3", "steps: 0"))
    assert [problem.split(": ")[1] for problem in found] == ["tools[1].timeout", "limits.turn.steps"]


def test_without_a_cap_a_price_may_be_unknown(tmp_path: Path) -> None:
    text = GOOD.replace(", price: {input: 0, output: 0}", "").replace(", cost_usd: 0.5", "")
    assert problems(tmp_path, text) == []


def test_instructions_from_a_file(tmp_path: Path) -> None:
    start = GOOD.index("instructions: |")
    text = GOOD[:start] + "instructions: {file: texts/support.md}\n" + GOOD[GOOD.index("tools:") :]
    assert problems(tmp_path, text)[0].startswith("9: instructions.file: ")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "support.md").write_text("Hello\n\n{{ customer }}\n")
    assert problems(tmp_path, text)[0].startswith("texts/support.md:3: instructions: 'customer' is neither")
    (tmp_path / "texts" / "support.md").write_text("Hello {{ customer_name }}")
    assert problems(tmp_path, text) == []
    loaded = load_agent_file(tmp_path / "agent.yaml", {}, None)
    assert loaded.definition is not None
    assert loaded.definition.instructions == "Hello {{ customer_name }}"
    assert tmp_path / "texts/support.md" in loaded.included


@pytest.mark.parametrize("name", ["../secret.md", "/etc/hostname", "link.md"])
def test_included_files_stay_in_the_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "agents"
    folder.mkdir()
    (tmp_path / "secret.md").write_text("secret")
    (folder / "link.md").symlink_to(tmp_path / "secret.md")
    start = GOOD.index("instructions: |")
    found = problems(folder, GOOD[:start] + f"instructions: {{file: {name}}}\n" + GOOD[GOOD.index("tools:") :])
    assert found == ["9: instructions.file: must lie in the folder of this file, or below it"]


def test_shared_models_lie_below_the_definitions_own(tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text("name: a\nmodels: {mine: {use: demo/mine}}\nmodel: shared\ninstructions: x\n")
    shared = {"mine": ModelDefinition(use="demo/theirs"), "shared": ModelDefinition(use="demo/shared")}
    loaded = load_agent_file(file, shared, None)
    assert loaded.definition is not None
    assert {role: model.use for role, model in loaded.definition.models.items()} == {
        "mine": "demo/mine",
        "shared": "demo/shared",
    }
    file.write_text("name: a\nmodel: shared\ninstructions: x\n")
    assert load_agent_file(file, shared, None).problems == ()
    (problem,) = load_agent_file(file, {}, None).problems
    assert "there is no model" in problem.message


@pytest.mark.parametrize("indent", ["", "models:\n  "])
def test_a_shared_file_keeps_what_is_right(tmp_path: Path, indent: str) -> None:
    file = tmp_path / "models.yaml"
    gap = "  " if indent else ""
    file.write_text(f"{indent}fast: {{use: demo/fast}}\n{gap}odd: {{use: nowhere}}\n{gap}a b: {{use: demo/x}}\n")
    models, found = load_models(file)
    assert models == {"fast": ModelDefinition(use="demo/fast")}
    first = 3 if indent else 2
    assert [(problem.line, problem.field.removeprefix("models.")) for problem in found] == [
        (first, "odd.use"),
        (first + 1, "a b"),
    ]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_edit_of_a_file_raises(tmp_path: Path, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(GOOD)))
    end = data.draw(st.integers(start, min(start + 40, len(GOOD))))
    put = data.draw(
        st.text(max_size=10) | st.sampled_from(["{", "[", "null", "{{", "1", ": ", "\n- ", "&a", "*a", "<<: "])
    )
    file = tmp_path / "agent.yaml"
    file.write_bytes((GOOD[:start] + put + GOOD[end:]).encode("utf-8", "surrogatepass"))
    for problem in load_agent_file(file, {}, frozenset()).problems + load_models(file)[1]:
        assert problem.line >= 1
        assert problem.message
