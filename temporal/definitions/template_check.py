"""What is wrong with a template, found without rendering it.

The names that a template may use are known beforehand, so a misspelt one is a fault of the file and not of the first
session that meets it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jinja2 import TemplateSyntaxError, meta, nodes

from perdure.temporal.definitions.template_syntax import syntax_fault
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


@dataclass(frozen=True, slots=True)
class Fault:
    #: Of the template, from 1.
    line: int
    message: str
    #: The word that is wrong, as the template has it.
    word: str = ""


def template_faults(text: str, known: frozenset[str]) -> list[Fault]:
    """Faults in the order of their lines. `known` are the names that will be there when the template is rendered."""
    made = environment()
    try:
        template = made.parse(text)
        faults = [
            *(Fault(node.lineno, _other(node)) for node in template.find_all(_OTHERS)),
            *(
                Fault(
                    node.lineno,
                    f"there is no filter named {node.name!r}{did_you_mean(node.name, made.filters)}",
                    node.name,
                )
                for node in template.find_all(nodes.Filter)
                if node.name not in made.filters
            ),
        ]
        # A filter that there is not would end the search for names.
        made.filters.update(
            {node.name: str for node in template.find_all(nodes.Filter) if node.name not in made.filters}
        )
        if not any(True for _ in template.find_all(_OTHERS)):
            faults += _undeclared(template, meta.find_undeclared_variables(template) - known, known)
    except (TemplateSyntaxError, RecursionError):
        return [Fault(*(syntax_fault(text) or (1, "not a valid template: nested too deeply")))]
    return sorted(faults, key=lambda fault: fault.line)


def says_nothing(text: str) -> bool:
    """Whether no rendering of a template has any text in it; False for what is no template."""
    try:
        template = environment().parse(text)
    except (TemplateSyntaxError, RecursionError):
        return False
    if any(True for _ in template.find_all(_OTHERS)):
        return False
    said = (node for output in template.find_all(nodes.Output) for node in output.nodes)
    return not any(not isinstance(node, nodes.TemplateData) or node.data.strip() for node in said)


def _other(node: nodes.Node) -> str:
    if isinstance(node, nodes.Include):
        return '`include` stands in instructions alone, and names one file in quotes: {% include "part.md" %}'
    return f"a template is one text; `{type(node).__name__.lower()}` cannot be used"


def _undeclared(template: nodes.Template, names: set[str], known: frozenset[str]) -> Iterator[Fault]:
    for name in sorted(names):
        line = next((node.lineno for node in template.find_all(nodes.Name) if node.name == name), 1)
        meant = _MEANT.get(name) if "turn" in known else None
        near = f"; did you mean {meant}?" if meant else did_you_mean(name, known)
        near = near or f"; there are: {', '.join(sorted(known))}"
        yield Fault(line, f"{name!r} is neither an input nor a built-in name{near}", name)
