"""What a docstring says of a function: its description, and a line for each parameter. Google, NumPy and Sphinx style.

Only words are taken from a docstring. Types come from the hints alone, so the two cannot contradict each other.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass

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


def read_docstring(documented: object) -> Docs:
    """The docstring of a function or class, taken apart. Without one, everything is empty."""
    text = inspect.getdoc(documented) or ""
    prose: list[str] = []
    parameters: dict[str, str] = {}
    for section in griffe.parse_auto(griffe.Docstring(text), per_style_options=_QUIET):
        match section:
            case griffe.DocstringSectionText():
                prose.append(section.value)
            case griffe.DocstringSectionAdmonition():
                # Google style reads any "Word:" above an indented block as a section; here it is part of the text.
                prose.append(f"{section.title}:\n{section.value.contents}")
            case griffe.DocstringSectionParameters() | griffe.DocstringSectionAttributes():
                parameters |= {item.name: " ".join(item.description.split()) for item in section.value}
            case _:
                pass
    return Docs(description="\n\n".join(prose).strip(), parameters=parameters)
