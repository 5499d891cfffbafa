"""Full-text search in Markdown documents: passages, ranked by BM25.

SQLite's FTS5 does the work (https://www.sqlite.org/fts5.html), in memory: English words are found in their other forms,
all words also as beginnings of longer ones, and accents do not count.
"""

import re
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from perdure.temporal.definitions.library import Document

#: Characters of a passage, as far as paragraphs and lines allow.
_LENGTH: Final = 1500
_SNIPPET_TOKENS: Final = 40
_MAX_WORDS: Final = 32
_MAX_SNIPPET: Final = 500
#: From how many letters on a word of a query is also the beginning of longer ones.
_PREFIX: Final = 4
_HEADING: Final = re.compile(r"^(#{1,6})[ \t]+(.+?)[ \t#]*$", re.MULTILINE)
_FENCE: Final = re.compile(r"^ {0,3}(```+|~~~+).*?^ {0,3}\1[`~]*[ \t]*$", re.MULTILINE | re.DOTALL)
_WORD: Final = re.compile(r"\w+")
#: Scripts that are written without spaces: each character counts as a word.
_UNSPACED: Final = re.compile("([\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])")
#: Marks where such words end. It is no letter, and nobody sees it.
_BREAK: Final = "\u200b"


@dataclass(frozen=True, slots=True)
class Passage:
    document: Document
    #: The headings above it, outermost first.
    headings: tuple[str, ...]
    #: Where it begins in the document's text, in characters.
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class Found:
    passage: Passage
    snippet: str


class PassageIndex:
    """Made from documents once; any thread may search."""

    def __init__(self, documents: tuple[Document, ...]) -> None:
        self._passages = [passage for document in documents for passage in passages(document)]
        self._lock = threading.Lock()
        self._index = sqlite3.connect(":memory:", check_same_thread=False)
        weakref.finalize(self, self._index.close)
        self._index.execute(
            "CREATE VIRTUAL TABLE passage USING "
            "fts5(title, headings, text, tokenize = 'porter unicode61 remove_diacritics 2')"
        )
        rows = (
            (f"{one.document.title} {one.document.description}", " ".join(one.headings), one.text)
            for one in self._passages
        )
        self._index.executemany("INSERT INTO passage VALUES (?, ?, ?)", (tuple(map(_spaced, row)) for row in rows))

    def search(self, query: str, limit: int) -> list[Found]:
        """The best passages first. A passage needs one of the words, and is better with more of them."""
        match = _match(query)
        if not match:
            return []
        with self._lock:
            rows = self._index.execute(
                "SELECT rowid, snippet(passage, 2, '', '', '…', ?) FROM passage WHERE passage MATCH ? "
                "ORDER BY bm25(passage, 3.0, 2.0, 1.0), rowid LIMIT ?",
                (_SNIPPET_TOKENS, match, limit),
            ).fetchall()
        return [Found(self._passages[row - 1], _shown(snippet)) for row, snippet in rows]


def words(query: str) -> list[str]:
    """The words of a query, each once."""
    return list(dict.fromkeys(_WORD.findall(_spaced(query).casefold())))[:_MAX_WORDS]


def passages(document: Document) -> Iterator[Passage]:
    """The document's text in pieces: cut at headings, then at paragraphs and lines."""
    text = document.text or ""
    fenced = [range(*found.span()) for found in _FENCE.finditer(text)]
    headings: list[tuple[int, str]] = []
    start = 0
    for found in _HEADING.finditer(text):
        if any(found.start() in one for one in fenced):
            continue
        yield from _pieces(document, tuple(name for _, name in headings), start, found.start())
        level = len(found[1])
        headings = [*(one for one in headings if one[0] < level), (level, found[2])]
        start = found.start()
    yield from _pieces(document, tuple(name for _, name in headings), start, len(text))


def _pieces(document: Document, headings: tuple[str, ...], start: int, stop: int) -> Iterator[Passage]:
    text = document.text or ""
    while start < stop:
        end = stop
        if stop - start > _LENGTH:
            middle = start + _LENGTH // 2
            cuts = (text.rfind(mark, middle, start + _LENGTH) + len(mark) for mark in ("\n\n", "\n", " "))
            end = next((cut for cut in cuts if cut > middle), start + _LENGTH)
        if text[start:end].strip():
            yield Passage(document, headings, start, text[start:end])
        start = end


def _match(query: str) -> str:
    """The query in FTS5's language: any of the words."""
    return " OR ".join(f'"{word}"*' if len(word) >= _PREFIX else f'"{word}"' for word in words(query))


def _spaced(text: str) -> str:
    return _UNSPACED.sub(rf"\1{_BREAK}", text)


def _shown(snippet: str) -> str:
    return " ".join(snippet.replace(_BREAK, "").split())[:_MAX_SNIPPET]
