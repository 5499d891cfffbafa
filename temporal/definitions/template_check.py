"""What is wrong with a template, found without rendering it.

The names that a template may use are known beforehand, so a misspelt one is a fault of the file and not of the first
session that meets it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from jinja2 import TemplateSyntaxError, meta, nodes

from perdure.workflows.core.prompt import environment

#: Names that every template may use beside the inputs.
BUILT_IN: Final = frozenset(["session", "user", "turn"])


@dataclass(frozen=True, slots=True)
class Fault:
    #: Of the template, from 1.
    line: int
    message: str


def template_faults(text: str, known: frozenset[str]) -> list[Fault]:
    """Faults in the order of their lines. `known` are the names that will be there when the template is rendered."""
    made = environment()
    try:
        template = made.parse(text)
        faults = [
            *(
                Fault(node.lineno, f"a template is one text; `{type(node).__name__.lower()}` cannot be used")
                for node in template.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends))
            ),
            *(
                Fault(node.lineno, f"there is no filter named {node.name!r}")
                for node in template.find_all(nodes.Filter)
                if node.name not in made.filters
            ),
        ]
        if not faults:
            faults = list(_undeclared(template, meta.find_undeclared_variables(template) - known, known))
    except TemplateSyntaxError as error:
        return [Fault(error.lineno, f"not a valid template: {error.message}")]
    except RecursionError:
        return [Fault(1, "not a valid template: nested too deeply")]
    return sorted(faults, key=lambda fault: fault.line)


def _undeclared(template: nodes.Template, names: set[str], known: frozenset[str]) -> Iterator[Fault]:
    for name in sorted(names):
        line = next((node.lineno for node in template.find_all(nodes.Name) if node.name == name), 1)
        yield Fault(line, f"{name!r} is neither an input nor a built-in name; there are: {', '.join(sorted(known))}")
