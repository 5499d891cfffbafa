"""What is found in session variables when a definition is read: each fault at its line, in words that say what to do."""

from pathlib import Path

import pytest

from perdure.temporal.definitions.agent_file import load_agent_file

GOOD = """\
name: support
models: {main: {use: demo/main}}
model: main
instructions: Help {{ customer }} with {{ topic }}. {% if visits > 3 %}A regular.{% endif %}
inputs: {customer: {type: string}}
tools: [find_order]
variables:
  topic: {type: string, default: "", enum: ["", order, smalltalk], description: What it is about}
  visits: {type: integer, default: 0}
  share: {type: number, default: 0.5}
  order: {type: object, default: {}}
  seen: {type: array, default: []}
  known: {type: boolean, default: false}
handlers:
  message:
    - set: {visits: "{{ visits + 1 }}", known: true, seen: ["{{ message }}"], share: 1}
    - choose: {prompt: "{{ visits }}?", options: [order, smalltalk], into: topic}
    - call: {tool: find_order, with: {id: "{{ topic }}"}, into: order}
    - say: "{{ topic }} {{ seen }} {{ order.id }}"
"""


def read(tmp_path: Path, text: str) -> tuple[list[str], list[str]]:
    """Faults and warnings, each without the name of the file."""
    file = tmp_path / "support.yaml"
    file.write_text(text)
    found = load_agent_file(file, {}, None)
    assert (found.definition is None) == bool(found.problems)
    told = [[str(one).partition(".yaml:")[2] for one in some] for some in (found.problems, found.warnings)]
    return told[0], told[1]


def test_a_good_definition_has_none(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD) == ([], [])


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("default: 0}", "default: none}", 'variables.visits.default: takes a whole number, and is given "none"'),
        (
            "default: 0}",
            "minimum: 0, default: 0}",
            "9:27: variables.visits.minimum: of a variable's values, type and enum",
        ),
        ("type: integer, default: 0", "type: integer", "9:3: variables.visits.default: is required"),
        ("type: integer", "type: [integer]", "variables.visits.type: must be one of string, integer, number"),
        ("type: integer", "type: int", "variables.visits.type: must be one of string, integer, number"),
        ('["", order, smalltalk]', "[order, 1]", "variables.topic.enum: 1 is not a text"),
        (
            '["", order, smalltalk]',
            "[order, smalltalk]",
            'variables.topic.default: takes one of "order", "smalltalk", and is',
        ),
        ("visits:", "my-visits:", "variables.my-visits: must be a letter, then up to 63 letters, digits or _"),
        ("visits:", "error:", "9:3: variables.error: is a built-in name; call the variable otherwise"),
        ("visits:", "else:", "9:3: variables.else: is a word of the template language"),
        ("visits:", "customer:", "9:3: variables.customer: is the name of an input, too"),
        (
            "  message:",
            "  late: {inputs: {visits: {}}, do: [say: x]}\n  message:",
            "name of an input of the handler late, too",
        ),
        (
            "    - say",
            "    - for_each: {in: [1], as: visits, do: [say: x]}\n    - say",
            "the variable of the loop message[3].for_each",
        ),
        (
            "default: []",
            f"default: [{'x' * 66_000}]",
            "8:3: variables.topic: the defaults of all variables have more than 64 KiB",
        ),
        ("{{ topic }}.", "{{ topik }}.", "'topik' is neither an input nor a built-in name; did you mean 'topic'?"),
        ('say: "{{ topic', 'say: "{{ topik', "'topik' is no input, and no variable that is set on every way to here"),
        (
            "known: true",
            'known: "yes"',
            'set.known: the session variable known takes true or false, and is given "yes"',
        ),
        (
            "share: 1}",
            'share: "a {{ visits }}"}',
            "takes a number, and is given a text; write one {{ }} and nothing else",
        ),
        (
            "known: true",
            'known: ["{{ visits }}"]',
            "the session variable known takes true or false, and is given a list",
        ),
        (
            "into: topic",
            "into: visits",
            "choose.into: the session variable visits takes a whole number, and is given a text",
        ),
        (
            "[order, smalltalk], into",
            "[order, chat], into",
            "choose.options: the session variable topic never holds 'chat'",
        ),
        (
            "    - say",
            '    - generate: {prompt: "?", into: order}\n    - say',
            "the session variable order takes a mapping, and is given a text; give output, or a variable of type string",
        ),
        (
            "    - say",
            '    - ask: {prompt: "?", form: {type: object, properties: {}}, into: topic}\n    - say',
            "ask.into: the session variable topic takes a text, and is given a mapping, as its schema says",
        ),
    ],
)
def test_a_fault_is_named_with_its_line(tmp_path: Path, before: str, after: str, fault: str) -> None:
    assert before in GOOD
    faults, _ = read(tmp_path, GOOD.replace(before, after, 1))
    assert any(fault in one for one in faults), faults


def test_what_rests_on_a_wrong_type_is_no_fault(tmp_path: Path) -> None:
    faults, _ = read(tmp_path, GOOD.replace("type: boolean", "type: bool"))
    assert len(faults) == 1


def test_a_comparison_that_is_never_true_is_odd(tmp_path: Path) -> None:
    _, warnings = read(tmp_path, GOOD.replace("visits > 3", "topic == 'orders'"))
    assert any("topic is never 'orders'; did you mean 'order'?" in one for one in warnings)
