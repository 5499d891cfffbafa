"""The documents of one definition, as its file and the folders beside it have them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perdure.temporal.definitions.document_files import DocumentFiles
from perdure.temporal.definitions.library import Library, dump_library
from perdure.temporal.definitions.reference_files import read_references
from perdure.temporal.definitions.skill_files import read_skills
from perdure.temporal.schemas.yaml_source import DefinitionProblem, Refused, Source
from perdure.workflows.definition.documents import References, Skills


@dataclass(frozen=True, slots=True)
class Documents:
    """What the fields `references` and `skills` come to."""

    values: Mapping[str, Any]
    #: What the blob store has to hold, by sha256.
    stored: Mapping[str, bytes]
    #: Files and folders that were looked at, there or not.
    seen: tuple[Path, ...]
    problems: tuple[DefinitionProblem, ...] = ()
    warnings: tuple[DefinitionProblem, ...] = ()


@dataclass(slots=True)
class _Reading:
    values: dict[str, Any] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    problems: list[DefinitionProblem] = field(default_factory=list)
    warnings: list[DefinitionProblem] = field(default_factory=list)


def read_documents(source: Source) -> Documents:
    """Both fields; what is wrong with one of them is in `problems`."""
    reading = _Reading()
    references, skills = DocumentFiles(source, "references"), DocumentFiles(source, "skills")
    try:
        documents = read_references(references, reading.warnings)
        if documents:
            sha256 = _store(reading, Library(documents=documents))
            reading.values["references"] = References(sha256=sha256, count=len(documents)).model_dump(mode="json")
    except Refused as refused:
        reading.problems += refused.problems
    try:
        found, files = read_skills(skills)
        if found:
            sha256 = _store(reading, Library(documents=files))
            reading.values["skills"] = Skills(sha256=sha256, skills=found).model_dump(mode="json")
    except Refused as refused:
        reading.problems += refused.problems
    seen = tuple(dict.fromkeys((*references.seen, *skills.seen)))
    return Documents(reading.values, reading.stored, seen, tuple(reading.problems), tuple(reading.warnings))


def _store(reading: _Reading, library: Library) -> str:
    sha256, data = dump_library(library)
    reading.stored[sha256] = data
    return sha256
