"""Names of files as viewers and models are shown them. Pure."""

import mimetypes
import re
from typing import Final
from urllib.parse import unquote, urlsplit

_UNSEEN: Final = re.compile(r"[\x00-\x1f\x7f\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")
_LONGEST: Final = 200


def file_name(given: str, media_type: str) -> str:
    """The last step of what was `given` as a name or a path, on one line; where nothing is left, one for the media type."""
    steps = [_UNSEEN.sub("", step).strip() for step in re.split(r"[/\\]", given)]
    name = next((step for step in reversed(steps) if step.strip(".")), "")
    if not name:
        return f"file{mimetypes.guess_extension(media_type.partition(';')[0]) or ''}"
    if len(name) <= _LONGEST:
        return name
    stem, dot, ending = name.rpartition(".")
    kept = f"{dot}{ending}" if dot and len(ending) < 16 else ""
    return f"{(stem if kept else name)[: _LONGEST - len(kept)]}{kept}"


def name_in(address: str, media_type: str) -> str:
    """The name of the file at an address."""
    try:
        path = urlsplit(address).path
    except ValueError:
        path = ""
    return file_name(unquote(path), media_type)
