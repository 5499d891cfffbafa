"""The front matter of a Markdown file: YAML between two lines `---` at its beginning."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from perdure.temporal.schemas.yaml_source import DefinitionProblem, Refused

#: Characters that front matter may have.
MAX_LENGTH: Final = 20_000
_FRONT: Final = re.compile(r"---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Markdown:
    file: Path
    fields: dict[str, Any]
    body: str

    def text(self, name: str) -> str:
        """The field, in one line; empty where there is none. Raises `Refused` where the field is no text."""
        value = self.fields.get(name)
        if value is None:
            return ""
        if isinstance(value, list | dict):
            raise Refused(DefinitionProblem(self.file, 1, name, "is a text"))
        return " ".join(str(value).split())


def read_markdown(file: Path, text: str) -> Markdown:
    """The fields of the front matter, and what follows it. Raises `Refused`."""
    found = _FRONT.match(text)
    if found is None:
        return Markdown(file, {}, text)
    if len(found[1]) > MAX_LENGTH:
        message = f"the front matter has {len(found[1])} characters; at most {MAX_LENGTH} may be"
        raise Refused(DefinitionProblem(file, 1, "", message))
    try:
        fields = yaml.load(found[1], Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        line = (error.problem_mark.line if error.problem_mark else 0) + 2
        message = f"the front matter is not valid YAML: {error.problem}; a value with a colon needs quotes"
        raise Refused(DefinitionProblem(file, line, "", message)) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Refused(DefinitionProblem(file, 1, "", f"the front matter is not valid YAML: {error}")) from None
    if fields is None or fields == "":
        fields = {}
    if not isinstance(fields, dict):
        raise Refused(DefinitionProblem(file, 2, "", "the front matter is a mapping, like `title: Refunds`"))
    return Markdown(file, fields, text[found.end() :])
