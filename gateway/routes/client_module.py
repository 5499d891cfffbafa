"""`/client.js`: the client and the modules that it imports, joined into one file, so that it is one `import` and can be
saved.

Rule: modules are joined as they stand, in one scope, those that are imported first. So each imports names as they are,
from files beside it, and a name is declared in one of them only."""

import re
from pathlib import Path
from typing import Final

_IMPORT: Final = re.compile(r"^import \{(?P<names>[^}]*)\} from '(?P<file>\.[^']*)';\n", re.MULTILINE)
_OTHER_IMPORT: Final = re.compile(r"^import\b", re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=(?:async |const |function|class ))", re.MULTILINE)
_EXPORTS: Final = re.compile(r"^export \{[^}]*\};\n", re.MULTILINE)
_DECLARED: Final = re.compile(r"^(?:export )?(?:async )?(?:const|let|class|function\*?) (\w+)", re.MULTILINE)


class NotJoined(Exception):
    """The modules cannot be put into one scope as they stand."""


def joined(entry: Path) -> str:
    """The module `entry` with all that it imports. Its own exports are those of the whole. Raises `NotJoined`."""
    order: list[Path] = []
    _visit(entry.resolve(), order, [])
    sources = {file: file.read_text(encoding="utf-8") for file in order}
    _check_names(sources)
    opening, _, rest = sources[order.pop()].partition("\nimport ")
    parts = [opening]
    for file in order:
        source = _EXPORTS.sub("", _EXPORT.sub("", _IMPORT.sub("", sources[file])))
        parts.append(f"// {file.parent.name}/{file.name}\n{source.strip()}\n")
    parts.append(f"// {entry.parent.name}/{entry.name}\n{_IMPORT.sub('', f'import {rest}').strip()}\n")
    return "\n".join(parts)


def _visit(file: Path, order: list[Path], above: list[Path]) -> None:
    """Puts what `file` imports, and then `file`, into `order`."""
    if file in above:
        raise NotJoined(f"{file.name} imports itself by way of {above[-1].name}")
    if file in order:
        return
    source = file.read_text(encoding="utf-8")
    for found in _IMPORT.finditer(source):
        if " as " in found["names"]:
            raise NotJoined(f"{file.name} renames what it imports from {found['file']}")
        _visit((file.parent / found["file"]).resolve(), order, [*above, file])
    if _OTHER_IMPORT.search(_IMPORT.sub("", source)):
        raise NotJoined(f"{file.name} has an import of another kind than `import {{ names }} from './file.js';`")
    order.append(file)


def _check_names(sources: dict[Path, str]) -> None:
    places: dict[str, Path] = {}
    for file, source in sources.items():
        for name in _DECLARED.findall(source):
            if places.setdefault(name, file) != file:
                raise NotJoined(f"{name} is declared in {places[name].name} and in {file.name}")
