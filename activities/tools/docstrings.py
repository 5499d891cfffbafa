"""What a docstring says of a function: its description, and a line for each parameter. Google, NumPy and Sphinx style.

Only words are taken from a docstring. Types come from the hints alone, so the two cannot contradict each other.
"""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import griffe

# The parser warns where a docstring gives no types; ours need none.
_QUIET: griffe.PerStyleOptions = {
    "google": {"warnings": False},
    "numpy": {"warnings": False},
    "sphinx": {"warnings": False},
}


@dataclass(frozen=True, slots=True)
class Docs:
    #: Everything outside the sections on parameters, results and errors.
    description: str
    #: By parameter; for a class, by attribute.
    parameters: Mapping[str, str]
    #: By type of error, in the order of the docstring.
    errors: Mapping[str, str] = field(default_factory=dict)


def read_docstring(documented: object) -> Docs:
    """The docstring of a function or class, taken apart. Without one, everything is empty."""
    text = inspect.getdoc(documented) or ""
    prose: list[str] = []
    parameters: dict[str, str] = {}
    errors: dict[str, str] = {}
    for section in griffe.parse_auto(griffe.Docstring(text), per_style_options=_QUIET):
        match section:
            case griffe.DocstringSectionText():
                prose.append(section.value)
            case griffe.DocstringSectionAdmonition():
                # Google style reads any "Word:" above an indented block as a section; here it is part of the text.
                prose.append(f"{section.title}:\n{section.value.contents}")
            case griffe.DocstringSectionParameters() | griffe.DocstringSectionAttributes():
                parameters |= {item.name: " ".join(item.description.split()) for item in section.value}
            case griffe.DocstringSectionRaises():
                errors |= {_error_type(item): " ".join(item.description.split()) for item in section.value}
            case _:
                pass
    return Docs(description="\n\n".join(prose).strip(), parameters=parameters, errors=errors)


def _error_type(item: griffe.DocstringRaise) -> str:
    """`ApplicationError(type="sold_out")` and `sold_out` are both `sold_out`."""
    written = str(item.annotation)
    named = re.search(r"""["'`](\w+)["'`]""", written)
    return named[1] if named else written
