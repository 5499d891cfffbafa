"""The README of each room: it exists, is short, and points to the right files."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("workflows", "activities", "gateway", "temporal", "tests")
READMES = sorted(file for room in ROOMS for file in (ROOT / room).rglob("README.md"))
READMES = [file for file in READMES if "node_modules" not in file.parts]
#: The number of lines that fit a screen.
SCREEN = 60
#: Matches `models/wires/`, `call.py`, `workflows/protocol/activities.py`, and package names in a table's first column.
PLACE = re.compile(r"`([\w./-]*(?:/|\.(?:py|md|css|js|html|yaml)))`|^\| ((?:`[\w.]+`(?:, )?)+) \|", re.MULTILINE)


def name(file: Path) -> str:
    return str(file.parent.relative_to(ROOT))


def test_every_room_has_one() -> None:
    below = {
        "activities/models",
        "activities/tools",
        "temporal/app",
        "temporal/sessions",
        "workflows/core",
        "workflows/running",
    }
    assert {*ROOMS, *below} <= set(map(name, READMES))


@pytest.mark.parametrize("readme", READMES, ids=name)
def test_it_is_a_screen_at_most(readme: Path) -> None:
    lines = readme.read_text(encoding="utf-8").splitlines()
    assert lines[0] == f"# {name(readme)}" or readme.parent.name in lines[0].lower().replace(" ", "_")
    assert len(lines) <= SCREEN
    assert all(len(line) <= 160 for line in lines)


@pytest.mark.parametrize("readme", READMES, ids=name)
def test_what_it_names_is_there(readme: Path) -> None:
    text = readme.read_text(encoding="utf-8")
    places = [place for place, _ in PLACE.findall(text) if place]
    for _, cells in PLACE.findall(text):
        places += re.findall(r"`([\w.]+)`", cells)
    missing = [place for place in places if not _is_there(place, readme.parent)]
    assert missing == []
    assert places


def _is_there(place: str, room: Path) -> bool:
    """A path is relative to the room or to the top; a bare name may be that of any file."""
    if any((root / place).exists() for root in (room, ROOT)):
        return True
    return "/" not in place and any(found.is_file() for one in ROOMS for found in (ROOT / one).rglob(place))
