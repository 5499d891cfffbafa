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


def test_each_fault_of_a_file_is_found_in_one_reading(tmp_path: Path) -> None:
    handlers = GOOD.replace("tool: find_order", "tool: nothing").replace("{{ topic ==", "{{ topik ==")
    handlers = handlers.replace("into: topic}", "into: topic, intoo: x}")
    found = faults(tmp_path, handlers)
    assert [one.partition(": ")[0].partition(":")[0] for one in found] == ["11", "13", "16"]
