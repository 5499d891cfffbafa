"""The two parsers of YAML give the same nodes at the same places."""

from typing import Any

import pytest
import yaml

from perdure.temporal.definitions.folders import SHIPPED
from perdure.temporal.schemas.yaml_nodes import Loader, single_node

TEXTS = [
    *(file.read_text() for file in sorted(SHIPPED.glob("*.yaml"))),
    "é: 'ü'\nname: ö # ß\nb: [1, 2.5, on, 0x1f, 2026-01-02]\n",
    "\ufeffa: 1\nb: |\n  x\n  y\nc: >-\n  z\n",
    "a: &x [1]\nb: *x\n<<: {c: 2}\n",
]


def placed(node: yaml.Node | None) -> Any:
    """A node with its children as plain values, each with its tag, its style and its place."""
    assert node is not None
    inner = node.value
    if isinstance(node, yaml.MappingNode):
        inner = [(placed(key), placed(value)) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        inner = [placed(item) for item in node.value]
    style = node.style if isinstance(node, yaml.ScalarNode) else None
    return node.tag, style or "", node.start_mark.line, node.start_mark.column, inner


@pytest.mark.parametrize("text", TEXTS)
def test_both_parsers_agree(text: str) -> None:
    assert yaml.__with_libyaml__
    text = text.removeprefix("\ufeff")
    assert placed(single_node(Loader(text), text, 50)) == placed(Loader(text).get_single_node())


@pytest.mark.parametrize("text", ["[" * 20_000, "- " * 20_000, "a: " + "{b: " * 20_000])
def test_what_is_nested_deeply_ends_no_process(text: str) -> None:
    with pytest.raises((RecursionError, yaml.YAMLError)):
        single_node(Loader(text), text, 50)


def test_a_text_without_a_document_has_no_node() -> None:
    assert single_node(Loader("# nothing\n"), "# nothing\n", 50) is None
