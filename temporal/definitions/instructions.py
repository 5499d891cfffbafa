"""The instructions of an agent file: a text in it or a file beside it, what they include, and where a fault stands."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from perdure.temporal.definitions.includes import Including, Origin, Piece, place
from perdure.temporal.schemas.yaml_source import DefinitionProblem, Loc, Refused, Source, read_text

_FIELD = "instructions"
_FILE: Loc = (_FIELD, "file")


@dataclass(frozen=True, slots=True)
class Instructions:
    pieces: tuple[Piece, ...]
    #: Of the text itself, without what it includes.
    origin: Origin
    #: What is wrong with what it includes.
    problems: tuple[DefinitionProblem, ...] = ()
    #: The files that it includes, there or not.
    files: tuple[Path, ...] = ()

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)

    def problem(self, line: int, message: str, word: str = "") -> DefinitionProblem:
        """`line` counts from 1 in the text; `word` is what is wrong in it."""
        origin, own = next(place(self.pieces, line, word), (self.origin, line))
        return origin.problem(own, message, word)


def own_files(source: Source) -> tuple[Path, ...]:
    """The file that holds the instructions, there or not; none where the agent's own file does."""
    match source.values.get(_FIELD):
        case {"file": str(name), **rest} if not rest:
            return (source.file.parent / name,)
        case _:
            return ()


def read_instructions(source: Source) -> Instructions | None:
    """None where the field is missing or of a wrong type. Raises Refused."""
    for file in own_files(source):
        return _from_file(source, file)
    match source.values.get(_FIELD):
        case str(text):
            node, start = source.find((_FIELD,))
            is_block = isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")
            before = node.start_mark.line + 1 if is_block else start.start_mark.line
            return _made(source, text, Origin(source.file, before, tuple(source.text.splitlines())))
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
    return _made(source, text, Origin(file, 0, tuple(text.splitlines())), file.resolve())


def _made(source: Source, text: str, origin: Origin, *above: Path) -> Instructions:
    including = Including(source.file.parent)
    pieces = including.pieces(text, origin, above)
    return Instructions(tuple(pieces), origin, tuple(including.problems), tuple(dict.fromkeys(including.files)))
