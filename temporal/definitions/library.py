"""The stored form of a definition's documents: one blob for all references, and one for all skills of a definition."""

import hashlib
from typing import Final

from pydantic import Field

from perdure.workflows.definition.agent import AgentDefinition
from perdure.workflows.vocabulary.parts import Frozen, absent

_FOLDER: Final = "definitions/documents"


class Document(Frozen):
    """One file."""

    #: With `/` between folders, from the folder that the definition names.
    path: str
    title: str = ""
    description: str = ""
    #: Without the front matter; None: it is no text, and is only listed.
    text: str | None
    #: Of the bytes of a file that is no text.
    sha256: str | None = Field(default=None, exclude_if=absent)


class Library(Frozen):
    """Documents, sorted by path."""

    documents: tuple[Document, ...]

    def find(self, path: str) -> Document | None:
        return next((one for one in self.documents if one.path == path), None)


def dump_library(library: Library) -> tuple[str, bytes]:
    """The sha256 of the stored form, and the stored form itself."""
    data = library.model_dump_json().encode()
    return hashlib.sha256(data).hexdigest(), data


def documents_of(definition: AgentDefinition) -> tuple[str, ...]:
    """The sha256 of all documents that come with a definition."""
    return tuple(one.sha256 for one in (definition.references, definition.skills) if one is not None)


def library_key(sha256: str) -> str:
    """Where the blob store has the documents with this sha256."""
    return f"{_FOLDER}/{sha256}"
