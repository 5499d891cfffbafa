"""Reads skills: folders in the open Agent Skills format, each with a `SKILL.md`.

The format: https://agentskills.io/specification. Of its front matter `name` and `description` are required; `license`,
`compatibility`, `metadata` and `allowed-tools` are for people and for other programs, and give an agent nothing here.
"""

import hashlib
import re
from pathlib import Path
from typing import Final

from perdure.temporal.definitions.document_files import DocumentFiles
from perdure.temporal.definitions.front_matter import read_markdown
from perdure.temporal.definitions.library import Document
from perdure.temporal.schemas.yaml_source import DefinitionProblem, Refused
from perdure.workflows.definition.documents import SKILL_NAME, Skill

SKILL_FILE: Final = "SKILL.md"
MAX_SKILLS: Final = 50
_MAX_NAME: Final = 64
_MAX_DESCRIPTION: Final = 1024


def read_skills(files: DocumentFiles) -> tuple[tuple[Skill, ...], tuple[Document, ...]]:
    """The skills, and their files with the skill's name as the first folder of each path; both sorted. Raises `Refused`."""
    skills: dict[str, Skill] = {}
    documents: list[Document] = []
    for loc, place in files.places():
        folders = [place] if (place / SKILL_FILE).is_file() else files.folders(place) if place.is_dir() else []
        found = [folder for folder in folders if (folder / SKILL_FILE).is_file()]
        if not found and files.field in files.source.values:
            raise Refused(files.source.problem(loc, f"holds no skill: a skill is a folder with a {SKILL_FILE}"))
        for folder in found:
            skill, own = _skill(files, folder)
            if skill.name in skills:
                message = f"another skill has the name {skill.name!r}, too"
                raise Refused(DefinitionProblem(folder / SKILL_FILE, 1, "name", message))
            skills[skill.name] = skill
            documents += own
    if len(skills) > MAX_SKILLS:
        message = f"there are {len(skills)} skills; an agent has at most {MAX_SKILLS}"
        raise Refused(files.source.problem((files.field,), message))
    return tuple(skills[name] for name in sorted(skills)), tuple(sorted(documents, key=lambda one: one.path))


def _skill(files: DocumentFiles, folder: Path) -> tuple[Skill, list[Document]]:
    main = folder / SKILL_FILE
    markdown = read_markdown(main, files.read_text(main))
    name, description = markdown.text("name"), markdown.text("description")
    for field, fault in (("name", _name_fault(name, folder)), ("description", _description_fault(description))):
        if fault is not None:
            raise Refused(DefinitionProblem(main, 1, field, fault))
    documents = [Document(path=f"{name}/{SKILL_FILE}", text=markdown.body)]
    for file in files.below(folder):
        if file != main:
            path = f"{name}/{file.relative_to(folder).as_posix()}"
            documents.append(_document(path, files.read(file)))
    return Skill(name=name, description=description), documents


def _name_fault(name: str, folder: Path) -> str | None:
    if not name:
        return "is required in the front matter of a skill"
    if len(name) > _MAX_NAME or re.fullmatch(SKILL_NAME, name) is None:
        return f"{name!r} is no name of a skill: lower-case letters, digits and single hyphens, at most {_MAX_NAME}"
    if name != folder.resolve().name and name != folder.name:
        return f"{name!r} is not the name of the skill's folder, {folder.name!r}"
    return None


def _description_fault(description: str) -> str | None:
    if not description:
        return "is required in the front matter of a skill: what it does, and when to use it"
    if len(description) > _MAX_DESCRIPTION:
        return f"has {len(description)} characters; at most {_MAX_DESCRIPTION} may be"
    return None


def _document(path: str, data: bytes) -> Document:
    try:
        return Document(path=path, text=data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        # A picture or a template that scripts use.
        return Document(path=path, text=None, sha256=hashlib.sha256(data).hexdigest())
