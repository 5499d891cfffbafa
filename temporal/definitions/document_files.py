"""Finds the files of a definition's documents on disk, within bounds.

Rule 1: every file lies in the definition's own folder, or below it, also where it is a link.
Rule 2: names that begin with a dot are passed over: they are what editors, version control and config maps leave behind.
Rule 3: every folder that was looked into is remembered, so that a file which is added is noticed.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from perdure.temporal.schemas.yaml_source import DefinitionProblem, Loc, Refused, Source

#: Of one definition: files, bytes of one file, bytes of all.
MAX_FILES: Final = 500
MAX_FILE_BYTES: Final = 1024 * 1024
MAX_BYTES: Final = 10 * 1024 * 1024
_DEEPEST: Final = 10


@dataclass(slots=True)
class DocumentFiles:
    """The documents of one field of a definition: `references` or `skills`."""

    source: Source
    field: str
    #: Files and folders that were looked at, there or not.
    seen: list[Path] = dataclasses.field(default_factory=list)
    _files: int = 0
    _bytes: int = 0

    def places(self) -> Iterator[tuple[Loc, Path]]:
        """What the field names, or the folder of its name beside the definition. Raises `Refused`."""
        named = self.source.values.get(self.field)
        if self.field not in self.source.values:
            usual = self.source.file.parent / self.field
            self.seen.append(usual)
            if usual.is_dir():
                yield (self.field,), usual
            return
        if not isinstance(named, list) or not all(isinstance(one, str) and one for one in named):
            raise Refused(
                self.source.problem((self.field,), "is a list of files and folders, like `[handbook]`; [] for none")
            )
        for index, name in enumerate(named):
            loc = (self.field, index)
            path = self.source.file.parent / name
            self.seen.append(path)
            if not path.exists():
                raise Refused(self.source.problem(loc, f"there is no file or folder {path}"))
            if not self._is_inside(path):
                raise Refused(self.source.problem(loc, "must lie in the folder of this file, or below it"))
            yield loc, path

    def below(self, folder: Path) -> Iterator[Path]:
        """Every file of a folder and of those below it, in the order of their names. Raises `Refused`."""
        yield from self._walk(folder, 1)

    def folders(self, folder: Path) -> list[Path]:
        """The folders directly in a folder. Raises `Refused`."""
        return [one for one in self._entries(folder) if one.is_dir()]

    def read(self, file: Path) -> bytes:
        """The bytes of one file. Raises `Refused` where it, or all together, are too big, and where it cannot be read."""
        self.seen.append(file)
        self._files += 1
        if self._files > MAX_FILES:
            self._refuse(file, f"is one file too many: the {self.field} of an agent have at most {MAX_FILES} files")
        try:
            with file.open("rb") as opened:
                data = opened.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            self._refuse(file, f"cannot be read: {error.strerror}")
        if len(data) > MAX_FILE_BYTES:
            self._refuse(file, f"is larger than {MAX_FILE_BYTES} bytes; split it into several files")
        self._bytes += len(data)
        if self._bytes > MAX_BYTES:
            self._refuse(file, f"is too much: the {self.field} of an agent have at most {MAX_BYTES} bytes together")
        return data

    def read_text(self, file: Path) -> str:
        """The text of one file. Raises `Refused` as `read` does, and where it is not UTF-8."""
        data = self.read(file)
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise Refused(DefinitionProblem(file, line, self.field, "is not UTF-8 text")) from None

    def _walk(self, folder: Path, depth: int) -> Iterator[Path]:
        if depth > _DEEPEST:
            self._refuse(folder, f"lies more than {_DEEPEST} folders deep")
        for entry in self._entries(folder):
            if entry.is_dir():
                yield from self._walk(entry, depth + 1)
            else:
                yield entry

    def _entries(self, folder: Path) -> list[Path]:
        self.seen.append(folder)
        try:
            entries = sorted(one for one in folder.iterdir() if not one.name.startswith("."))
        except OSError as error:
            self._refuse(folder, f"cannot be read: {error.strerror}")
        for entry in entries:
            if not self._is_inside(entry):
                self._refuse(entry, "is a link to a place outside of the definition's folder")
        return entries

    def _is_inside(self, path: Path) -> bool:
        try:
            return path.resolve().is_relative_to(self.source.file.parent.resolve())
        except (OSError, RuntimeError):
            return False

    def _refuse(self, path: Path, message: str) -> NoReturn:
        raise Refused(DefinitionProblem(path, 1, self.field, message))
