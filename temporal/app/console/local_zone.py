"""The time zone of this machine."""

import os
from pathlib import Path
from typing import Final

from perdure.workflows.vocabulary.zones import zone

#: Where systems say it: a link into the database of zones, or a file that holds the name.
_LINK: Final = Path("/etc/localtime")
_NAME: Final = Path("/etc/timezone")


def local_zone(link: Path = _LINK, name: Path = _NAME) -> str | None:
    """Its IANA name; None where the machine does not say, or says what is no zone."""
    for found in (os.environ.get("TZ", "").removeprefix(":"), _linked(link), _written(name)):
        if found:
            return found if zone(found) is not None else None
    return None


def _linked(link: Path) -> str:
    try:
        return str(link.resolve(strict=True)).partition("zoneinfo/")[2]
    except OSError:
        return ""


def _written(name: Path) -> str:
    try:
        return name.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
