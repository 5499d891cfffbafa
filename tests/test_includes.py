"""Instructions that are made of several files."""

import os
from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader

from perdure.temporal.definitions.agent_file import AgentFile, load_agent_file
from perdure.temporal.definitions.store import Definitions
from perdure.temporal.stores.blobs import LocalBlobs

HEAD = "name: shop\nmodels: {m: {use: demo/x}}\nmodel: m\ninputs: {vip: {type: boolean}}\n"
UNKNOWN = "'vipp' is neither an input nor a built-in name; did you mean 'vip'?"
EMPTY = "are empty; write what the model is told, in a sentence or more"
OUTSIDE = "must lie in the folder of the agent's file, or below it"
ONE_FILE = '`include` stands in instructions alone, and names one file in quotes: {% include "part.md" %}'
UNCLOSED = "not a valid template: {% if %} is never closed; add {% endif %} where it ends"


def written(folder: Path, instructions: str, **parts: str) -> Path:
    for name, text in parts.items():
        (file := folder / f"{name.replace('__', '/')}.md").parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    lines = "".join(f"  {line}\n" for line in instructions.split("\n"))
    (file := folder / "shop.yaml").write_text(f"{HEAD}instructions: |\n{lines}")
    return file


def read(folder: Path, instructions: str, **parts: str) -> AgentFile:
    return load_agent_file(written(folder, instructions, **parts), {}, None)


def told(found: AgentFile) -> list[str]:
    return [f"{one.file.name}:{one.line}:{one.column}: {one.message}" for one in found.problems]


@pytest.mark.parametrize(
    "text",
    [
        '{% include "a.md" %}',
        "Hi.\n{% include 'a.md' %}\nBye.",
        "Hi {%- include 'a.md' -%}  there",
        "{% if vip %}{% include 'more/b.md' %}{% else %}{% include 'a.md' %}{% endif %}",
        "{# {% include 'gone.md' %} #}x{% raw %}{% include 'gone.md' %}{% endraw %}{% include 'a.md' %}",
        "{% include 'a.md' %}{% include 'a.md' %}\n\n{%+ include 'more/b.md' +%}",
        "{% include 'empty.md' %}.",
    ],
)
@pytest.mark.parametrize("vip", [True, False])
def test_a_part_stands_where_it_is_included(tmp_path: Path, text: str, vip: bool) -> None:
    found = read(
        tmp_path, text, a="Be {{ 'kind' if vip else 'brief' }}.\n", more__b="<{% include 'a.md' %}>\n\n", empty=""
    )
    assert told(found) == []
    assert found.definition is not None
    made = found.definition.instructions
    # As Jinja2 itself includes them. Its own rule for the text's last line is that of YAML here.
    ours = Environment().from_string(made).render(vip=vip)
    theirs = Environment(loader=FileSystemLoader(tmp_path)).from_string(f"{text}\n").render(vip=vip)
    assert ours == theirs


def test_a_file_of_instructions_includes_from_the_agent_s_folder(tmp_path: Path) -> None:
    for name, text in (("texts/main.md", "Hi. {% include 'parts/a.md' %}"), ("parts/a.md", "Be brief.")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    (file := tmp_path / "shop.yaml").write_text(f"{HEAD}instructions: {{file: texts/main.md}}\n")
    found = load_agent_file(file, {}, None)
    assert found.definition is not None
    assert found.definition.instructions == "Hi. Be brief."
    assert found.included[:2] == (tmp_path / "texts/main.md", tmp_path / "parts/a.md")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Hi.\n{% include 'gone.md' %}", "shop.yaml:7:15: gone.md cannot be read: No such file or directory"),
        ("x {% include '../b.md' %}", f"shop.yaml:6:17: ../b.md {OUTSIDE}"),
        ("{% include '/etc/hostname' %}", f"shop.yaml:6:15: /etc/hostname {OUTSIDE}"),
        ("{% include 'link.md' %}", f"shop.yaml:6:15: link.md {OUTSIDE}"),
        ("{% include 'one.md' %}", "two.md:1:13: one.md includes itself: one.md → two.md → one.md"),
        ("{% include 'wrong.md' %}", f"wrong.md:2:1: {UNCLOSED}"),
        ("Hi.\n{% include 'names.md' %}", f"names.md:3:12: {UNKNOWN}"),
        ("{% include 'good.md' %}\n{{ vipp }}", f"shop.yaml:7:6: {UNKNOWN}"),
        ("{% include 'good.md' %} {{ vipp }}", f"shop.yaml:6:30: {UNKNOWN}"),
        ("{% include vip %}", f"shop.yaml:6:3: {ONE_FILE}"),
        ("{% include 'good.md' ignore missing %}", f"shop.yaml:6:3: {ONE_FILE}"),
        ("{# nothing #}", f"shop.yaml:6:3: {EMPTY}"),
        ("{% include 'empty.md' %}", f"shop.yaml:6:3: {EMPTY}"),
        ("{% if vip %}  {% endif %}", f"shop.yaml:6:3: {EMPTY}"),
    ],
)  # fmt: skip
def test_what_is_wrong_has_its_file_and_line(tmp_path: Path, text: str, problem: str) -> None:
    folder = tmp_path / "agents"
    folder.mkdir()
    (tmp_path / "b.md").write_text("secret")
    (folder / "link.md").symlink_to(tmp_path / "b.md")
    found = read(
        folder,
        text,
        one="{% include 'two.md' %}",
        two="{% include 'one.md' %}",
        wrong="a\n{% if vip %}b\n",
        names="a\n\nWhat is {{ vipp }}?\n",
        good="Good.\nBye.\n",
        empty="\n",
    )
    assert told(found) == [problem]


def test_parts_that_double_again_and_again_are_refused(tmp_path: Path) -> None:
    parts = {f"p{level}": f"{{% include 'p{level + 1}.md' %}}" * 10 for level in range(6)}
    found = read(tmp_path, "{% include 'p0.md' %}", **parts, p6="x" * 1000)
    assert "makes the instructions too long" in told(found)[0]


async def test_a_change_of_a_part_is_a_change_of_the_agent(tmp_path: Path) -> None:
    """Also of one that is missing, as soon as it is there."""
    folder = tmp_path / "agents"
    written(folder, "{% include 'a.md' %}", a="One.")
    found = Definitions([folder], blobs=LocalBlobs(tmp_path / "blobs"))
    digests: list[str] = []
    for text in ("One.", "Two.", None, "Three."):
        part = folder / "a.md"
        if text is None:
            part.unlink()
        else:
            part.write_text(text)
            os.utime(part, ns=(len(digests), len(digests)))
        await found.refresh()
        known = found.current("shop")
        assert known is not None
        digests.append(known.digest)
        assert [one.message for one in found.problems] == (
            ["a.md cannot be read: No such file or directory"] if text is None else []
        )
    assert len(set(digests)) == 3
    # The last good one serves on while a part is missing.
    assert digests[1] == digests[2]
