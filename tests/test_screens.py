"""The pictures of the pages: every state is reached, axe finds no fault in it, and it looks as its committed picture does.

Pictures are compared by the mean colours of tiles of 32 × 32 pixels, because another machine may draw letters otherwise: a
state fails where one tile in twenty has another colour, as in another theme, without a card or a list, or on an empty page.
What has changed in detail is seen where `python -m tests.screens`, run on one machine, rewrites pictures.
"""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.screens.comparing import KEPT, changed, read, unlike, write
from tests.screens.taking import names, take
from tests.screens.world import CHROMIUM
from tests.support.accessibility import AXE
from tests.support.needs import missing
from tests.support.pictures import saved

WHITE = (250, 250, 250)


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.browser
async def test_every_state_is_reached_is_accessible_and_looks_as_it_did() -> None:
    if not any(map(shutil.which, CHROMIUM)):
        missing("Chromium")
    if not AXE.exists():
        missing("axe-core")
    taken = await take()
    assert taken.faults == []
    assert sorted(taken.pictures) == sorted(names()) == sorted(file.stem for file in KEPT.glob("*.webp"))
    found = {name: unlike(picture, _kept(name)) for name, picture in taken.pictures.items()}
    assert {name: why for name, why in found.items() if why} == {}


def _kept(name: str) -> Image.Image:
    return Image.open(KEPT / f"{name}.webp").convert("RGB")


@pytest.mark.pure
def test_committed_pictures_of_one_state_show_different_things_in_light_dark_and_on_a_phone() -> None:
    """What the comparison is worth."""
    for name in ("welcome", "streaming", "inspector"):
        light, dark, phone = (_kept(f"{name}.{look}") for look in ("light", "dark", "phone"))
        assert (unlike(light, light), changed(light, light)) == (None, False)
        assert all(unlike(light, other) and changed(light, other) for other in (dark, phone))
    for one, other in (("welcome", "markdown"), ("welcome", "empty"), ("streaming", "queue"), ("todo", "streaming")):
        assert unlike(_kept(f"{one}.light"), _kept(f"{other}.light")), (one, other)


@pytest.mark.pure
def test_a_picture_that_was_kept_is_the_same_and_a_few_letters_are_a_change(tmp_path: Path) -> None:
    picture = Image.new("RGB", (320, 320), WHITE)
    picture.paste((31, 111, 92), (20, 20, 200, 60))
    write(picture, tmp_path / "one.webp")
    kept = Image.open(tmp_path / "one.webp").convert("RGB")
    assert not changed(read(saved(picture, "PNG")), kept)
    picture.paste((30, 29, 27), (100, 100, 104, 108))
    assert changed(picture, kept)
    assert unlike(picture, kept) is None
    assert unlike(picture, Image.new("RGB", (320, 320), WHITE)) == "differs in 14% of its area"
