"""Reads the references of a definition: Markdown files, one after the other."""

import re
from pathlib import Path
from typing import Final

from perdure.temporal.definitions.document_files import DocumentFiles
from perdure.temporal.definitions.front_matter import read_markdown
from perdure.temporal.definitions.library import Document
from perdure.temporal.schemas.yaml_source import DefinitionProblem, Refused

MAX_TITLE: Final = 200
MAX_DESCRIPTION: Final = 1000
_MARKDOWN: Final = (".md", ".markdown")
_HEADING: Final = re.compile(r"^#[ \t]+(.+?)[ \t#]*$", re.MULTILINE)


def read_references(files: DocumentFiles, warnings: list[DefinitionProblem]) -> tuple[Document, ...]:
    """Sorted by path. Raises `Refused`."""
    found: dict[str, Document] = {}
    for _, place in files.places():
        inside = files.below(place) if place.is_dir() else [place]
        root = place if place.is_dir() else place.parent
        for file in inside:
            path = file.relative_to(root).as_posix()
            if file.suffix.lower() not in _MARKDOWN:
                message = "is not a Markdown file (.md), so the agent does not have it"
                warnings.append(DefinitionProblem(file, 1, files.field, message))
                continue
            if path in found:
                raise Refused(DefinitionProblem(file, 1, files.field, f"another reference has the path {path}, too"))
            found[path] = _document(files, file, path)
    return tuple(found[path] for path in sorted(found))


def _document(files: DocumentFiles, file: Path, path: str) -> Document:
    markdown = read_markdown(file, files.read_text(file))
    title, description = markdown.text("title"), markdown.text("description")
    for name, value, most in (("title", title, MAX_TITLE), ("description", description, MAX_DESCRIPTION)):
        if len(value) > most:
            raise Refused(DefinitionProblem(file, 1, name, f"has {len(value)} characters; at most {most} may be"))
    if not markdown.body.strip():
        raise Refused(DefinitionProblem(file, 1, files.field, "is empty"))
    if not title:
        heading = _HEADING.search(markdown.body)
        title = heading[1][:MAX_TITLE] if heading is not None else file.stem
    return Document(path=path, title=title, description=description, text=markdown.body)
