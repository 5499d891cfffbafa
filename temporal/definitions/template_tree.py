"""A template as its nodes. It is parsed once, however many checks look at it, for that is most of what loading takes."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from jinja2 import nodes

from perdure.workflows.core.prompt import environment

N = TypeVar("N", bound=nodes.Node)


@dataclass(frozen=True, slots=True)
class Tree:
    #: In the order of the text. Nobody may change them: other checks are given the same.
    nodes: tuple[nodes.Node, ...]

    def of(self, *kinds: type[N]) -> list[N]:
        return [node for node in self.nodes if isinstance(node, kinds)]


@lru_cache(maxsize=256)
def tree_of(text: str) -> Tree:
    """Raises `TemplateSyntaxError`, and `RecursionError` for what is nested too deeply."""
    found: list[nodes.Node] = []
    waiting: list[nodes.Node] = [environment().parse(text)]
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting.extend(reversed(list(node.iter_child_nodes())))
    return Tree(tuple(found))
