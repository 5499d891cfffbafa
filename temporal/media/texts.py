"""Bytes as text: whether they are any, in which encoding, and of which media type. Pure."""

import codecs
import mimetypes
import re
from typing import Final

#: What no text holds, in whatever encoding: control characters but tab, line breaks, form feed, backspace and escape.
_CONTROL: Final = re.compile("[\x00-\x07\x0e-\x1a\x1c-\x1f]")
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: Encodings that a caller may name. Python knows others that are no character sets.
_CHARSETS: Final = re.compile(
    r"utf-?8|utf-?16(?:le|be)?|us-ascii|ascii|latin-?1|iso-8859-\d{1,2}|windows-125\d|cp125\d|gb2312|gbk|gb18030|big5|"
    r"shift[_-]jis|euc-(?:jp|kr)|koi8-[ru]"
)
_TEXT: Final = re.compile(r"text/[\w.+-]+|application/(?:[\w.-]+\+)?(?:json|xml|yaml)|image/svg\+xml")
_TEXT_TYPES: Final = frozenset(
    (
        "application/javascript",
        "application/toml",
        "application/sql",
        "application/graphql",
        "application/rtf",
        "application/ndjson",
        "application/x-httpd-php",
        "application/x-ndjson",
        "application/x-python-code",
        "application/x-sh",
        "application/x-yaml",
        "application/x-tex",
        "application/xhtml+xml",
        "application/typescript",
    )
)
#: Endings whose usual media type is missing from the tables of systems, or is that of something else there.
_ENDINGS: Final = {
    "csv": "text/csv",
    "json": "application/json",
    "jsonl": "application/x-ndjson",
    "md": "text/markdown",
    "py": "text/x-python",
    "toml": "application/toml",
    "ts": "text/x-typescript",
    "tsx": "text/x-typescript",
    "tsv": "text/tab-separated-values",
    "xml": "application/xml",
    "yaml": "application/yaml",
    "yml": "application/yaml",
}


def is_text_type(media_type: str) -> bool:
    """Whether files of this type are text that every model can read."""
    return media_type in _TEXT_TYPES or _TEXT.fullmatch(media_type) is not None


def named_type(name: str) -> str | None:
    """The media type that the ending of a file's name stands for."""
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    return _ENDINGS.get(ending) or mimetypes.guess_type(name, strict=False)[0]


def read_text(data: bytes, charset: str | None = None, *, likely: bool = False) -> tuple[str, str] | None:
    """The text, and the name of its encoding; None where the bytes are no text.

    A byte-order mark comes first, then UTF-8, then the `charset` that the caller named. Bytes that are `likely` text and in
    none of these are read as Windows-1252, which is what most old files are in.
    """
    marked = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)
    named = charset.lower() if charset and _CHARSETS.fullmatch(charset.lower()) else None
    for encoding in (marked,) if marked else ("utf-8", named):
        if encoding is not None and (text := _decoded(data, encoding)) is not None:
            return text, encoding
    if marked is not None or not likely:
        return None
    guessed = data.decode("cp1252", errors="replace")
    return None if _CONTROL.search(guessed) else (guessed, "cp1252")


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        text = data.decode(encoding)
    except (UnicodeError, LookupError):
        return None
    return None if _CONTROL.search(text) else text
