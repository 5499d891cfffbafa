"""Pictures that a model made, from its answer to files of the session."""

import base64
from pathlib import Path

from perdure.activities.models.made_files import kept
from perdure.temporal.stores.blobs import LocalBlobs
from perdure.temporal.stores.files import file_in, get_file
from perdure.workflows.vocabulary.parts import File, Text

SESSION = "default/s"
PNG = b"\x89PNG\r\n\x1a\n"


async def test_a_picture_becomes_a_file_of_the_session(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    encoded = base64.b64encode(PNG).decode()
    made = File(uri=f"data:image/png;base64,{encoded}", media_type="image/png", name="image-1.png")
    said = Text(text="Here.")
    first, file = await kept(blobs, SESSION, (said, made))
    assert first == said
    assert isinstance(file, File)
    assert (file.name, file.media_type, file.bytes) == ("image-1.png", "image/png", len(PNG))
    sha256 = file_in(file.uri, SESSION)
    assert sha256 is not None
    assert await get_file(blobs, SESSION, sha256) == (PNG, "image/png")


async def test_what_is_no_base64_is_told_in_words(tmp_path: Path) -> None:
    broken = File(uri="data:image/png;base64,###", media_type="image/png", name="image-1.png")
    elsewhere = File(uri="https://example.com/a.png", media_type="image/png", name="a.png")
    words = Text(text="[file image-1.png (image/png): it cannot be read]")
    assert await kept(LocalBlobs(tmp_path), SESSION, (broken, elsewhere)) == (words, elsewhere)
