"""What differs between two versions of a definition, in words."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from perdure.temporal.definitions.agent_file import load_agent_file
from perdure.temporal.definitions.differences import Difference, differences
from perdure.temporal.definitions.stored import Stored

WHOLE = """\
name: support
models:
  fast: {use: demo/a}
  capable: {use: openai-chat/b, base_url: 'http://localhost/v1', api_key: '${ONE}', headers: {X-Team: red}}
model: fast
instructions: |
  You help.
  Be brief.
  Never guess.
tools: [find_order, {find_stock: {timeout: 30s}}]
secrets: [ONE]
limits: {turn: {steps: 12}}
schedules: [{cron: "0 9 * * *", session: daily, message: Hi}]
"""
SPECS = "tools: what a tool takes, or says of itself, has changed"
OTHERS = "tools: an agent that it calls, or can come to, has changed"


def version(folder: Path, *changes: tuple[str, str], salt: str = "") -> Stored:
    text = WHOLE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (file := folder / "support.yaml").write_text(text)
    read = load_agent_file(file, {}, None)
    definition = read.definition
    assert definition is not None, read.problems
    return Stored(definition, salt)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("model: fast", "model: capable", ["model: fast -> capable"]),
        ("tools: [find_order,", "tools: [find_order, issue_refund,", ["tools: + issue_refund"]),
        ("tools: [find_order,", "tools: [issue_refund,", ["tools: - find_order, + issue_refund"]),
        ("find_order, {find_stock: {timeout: 30s}}", "{find_stock: {timeout: 30s}}, find_order", ["tools: in another order"]),
        ("timeout: 30s", "timeout: 1m", ["tools.find_stock.timeout: 30s -> 1m"]),
        ("use: demo/a", "use: demo/c", ["models.fast.use: demo/a -> demo/c"]),
        ("  fast:", "  other: {use: demo/d}\n  fast:", ["models: + other"]),
        ("X-Team: red", "X-Team: blue", ["models.capable.headers: changed"]),
        ("[ONE]", "[ONE, TWO]", ["secrets: + TWO"]),
        ("steps: 12}", "steps: 9}, session: {tokens: 8}", ["limits.turn.steps: 12 -> 9", "limits.session.tokens: none -> 8"]),
        ("session: daily", "session: weekly", ["schedules: - daily, + weekly"]),
        ("0 9 * * *", "0 8 * * *", ["schedules.daily.cron: 0 9 * * * -> 0 8 * * *"]),
        ("secrets: [ONE]\n", "secrets: [ONE]\nidle_timeout: 90d\n", ["idle_timeout: none -> 90d"]),
        ("limits:", "handlers: {message: [respond: {}]}\nlimits:", ["handlers: + message"]),
        ("limits:", "events: {paid: {}}\nlimits:", ["events: + paid"]),
        ("limits:", "title: {model: fast}\nlimits:", ['title: none -> {"model": "fast"}']),
    ],
)  # fmt: skip
def test_fields_in_words(tmp_path: Path, old: str, new: str, told: list[str]) -> None:
    found = differences(version(tmp_path), version(tmp_path, (old, new)))
    assert [one.text for one in found] == told


def test_a_long_text_has_the_lines_that_differ(tmp_path: Path) -> None:
    found = differences(
        version(tmp_path), version(tmp_path, ("Be brief.\n", "Be kind.\n"), ("guess.\n", "guess.\n  Ask.\n"))
    )
    assert found == (
        Difference(
            "instructions",
            "instructions: 1 line out, 2 lines in",
            ("@@ -1,3 +1,4 @@", " You help.", "-Be brief.", "+Be kind.", " Never guess.", "+Ask."),
        ),
    )
    assert found[0].without_content == Difference("instructions", "instructions: changed")


def test_references_and_skills_are_compared_by_what_people_know_of_them(tmp_path: Path) -> None:
    references, skills = tmp_path / "references", tmp_path / "skills"
    versions = [version(tmp_path)]
    references.mkdir()
    for file, text in (("a.md", "One."), ("a.md", "Two."), ("b.md", "Three.")):
        (references / file).write_text(text)
        versions.append(version(tmp_path))
    (skills / "letters").mkdir(parents=True)
    for description, body in (("Writes.", "Well."), ("Writes.", "Better."), ("Writes letters.", "Better.")):
        (skills / "letters" / "SKILL.md").write_text(f"---\nname: letters\ndescription: {description}\n---\n{body}")
        versions.append(version(tmp_path))
    told = [[one.text for one in differences(old, new)] for old, new in pairwise(versions)]
    assert told == [
        ["references: none -> 1 document"],
        ["references: the texts have changed"],
        ["references: 1 document -> 2 documents"],
        ["skills: + letters"],
        ["skills: the files have changed"],
        ["skills.letters: Writes. -> Writes letters."],
    ]


def test_the_same_definition_differs_in_nothing(tmp_path: Path) -> None:
    assert differences(version(tmp_path), version(tmp_path)) == ()


@pytest.mark.parametrize(
    ("tools", "old", "new", "told"),
    [
        ("[find_order]", "a" * 64, "b" * 64, [SPECS]),
        ("[agent: {name: x}]", "a" * 128, f"{'a' * 64}{'b' * 64}", [OTHERS]),
        ("[agent: {name: x}]", "a" * 128, f"{'b' * 64}{'a' * 64}", [SPECS]),
    ],
)  # fmt: skip
def test_what_stands_outside_of_the_file(tmp_path: Path, tools: str, old: str, new: str, told: list[str]) -> None:
    change: Any = ("tools: [find_order, {find_stock: {timeout: 30s}}]", f"tools: {tools}")
    found = differences(version(tmp_path, change, salt=old), version(tmp_path, change, salt=new))
    assert [one.text for one in found] == told


def test_keys_are_not_shown(tmp_path: Path) -> None:
    long = "sk-ant-api03-" + "x" * 90
    found = differences(version(tmp_path), version(tmp_path, ("Be brief.", f"Say {long}.")))
    assert long not in "".join([found[0].text, *found[0].diff])
