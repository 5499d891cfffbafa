"""What is wrong with a template, found without rendering it.

The names that a template may use are known beforehand, so a misspelt one is a fault of the file and not of the first
session that meets it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jinja2 import TemplateSyntaxError, meta, nodes

from perdure.temporal.definitions.template_syntax import syntax_fault
from perdure.temporal.definitions.template_tree import Tree, tree_of
from perdure.workflows.core.prompt import environment
from perdure.workflows.vocabulary.near_names import did_you_mean


def _record(**properties: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": kind} for name, kind in properties.items()}}


#: What every template may use beside the inputs, by name: the JSON Schema of each value (`workflows.prompt.names_in`).
VALUES: Final[Mapping[str, Any]] = {
    "session": _record(id="string", agent="string", created_at="string", timezone="string"),
    "user": _record(id="string"),
    "turn": _record(id="string", number="integer", date="string", time="string", weekday="string", started_at="string"),
}
BUILT_IN: Final = frozenset(VALUES)
#: Where what other products name so stands here.
_MEANT: Final = {
    "now": "turn.started_at",
    "today": "turn.date",
    "date": "turn.date",
    "time": "turn.time",
    "timezone": "session.timezone",
}
#: What a template could take from other ones.
_OTHERS: Final = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
_FILTERS: Final = environment().filters


@dataclass(frozen=True, slots=True)
class Fault:
    #: Of the template, from 1.
    line: int
    message: str
    #: The word that is wrong, as the template has it.
    word: str = ""


def template_faults(text: str, known: frozenset[str]) -> list[Fault]:
    """Faults in the order of their lines. `known` are the names that will be there when the template is rendered."""
    try:
        tree = tree_of(text)
        unknown = [node for node in tree.of(nodes.Filter) if node.name not in _FILTERS]
        faults = [
            *(Fault(node.lineno, _other(node)) for node in tree.of(*_OTHERS)),
            *(
                Fault(
                    node.lineno, f"there is no filter named {node.name!r}{did_you_mean(node.name, _FILTERS)}", node.name
                )
                for node in unknown
            ),
        ]
        names = {name.name for name in tree.of(nodes.Name) if name.ctx == "load"}
        if not names <= known and not tree.of(*_OTHERS):
            missing = _missing(text, [node.name for node in unknown]) - known
            faults += _undeclared(tree, missing, known)
    except (TemplateSyntaxError, RecursionError):
        return [Fault(*(syntax_fault(text) or (1, "not a valid template: nested too deeply")))]
    return sorted(faults, key=lambda fault: fault.line)


def says_nothing(text: str) -> bool:
    """Whether no rendering of a template has any text in it; False for what is no template."""
    try:
        tree = tree_of(text)
    except (TemplateSyntaxError, RecursionError):
        return False
    said = [node for output in tree.of(nodes.Output) for node in output.nodes]
    return not tree.of(*_OTHERS) and all(
        isinstance(node, nodes.TemplateData) and not node.data.strip() for node in said
    )


def _other(node: nodes.Node) -> str:
    if isinstance(node, nodes.Include):
        return '`include` stands in instructions alone, and names one file in quotes: {% include "part.md" %}'
    return f"a template is one text; `{type(node).__name__.lower()}` cannot be used"


def _missing(text: str, unknown_filters: list[str | None]) -> set[str]:
    """Names that a template reads and does not set itself."""
    made = environment()
    # A filter that there is not would end the search.
    made.filters.update({name: str for name in unknown_filters if name is not None})
    return meta.find_undeclared_variables(made.parse(text))


def _undeclared(tree: Tree, names: set[str], known: frozenset[str]) -> Iterator[Fault]:
    for name in sorted(names):
        line = next((node.lineno for node in tree.of(nodes.Name) if node.name == name), 1)
        meant = _MEANT.get(name) if "turn" in known else None
        near = f"; did you mean {meant}?" if meant else did_you_mean(name, known)
        near = near or f"; there are: {', '.join(sorted(known))}"
        yield Fault(line, f"{name!r} is neither an input nor a built-in name{near}", name)
