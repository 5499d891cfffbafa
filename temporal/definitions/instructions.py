"""The instructions of an agent file: a text in it, or a file beside it, and where a fault in the text stands."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from perdure.temporal.schemas.yaml_source import DefinitionProblem, Loc, Refused, Source, read_text

_FIELD = "instructions"
_FILE: Loc = (_FIELD, "file")


@dataclass(frozen=True, slots=True)
class Instructions:
    text: str
    #: Where the text begins: its file, and the line before its first.
    file: Path
    before: int
    #: The lines of that file.
    lines: tuple[str, ...]

    def problem(self, line: int, message: str, word: str = "") -> DefinitionProblem:
        """`line` counts from 1 in the text; `word` is what is wrong in it."""
        line += self.before
        written = self.lines[line - 1] if line <= len(self.lines) else ""
        found = written.find(word) if word else -1
        column = found if found >= 0 else len(written) - len(written.lstrip())
        return DefinitionProblem(self.file, line, _FIELD, message, column=column + 1)


def included_files(source: Source) -> tuple[Path, ...]:
    """Files that the definition is made from beside its own, there or not."""
    match source.values.get(_FIELD):
        case {"file": str(name), **rest} if not rest:
            return (source.file.parent / name,)
        case _:
            return ()


def read_instructions(source: Source) -> Instructions | None:
    """None where the field is missing or of a wrong type. Raises Refused."""
    for file in included_files(source):
        return _from_file(source, file)
    match source.values.get(_FIELD):
        case str(text):
            node, start = source.find((_FIELD,))
            is_block = isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")
            before = node.start_mark.line + 1 if is_block else start.start_mark.line
            return Instructions(text, source.file, before, tuple(source.text.splitlines()))
        case dict():
            raise Refused(source.problem((_FIELD,), "is a text, or {file: NAME} and nothing else"))
        case _:
            return None


def _from_file(source: Source, file: Path) -> Instructions:
    if not file.resolve().is_relative_to(source.file.parent.resolve()):
        raise Refused(source.problem(_FILE, "must lie in the folder of this file, or below it"))
    try:
        text = read_text(file)
    except Refused as refused:
        (problem,) = refused.problems
        raise Refused(source.problem(_FILE, f"{file}: {problem.message}")) from None
    return Instructions(text, file, 0, tuple(text.splitlines()))
