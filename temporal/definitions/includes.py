"""A template made of several files: `{% include "NAME" %}` in instructions stands for the text of that file.

Rule 1: files are put in when the definition loads, so that a session runs one text and the digest covers all of it.
Rule 2: a path counts from the folder of the agent's file, and leads nowhere else. A circle of files is named.
Rule 3: each part is a template by itself. What is wrong in it is told with its own file and line.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from perdure.temporal.definitions.template_syntax import syntax_fault
from perdure.temporal.schemas.yaml_source import DefinitionProblem, Refused, read_text

#: Characters of a template with all that it includes, and files that it is made of, each counted at each use.
MOST: Final = 1024 * 1024
MOST_FILES: Final = 500
#: What is no tag, for it is a comment or stands in a `raw` block; and the tag itself.
_TAG: Final = re.compile(
    r"\{\#.*?\#\}"
    r"|\{%[-+]?\s*raw\s*-?%\}.*?\{%[-+]?\s*endraw\s*[-+]?%\}"
    r"""|\{%(?P<left>[-+]?)\s*include\s+(?P<quote>['"])(?P<name>[^'"\n]+)(?P=quote)\s*(?P<right>[-+]?)%\}""",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a part of a template stands."""

    file: Path
    #: The line of the file before the first of the text.
    before: int
    #: The lines of the file.
    lines: tuple[str, ...]

    def problem(self, line: int, message: str, word: str = "") -> DefinitionProblem:
        """`line` counts from 1 in the text; `word` is what is wrong in it."""
        line += self.before
        written = self.lines[line - 1] if line <= len(self.lines) else ""
        found = written.find(word) if word else -1
        column = found if found >= 0 else len(written) - len(written.lstrip())
        return DefinitionProblem(self.file, line, "instructions", message, column=column + 1)

    def holds(self, line: int, word: str) -> bool:
        line += self.before
        return line <= len(self.lines) and word in self.lines[line - 1]


@dataclass(frozen=True, slots=True)
class Piece:
    text: str
    origin: Origin
    #: The line of its origin's text on which it begins, from 1.
    line: int


@dataclass(slots=True)
class Including:
    """One template that is put together. `files` are all that it names, there or not."""

    folder: Path
    problems: list[DefinitionProblem] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    _size: int = 0

    def pieces(self, text: str, origin: Origin, above: tuple[Path, ...] = ()) -> list[Piece]:
        """`text` with what it includes. `above` are the files that lead to it, the agent's own text left out."""
        made: list[Piece] = []
        at, strip = 0, False
        for tag in _TAG.finditer(text):
            if tag["name"] is None:
                continue
            before = text[at : tag.start()]
            made.append(_piece(before.lstrip() if strip else before, text, at, before, origin))
            if tag["left"] == "-":
                made[-1] = Piece(made[-1].text.rstrip(), made[-1].origin, made[-1].line)
            line = text.count("\n", 0, tag.start()) + 1
            made += self._included(tag["name"], origin, line, above)
            at, strip = tag.end(), tag["right"] == "-"
        rest = text[at:]
        made.append(_piece(rest.lstrip() if strip else rest, text, at, rest, origin))
        return [piece for piece in made if piece.text]

    def _included(self, name: str, origin: Origin, line: int, above: tuple[Path, ...]) -> list[Piece]:
        file = self.folder / name
        if (why := self._fault(file, name, above)) is not None:
            self.problems.append(origin.problem(line, why, name))
            return []
        self.files.append(file)
        try:
            # As Jinja2 does: the last line's end is not part of the text.
            text = read_text(file).removesuffix("\n")
        except Refused as refused:
            (problem,) = refused.problems
            self.problems.append(origin.problem(line, f"{name} {problem.message}", name))
            return []
        own = Origin(file, 0, tuple(text.splitlines()))
        self._size += len(text)
        if self._size > MOST or len(self.files) > MOST_FILES:
            self.problems.append(origin.problem(line, f"{name} makes the instructions too long", name))
            return []
        if (fault := syntax_fault(text)) is not None:
            self.problems.append(own.problem(*fault))
            return []
        return self.pieces(text, own, (*above, file.resolve()))

    def _fault(self, file: Path, name: str, above: tuple[Path, ...]) -> str | None:
        try:
            whole = file.resolve()
        except (OSError, RuntimeError, ValueError):
            return f"{name} is no path of a file"
        if not whole.is_relative_to(self.folder.resolve()):
            return f"{name} must lie in the folder of the agent's file, or below it"
        if whole in above:
            names = [one.name for one in above[above.index(whole) :]]
            return f"{name} includes itself: {' → '.join([*names, whole.name])}"
        return None


def place(pieces: tuple[Piece, ...], line: int, word: str) -> Iterator[tuple[Origin, int]]:
    """The origins of a line of the text that `pieces` make, and the line in each: first that which holds `word`."""
    found: list[tuple[Origin, int]] = []
    at = 1
    for piece in pieces:
        last = at + piece.text.count("\n")
        if at <= line <= last:
            found.append((piece.origin, piece.line + line - at))
        at = last
    yield from sorted(found, key=lambda one: not (word and one[0].holds(one[1], word)))


def _piece(text: str, whole: str, at: int, before: str, origin: Origin) -> Piece:
    """`text` is what is left of `before`, which stands at `at` in `whole`."""
    start = at + (len(before) - len(text) if before.endswith(text) else 0)
    return Piece(text, origin, whole.count("\n", 0, start) + 1)
