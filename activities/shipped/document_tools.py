"""What the tools do that read the documents of a definition. Pure but for the index, which is made when it is first needed.

Rule: every answer is bounded. What does not fit is on the next page, and the answer says where that begins.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Annotated, Any, Final

from pydantic import Field, JsonValue, ValidationError

from perdure.activities.shipped.passages import PassageIndex, words
from perdure.temporal.definitions.library import Document, Library
from perdure.temporal.definitions.skill_files import SKILL_FILE
from perdure.workflows.definition.tools import documents as tools
from perdure.workflows.vocabulary.near_names import did_you_mean
from perdure.workflows.vocabulary.parts import Frozen

_LISTED_FILES: Final = 200

Offset = Annotated[int, Field(ge=0)]


class DocumentError(Exception):
    """A call that cannot be carried out; the message is for the model."""


class UnknownDocument(DocumentError):
    """There is no such document."""


class BadArguments(DocumentError):
    """The arguments are wrong."""


class _List(Frozen):
    offset: Offset = 0


class _Search(Frozen):
    query: Annotated[str, Field(min_length=1, max_length=tools.MAX_QUERY)]
    limit: Annotated[int, Field(ge=1, le=tools.MAX_RESULTS)] = 5


class _Read(Frozen):
    reference: str
    offset: Offset = 0


class _ReadSkill(Frozen):
    skill: str
    file: str = SKILL_FILE
    offset: Offset = 0


class DocumentTools:
    """The tools for one library. They may run on any thread."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def carry_out(self, tool: str, args: dict[str, JsonValue]) -> dict[str, Any]:
        """Raises `UnknownDocument` and `BadArguments`."""
        calls: dict[str, tuple[type[Frozen], Callable[[Any], dict[str, Any]]]] = {
            tools.LIST_REFERENCES.name: (_List, self._list),
            tools.SEARCH_REFERENCES.name: (_Search, self._search),
            tools.READ_REFERENCE.name: (_Read, self._read),
            tools.READ_SKILL.name: (_ReadSkill, self._read_skill),
        }
        shape, call = calls[tool]
        try:
            given = shape.model_validate(args)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise BadArguments(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        return call(given)

    @cached_property
    def _index(self) -> PassageIndex:
        return PassageIndex(self._library.documents)

    def _list(self, given: _List) -> dict[str, Any]:
        known = self._library.documents
        page = known[given.offset : given.offset + tools.LISTED]
        end = given.offset + len(page)
        listed = [
            {"reference": one.path, "title": one.title}
            | ({"description": one.description} if one.description else {})
            | {"characters": len(one.text or "")}
            for one in page
        ]
        return {"references": listed, "total": len(known)} | ({"next_offset": end} if end < len(known) else {})

    def _search(self, given: _Search) -> dict[str, Any]:
        if not words(given.query):
            raise BadArguments("query: holds no word to search for")
        found = self._index.search(given.query, given.limit)
        results = [
            {
                "reference": one.passage.document.path,
                "title": one.passage.document.title,
                "place": " > ".join(one.passage.headings),
                "offset": one.passage.offset,
                "snippet": one.snippet,
            }
            for one in found
        ]
        return {"results": results}

    def _read(self, given: _Read) -> dict[str, Any]:
        document = self._library.find(given.reference)
        if document is None:
            known = [one.path for one in self._library.documents]
            near = did_you_mean(given.reference, known) or "; list_references names those that there are"
            raise UnknownDocument(f"reference: there is no {given.reference[:200]!r}{near}")
        return {"reference": document.path, "title": document.title} | _page(document, given.offset)

    def _read_skill(self, given: _ReadSkill) -> dict[str, Any]:
        skills = {one.path.partition("/")[0] for one in self._library.documents}
        if given.skill not in skills:
            raise UnknownDocument(f"skill: there is no {given.skill[:100]!r}; there are: {', '.join(sorted(skills))}")
        files = self._files(given.skill)
        document = self._library.find(f"{given.skill}/{given.file.removeprefix('./')}")
        if document is None:
            there = ", ".join(files[:_LISTED_FILES])
            raise UnknownDocument(f"file: {given.skill} has no {given.file[:200]!r}; it has: {there}")
        if document.text is None:
            raise UnknownDocument(f"file: {given.file[:200]!r} is not a text, so it cannot be shown")
        shown = {"skill": given.skill, "file": document.path.partition("/")[2]} | _page(document, given.offset)
        others = [name for name in files if name != SKILL_FILE]
        if given.file == SKILL_FILE and given.offset == 0 and others:
            shown["files"] = others[:_LISTED_FILES]
        return shown

    def _files(self, skill: str) -> list[str]:
        paths = (one.path.partition("/") for one in self._library.documents)
        return [file for name, _, file in paths if name == skill]


def _page(document: Document, offset: int) -> dict[str, Any]:
    text = document.text or ""
    if offset > 0 and offset >= len(text):
        raise BadArguments(f"offset: is behind the end of the text, which has {len(text)} characters")
    end = min(offset + tools.PAGE, len(text))
    more = {"next_offset": end} if end < len(text) else {}
    return {"text": text[offset:end], "characters": len(text), **more}
