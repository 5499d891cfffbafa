"""What is wrong with the syntax of a YAML file, in words for people who do not know YAML's.

Rule: the place is where the mistake is likely to be, which is often before the place where the parser noticed it.
"""

import re
from typing import Final

import yaml

#: `{{` or `}}` where YAML reads braces of its own: a value that begins with a template and stands without quotes.
_BARE_TEMPLATE: Final = re.compile(r"(?:[:\-,\[{]\s+|^\s*)(\{\{)")
QUOTE_IT: Final = 'a value that begins with {{ has to stand in quotes, as in when: "{{ args.amount > 100 }}"'
_KEY: Final = re.compile(r"\s*(?:- )?[\w.$-]+\s*:(?:\s|$)")


def told(error: yaml.MarkedYAMLError, text: str) -> tuple[int, int, str]:
    """Line and column, both from 1, and what is wrong."""
    lines = text.splitlines()
    noticed = error.problem_mark or error.context_mark
    begun = error.context_mark or noticed
    problem, context = error.problem or "", error.context or ""
    if noticed is None or begun is None:
        return 1, 1, f"not valid YAML: {problem}"
    written = lines[noticed.line] if noticed.line < len(lines) else ""
    for line in dict.fromkeys((noticed.line, begun.line)):
        bare = _BARE_TEMPLATE.search(lines[line]) if line < len(lines) else None
        if bare is not None:
            return line + 1, bare.start(1) + 1, f"not valid YAML: {QUOTE_IT}"
    if problem.startswith("mapping values are not allowed"):
        return _at(
            noticed,
            "a text with a colon in it has to stand in quotes; or this line is indented too far, or the line above lacks a "
            "colon at its end",
        )
    if "'\\t'" in problem:
        return _at(noticed, "a tab stands here; indent with spaces")
    if problem == "could not find expected ':'":
        return _at(begun, "this line has no colon: write a field as name: value, or indent it as far as the text above")
    if context in ("while parsing a flow mapping", "while parsing a flow sequence"):
        bracket, end = ("{", "}") if context.endswith("mapping") else ("[", "]")
        return _at(
            begun, f"this {bracket} is never closed, or a comma is missing after it; each {bracket} needs a {end}"
        )
    if "found unexpected end of stream" in problem and "quoted scalar" in context:
        return _at(begun, "these quotes are never closed")
    if context == "while parsing a block mapping" and written.lstrip().startswith("- "):
        return _at(
            noticed, "an entry of a list stands among fields; begin every entry with - and indent all of them alike"
        )
    if context == "while parsing a block collection" and _KEY.match(written):
        return _at(
            noticed, "a field stands among entries of a list; begin every entry with -, or leave - away from all"
        )
    if context == "while parsing a block mapping":
        return _at(
            noticed,
            "this does not belong to the field above; indent it alike, or put all of the text in quotes",
        )
    return _at(noticed, ", ".join(filter(None, (context, problem))))


def _at(mark: yaml.Mark, message: str) -> tuple[int, int, str]:
    return mark.line + 1, mark.column + 1, f"not valid YAML: {message}"
