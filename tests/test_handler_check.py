"""What is found in handlers when a definition is read: each fault at its line, in words that say what to do."""

from pathlib import Path

import pytest
import yaml

from perdure.temporal.definitions.agent_file import load_agent_file

_HEAD = """\
name: support
models:
  fast: {use: demo/fast}
  capable: {use: demo/capable}
model: capable
instructions: Help {{ customer }}.
inputs: {customer: {type: string}}
tools: [find_order]
handlers:
"""


def faults(tmp_path: Path, handlers: str) -> list[str]:
    """Each without the name of the file."""
    file = tmp_path / "support.yaml"
    file.write_text(_HEAD + handlers)
    read = load_agent_file(file, {}, None)
    return [str(problem).partition(".yaml:")[2] for problem in read.problems]


GOOD = """\
  message:
    - choose: {model: fast, prompt: "What does {{ customer }} want?", options: [order, smalltalk], into: topic}
    - switch:
        - when: "{{ topic == 'order' }}"
          do:
            - try:
                do: [call: {tool: find_order, with: {id: "{{ message }}"}, into: order}]
                catch: [{do: [set: {order: "{{ error.message }}"}]}]
            - generate: {prompt: "{{ order }}", output: {type: object, properties: {late: {type: boolean}}}, into: verdict}
        - do: [set: {verdict: none, order: none}]
    - for_each: {in: [1, 2], as: n, do: [say: "{{ n }} {{ verdict }}"]}
    - respond: {instructions: "{{ verdict }} {{ order }} {{ turn.number }}"}
  follow_up:
    inputs: {order_id: {type: string}}
    do:
      - wait: {for: "{{ order_id | length }}d"}
      - ask:
          prompt: "When shall {{ order_id }} come?"
          form: {type: object, properties: {day: {type: string}}}
          by: [logistics]
          expires: 7d
          into: delivery
      - say: "{{ order_id }} {{ customer }} {{ delivery.day }}"
"""


def test_a_good_definition_has_none(tmp_path: Path) -> None:
    assert faults(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        (
            "model: fast, prompt",
            "model: fats, prompt",
            "11:16: handlers.message[0].choose.model: 'fats' is not one of models",
        ),
        ("tool: find_order", "tool: find_oder", "'find_oder' is not one of tools; did you mean 'find_order'?"),
        (
            "{{ topic ==",
            "{{ topik ==",
            "switch[0].when: 'topik' is no input, and no variable that is set on every way to here; did you mean 'topic'?",
        ),
        ("[order, smalltalk]", "[order, Order]", "options: two of them are the same"),
        (
            "verdict: none, order: none",
            "verdict: none",
            "handlers.message[3].respond.instructions: 'order' is no input",
        ),
        ("as: n, do: [say", "as: m, do: [say", "handlers.message[2].for_each.do[0].say: 'n' is no input"),
        ("{{ error.message }}", "{{ eror.message }}", "catch[0].do[0].set.order: 'eror' is no input"),
        (
            "properties: {late: {type: boolean}}",
            "properties: {late: {type: bool}}",
            "generate.output.properties.late.type: not a JSON Schema",
        ),
        ("output: {type: object", "output: {type: array", "generate.output: is a JSON Schema of type: object"),
        ("for_each: {in: [1, 2]", "for_each: {in: many", "for_each.in: is exactly one {{ }} that gives a list"),
        ("options: [order, smalltalk], ", "", "handlers.message[0].choose.options: is required"),
        (
            "into: topic}",
            "into: topic, intoo: x}",
            "handlers.message[0].choose.intoo: there is no such field; did you mean 'into'?",
        ),
        ("- choose: {", "- chose: {", "handlers.message[0]: there is no block 'chose'; did you mean 'choose'?"),
        ("order_id | length", "order_id | lenght", "there is no filter named 'lenght'; did you mean 'length'?"),
        (
            "{order_id: {type: string}}",
            "{order_id: {type: text}}",
            "handlers.follow_up.inputs.order_id.type: not a JSON Schema",
        ),
        (
            "{order_id: {type: string}}",
            "{user: {type: string}, order_id: {}}",
            "handlers.follow_up.inputs.user: is a built-in name",
        ),
        ('{for: "{{ order_id | length }}d"}', "{for: soon}", "a duration is a number and a unit"),
        ('{for: "{{ order_id | length }}d"}', "{}", "for, until: give exactly one of the two"),
        ("shall {{ order_id }} come", "shall {{ order }} come", "follow_up.do[1].ask.prompt: 'order' is no input"),
        ("into: delivery", "into: day", "handlers.follow_up.do[2].say: 'delivery' is no input, and no variable"),
        (
            "{day: {type: string}}",
            "{day: {type: date}}",
            "handlers.follow_up.do[1].ask.form.properties.day.type: not a JSON Schema",
        ),
        (
            "form: {type: object, properties: {day: {type: string}}}",
            "form: {type: string}",
            "handlers.follow_up.do[1].ask.form: is a JSON Schema of type: object",
        ),
        ("          form: {type: object, properties: {day: {type: string}}}\n", "", "ask.form: is required"),
        ("expires: 7d", "expires: soon", "handlers.follow_up.do[1].ask.expires: a duration is a number and a unit"),
        ("by: [logistics]", "by: []", "handlers.follow_up.do[1].ask.by: "),
        ("by: [logistics]", "from: [logistics]", "follow_up.do[1].ask.from: there is no such field"),
        (
            "- for_each: {in: [1, 2]",
            "- finish: {}\n    - for_each: {in: [1, 2]",
            "handlers.message[3]: is never reached, for the handler ends before it",
        ),
        (
            "    - switch:\n",
            "    - switch:\n        - {do: [finish: {}]}\n",
            "case 1 is without `when`, so those behind it are never reached; put it last",
        ),
    ],
)
def test_a_fault_is_named_at_its_place(tmp_path: Path, before: str, after: str, fault: str) -> None:
    assert before in GOOD
    handlers = GOOD.replace(before, after)
    assert yaml.safe_load(_HEAD + handlers)["handlers"]
    found = faults(tmp_path, handlers)
    assert any(fault in one for one in found), found


LIMITED = """\
  message:
    model: fast
    thinking: low
    limits: {steps: 5, cost_usd: 1, tokens: 1000, tool_calls: 3, working_time: 5m}
    do:
      - respond: {limits: {steps: 2, cost_usd: 0.5, tokens: 500}}
      - generate: {prompt: "Well?", into: x, limits: {cost_usd: 0.5, tokens: 500}}
      - choose: {prompt: "Well?", options: [a, b], into: y, limits: {tokens: 500}}
"""


def test_a_handler_and_its_blocks_have_limits(tmp_path: Path) -> None:
    assert faults(tmp_path, LIMITED) == []


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        (
            "model: fast",
            "model: fats",
            "handlers.message.model: 'fats' is not one of models: fast, capable; did you mean",
        ),
        ("thinking: low", "thinking: lots", "handlers.message.thinking: must be one of"),
        ("steps: 5", "calls_per_step: 5", "handlers.message.limits.calls_per_step: there is no such field"),
        ("working_time: 5m", "working_time: 5", "handlers.message.limits.working_time: "),
        ("{steps: 2", "{steps: 0", "message.do[0].respond.limits.steps: must be at least 1"),
        ("{steps: 2", "{tool_calls: 2", "message.do[0].respond.limits.tool_calls: there is no such field"),
        (
            "limits: {cost_usd: 0.5, t",
            "limits: {steps: 1, t",
            "message.do[1].generate.limits.steps: there is no such field",
        ),
        (
            "limits: {tokens: 500}}\n",
            "limits: {tokens: -1}}\n",
            "message.do[2].choose.limits.tokens: must be at least 0",
        ),
    ],
)
def test_what_is_wrong_with_limits(tmp_path: Path, before: str, after: str, fault: str) -> None:
    assert before in LIMITED
    found = faults(tmp_path, LIMITED.replace(before, after))
    assert any(fault in one for one in found), found


@pytest.mark.parametrize(
    "capped", ["limits: {cost_usd: 1}\n    do: [respond: {}]", "do: [respond: {limits: {cost_usd: 1}}]"]
)
def test_a_cap_in_dollars_needs_prices(tmp_path: Path, capped: str) -> None:
    file = tmp_path / "support.yaml"
    models = "{main: {use: openai-chat/unheard-of}}"
    head = f"name: support\nmodels: {models}\nmodel: main\ninstructions: Help.\nhandlers:\n  message:\n"
    file.write_text(f"{head}    {capped}\n")
    (problem,) = load_agent_file(file, {}, None).problems
    assert "has no known price, which a cap on cost needs" in str(problem)
    file.write_text(f"{head}    {capped.replace('cost_usd', 'tokens')}\n")
    assert load_agent_file(file, {}, None).problems == ()


FORM = "answer: {schema: {type: object, properties: {late: {type: boolean}, order: {}}, required: [late, order]}}\n"
RESULT = """\
  message:
    - finish: {result: {late: "{{ turn.number > 1 }}", order: "{{ message }}"}}
"""


def test_a_result_needs_a_form_to_keep_to(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, RESULT)
    assert "handlers.message[0].finish.result: the agent has no `answer`" in fault
    assert faults(tmp_path, RESULT + FORM) == []


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        (', order: "{{ message }}"', "", "finish.result.order: is required by answer.schema"),
        ("{{ message }}", "{{ mesage }}", "finish.result.order: 'mesage' is no input, and no variable"),
        (
            '{late: "{{ turn.number > 1 }}", order: "{{ message }}"}',
            "done",
            "finish.result: must be a mapping, or exactly",
        ),
        (
            '{late: "{{ turn.number > 1 }}", order: "{{ message }}"}',
            '"a {{ message }}"',
            "finish.result: is a mapping, or",
        ),
        (
            '{late: "{{ turn.number > 1 }}", order: "{{ message }}"}',
            "[1]",
            "finish.result: must be a mapping, or exactly",
        ),
        ("result:", "resul:", "finish.resul: there is no such field; did you mean 'result'?"),
    ],
)
def test_what_is_wrong_with_a_result(tmp_path: Path, before: str, after: str, fault: str) -> None:
    assert before in RESULT
    found = faults(tmp_path, RESULT.replace(before, after) + FORM)
    assert len(found) == 1
    assert fault in found[0], found


AGENTS = """\
  message:
    - run_agent: {agent: researcher, message: "Find {{ message }}.", inputs: {depth: "{{ turn.number }}"}, into: found}
    - say: "{{ found.text }}"
"""


def agent_faults(tmp_path: Path, handlers: str) -> list[str]:
    """Of a definition that has an agent, one that takes over, and a tool."""
    file = tmp_path / "support.yaml"
    agents = "[find_order, agent: {name: researcher}, agent: {name: expert, handoff: true}]"
    file.write_text(_HEAD.replace("[find_order]", agents) + handlers)
    return [str(problem).partition(".yaml:")[2] for problem in load_agent_file(file, {}, None).problems]


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("agent: researcher", "agent: researchr", "'researchr' is not one of the agents among tools; did you mean"),
        ("agent: researcher", "agent: nobody", "'nobody' is not one of the agents among tools; there are: researcher"),
        ("agent: researcher", "agent: find_order", "run_agent.agent: 'find_order' is a tool and no agent; use `call`"),
        ("agent: researcher", "agent: expert", "'expert' takes the conversation over (`handoff: true`); use `call`"),
        ("{{ message }}", "{{ mesage }}", "message[0].run_agent.message: 'mesage' is no input, and no variable"),
        ("{{ turn.number }}", "{{ turm.number }}", "run_agent.inputs.depth: 'turm' is no input, and no variable"),
        ("{depth:", "{message:", "message[0].run_agent.inputs: no agent has an input named message"),
        ("into: found", "into: other", "message[1].say: 'found' is no input, and no variable"),
    ],
)
def test_what_is_wrong_with_running_an_agent(tmp_path: Path, before: str, after: str, fault: str) -> None:
    assert agent_faults(tmp_path, AGENTS) == []
    assert before in AGENTS
    found = agent_faults(tmp_path, AGENTS.replace(before, after))
    assert len(found) == 1
    assert fault in found[0], found


PARALLEL = """\
  message:
    - parallel:
        - call: {tool: find_order, with: {id: "{{ message }}"}, into: order}
        - run_agent: {agent: researcher, message: "Find {{ message }}.", into: found}
    - parallel:
        for_each: {in: "{{ order.items }}", as: item, max: 100}
        at_once: 5
        do: {call: {tool: find_order, with: {id: "{{ item.id }}"}}}
        into: results
    - say: "{{ found.text }} {{ results }}"
"""


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        (
            '{id: "{{ message }}"}',
            '{id: "{{ found }}"}',
            "parallel[0].call.with.id: 'found' is no input, and no variable",
        ),
        ("Find {{ message }}", "Find {{ order }}", "parallel[1].run_agent.message: 'order' is no input"),
        ("agent: researcher", "agent: researchr", "parallel[1].run_agent.agent: 'researchr' is not one of the agents"),
        ("tool: find_order", "tool: find_oder", "parallel[0].call.tool: 'find_oder' is not one of tools; did you mean"),
        (
            "tool: find_order",
            "tool: expert",
            "11:7: handlers.message[0].parallel: an agent that takes the conversation",
        ),
        ("tool: find_order", "tol: find_order", "parallel[0].call.tol: there is no such field; did you mean 'tool'?"),
        ("into: found", "into: order", "parallel: 2 calls put their result into 'order'; give each a variable"),
        (
            "- run_agent: {",
            "- respond: {",
            "parallel[1]: 'respond' cannot stand in `parallel`: only `call` and `run_agent`",
        ),
        ("{{ item.id }}", "{{ it.id }}", "17:46: handlers.message[1].parallel.do.call.with.id: 'it' is no input"),
        ("{{ order.items }}", "order.items", "parallel.for_each.in: is exactly one {{ }} that gives a list, or a list"),
        ("max: 100", "max: 5000", "message[1].parallel.for_each.max: must be at most 1000, not 5000"),
        ("at_once:", "at_onc:", "message[1].parallel.at_onc: there is no such field; did you mean 'at_once'?"),
        ("        do: {", "        too: {", "message[1].parallel.too: there is no such field"),
        ("into: results", "into: result", "message[2].say: 'results' is no input, and no variable"),
        ("found.text }} {{", "item }} {{", "message[2].say: 'item' is no input, and no variable"),
    ],
)
def test_what_is_wrong_with_parallel(tmp_path: Path, before: str, after: str, fault: str) -> None:
    assert agent_faults(tmp_path, PARALLEL) == []
    assert before in PARALLEL
    found = agent_faults(tmp_path, PARALLEL.replace(before, after, 1))
    assert len(found) <= 2
    assert any(fault in one for one in found), found


SAGA = """\
  message:
    - try:
        do:
          - call: {tool: find_order, into: order, compensate: {tool: find_order, with: {id: "{{ order.id }}"}}}
          - parallel:
              for_each: {in: "{{ order.parts }}", as: part}
              do: {call: {tool: find_order, into: own, compensate: {tool: find_order, with: {id: "{{ own }} {{ part }}"}}}}
        catch: [{do: [compensate: {}, say: "{{ error.message }}"]}]
"""


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        (
            "compensate: {tool: find_order",
            "compensate: {tool: find_oder",
            "do[0].call.compensate.tool: 'find_oder' is not one of",
        ),
        ("compensate: {tool: find_order", "compensate: {tool: expert", "'expert' takes the conversation over"),
        (
            "compensate: {tool:",
            "compensate: {tol:",
            "call.compensate.tol: there is no such field; did you mean 'tool'?",
        ),
        (
            "{{ order.id }}",
            "{{ part.id }}",
            "13:89: handlers.message[0].try.do[0].call.compensate.with.id: 'part' is no",
        ),
        (
            "{{ own }} {{ part }}",
            "{{ owned }}",
            "parallel.do.call.compensate.with.id: 'owned' is no input, and no variable",
        ),
        ("compensate: {},", "compensate: {tool: find_order},", "compensate.tool: there is no such field"),
        ("{{ error.message }}", "{{ own }}", "do[1].say: 'own' is no input, and no variable"),
        (
            ", into: own, compensate",
            ", into: own, copensate",
            "copensate: there is no such field; did you mean 'compensate'?",
        ),
    ],
)
def test_what_is_wrong_with_compensations(tmp_path: Path, before: str, after: str, fault: str) -> None:
    assert agent_faults(tmp_path, SAGA) == []
    assert before in SAGA
    found = agent_faults(tmp_path, SAGA.replace(before, after, 1))
    assert len(found) == 1
    assert fault in found[0], found


def test_a_handler_that_can_take_nothing_back_is_told_so(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, "  message:\n    - compensate: {}\n    - say: x\n")
    assert "11:7: handlers.message[0].compensate: has nothing to take back: no call of this handler says" in fault


@pytest.mark.parametrize("block", ["wait: {}", "switch: [{do: [say: x]}, {do: [say: y]}]", "parallel: []"])
def test_a_fault_of_a_whole_block_is_named_once(tmp_path: Path, block: str) -> None:
    assert len(faults(tmp_path, f"  message:\n    - {block}\n    - say: x\n")) == 1


def test_each_fault_of_a_file_is_found_in_one_reading(tmp_path: Path) -> None:
    handlers = GOOD.replace("tool: find_order", "tool: nothing").replace("{{ topic ==", "{{ topik ==")
    handlers = handlers.replace("into: topic}", "into: topic, intoo: x}")
    found = faults(tmp_path, handlers)
    assert [one.partition(": ")[0].partition(":")[0] for one in found] == ["11", "13", "16"]
