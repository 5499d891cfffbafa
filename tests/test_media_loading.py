"""Files of a conversation reach the model that is asked: what it takes as it takes it, anything else in words."""

import base64
import hashlib
import io
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.requests import Request
from starlette.responses import Response

from perdure.activities.models.media.loading import Loaded, MediaLoader
from perdure.activities.models.provider_turns import Asked, Content, Media, UserTurn, text_of, turns
from perdure.activities.shipped.safe_fetch import Fetcher
from perdure.temporal.definitions.dialects import dialect_of
from perdure.temporal.media.recognise import recognise
from perdure.temporal.stores.blobs import LocalBlobs
from perdure.temporal.stores.files import put_file
from perdure.workflows.definition.model import ModelDefinition
from perdure.workflows.definition.providers.table import PROVIDERS
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary.parts import File, Message, Part, Text, ToolCall, ToolResult
from tests.support.pictures import animation, noise, pdf, picture, saved, sound, turned
from tests.support.serving import serve

SESSION = "default/s1"
SEES = {"use": "demo/sees"}
BLIND = {"use": "demo/blind", "files": []}


class Lab:
    """One session's files and messages, and a loader that fetches nothing unless it is told how."""

    def __init__(self, folder: Path, fetch: Fetcher | None = None) -> None:
        self.blobs = LocalBlobs(folder)
        self.loader = MediaLoader(self.blobs, {}, fetch)

    async def keep(self, data: bytes, name: str = "file", session: str = SESSION) -> File:
        seen = recognise(data, "", name)
        sha256 = hashlib.sha256(data).hexdigest()
        await put_file(self.blobs, session, sha256, data, seen.described)
        return File(
            uri=f"{session}/{sha256}",
            media_type=seen.media_type,
            name=name,
            bytes=len(data),
            width=seen.width,
            height=seen.height,
            pages=seen.pages,
        )

    async def load(self, messages: list[Message], model: dict[str, Any] | None = None) -> Loaded:
        definition = ModelDefinition.model_validate(model or SEES)
        return await self.loader.load(SESSION, Prompt(model=definition, system=""), tuple(messages))

    async def shown(self, *parts: Part, model: dict[str, Any] | None = None) -> list[Content]:
        """What the model is shown of a user's message."""
        return list(turned_into(await self.load([message("user", *parts)], model), model)[0].content)

    async def result(self, output: Any, model: dict[str, Any] | None = None, **more: Any) -> list[Content]:
        """What it is shown of a tool's result."""
        call = ToolCall(call_id="t1.s1.c1", name="draw", args={})
        result = ToolResult(call_id="t1.s1.c1", name="draw", output=output, **more)
        said = [message("user", Text(text="go")), message("assistant", call), message("tool", result)]
        return list(turned_into(await self.load(said, model), model)[-1].results[0].content)


def message(role: Any, *parts: Part) -> Message:
    return Message(id=f"{role}{len(parts)}", role=role, parts=parts, at=datetime(2026, 11, 28, tzinfo=UTC))


def turned_into(loaded: Loaded, model: dict[str, Any] | None) -> list[UserTurn]:
    definition = ModelDefinition.model_validate(model or SEES)
    dialect = dialect_of(PROVIDERS[definition.provider], definition, {})
    asked = Asked("demo", "demo", dialect)
    return [turn for turn in turns(loaded.messages, asked) if isinstance(turn, UserTurn)]


def data_of(content: Content) -> bytes:
    assert isinstance(content, Media)
    assert content.data is not None
    return base64.b64decode(content.data)


def opened(content: Content) -> Image.Image:
    return Image.open(io.BytesIO(data_of(content)))


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


async def test_a_picture_that_fits_goes_as_it_is(lab: Lab) -> None:
    data = picture("PNG")
    (shown,) = await lab.shown(await lab.keep(data, "cat.png"))
    assert shown == Media("image", "image/png", "cat.png", base64.b64encode(data).decode())


async def test_a_model_that_cannot_see_is_told_what_there_was(lab: Lab) -> None:
    cat = await lab.keep(picture("PNG"), "cat.png")
    (shown,) = await lab.shown(cat, model=BLIND)
    assert shown == Text(text=f"[file cat.png (image/png, {cat.bytes} bytes): this model cannot be shown it]")


@pytest.mark.parametrize(
    ("data", "media_type", "size", "told"),
    [
        (picture("JPEG", (3000, 1500)), "image/jpeg", (2000, 1000), ["scaled from 3000 × 1500 to 2000 × 1000 pixels"]),
        (picture("PNG", (1500, 4000)), "image/png", (750, 2000), ["scaled from 1500 × 4000 to 750 × 2000 pixels"]),
        (turned((300, 100)), "image/jpeg", (100, 300), []),
        (turned((4000, 100)), "image/jpeg", (50, 2000), ["scaled from 100 × 4000 to 50 × 2000 pixels"]),
        (
            animation((30, 20)),
            "image/png",
            (30, 20),
            ["shown by its first frame", "converted from image/gif to image/png"],
        ),
        (picture("BMP"), "image/png", (40, 20), ["converted from image/bmp to image/png"]),
        (
            picture("TIFF", mode="CMYK", colour=(0, 200, 200, 0)),
            "image/png",
            (40, 20),
            ["converted from image/tiff to image/png"],
        ),
        (
            picture("PNG", (3000, 10), mode="RGBA", colour=(1, 2, 3, 0)),
            "image/png",
            (2000, 7),
            ["scaled from 3000 × 10 to 2000 × 7 pixels"],
        ),
    ],
)
async def test_a_picture_is_made_to_fit(
    lab: Lab, data: bytes, media_type: str, size: tuple[int, int], told: list[str]
) -> None:
    file = await lab.keep(data, "cat")
    loaded = await lab.load([message("user", file)])
    (shown,) = turned_into(loaded, None)[0].content
    assert isinstance(shown, Media)
    assert (shown.media_type, opened(shown).size) == (media_type, size)
    assert loaded.adapted == tuple(f"cat {words}" for words in told)


async def test_what_is_made_to_fit_still_shows_the_same(lab: Lab) -> None:
    (grey,) = await lab.shown(await lab.keep(picture("TIFF", mode="I;16", colour=40_000)))
    assert opened(grey).convert("RGB").getpixel((0, 0)) == (156, 156, 156)
    (first,) = await lab.shown(await lab.keep(animation()))
    assert opened(first).convert("RGB").getpixel((5, 5)) == (255, 0, 0)
    (clear,) = await lab.shown(await lab.keep(picture("PNG", (3000, 10), mode="RGBA", colour=(1, 2, 3, 0))))
    assert opened(clear).mode == "RGBA"


async def test_a_picture_of_many_bytes_is_packed_until_they_fit(lab: Lab) -> None:
    data = saved(noise((1900, 1900)), "PNG")
    assert len(data) > 5_000_000
    loaded = await lab.load([message("user", await lab.keep(data, "noise.png"))])
    (shown,) = turned_into(loaded, None)[0].content
    assert len(data_of(shown)) <= 5_000_000
    assert loaded.adapted == ("noise.png converted from image/png to image/jpeg",)


async def test_documents_sounds_and_texts_reach_who_takes_them(lab: Lab) -> None:
    report, tone = await lab.keep(pdf(2), "report.pdf"), await lab.keep(sound(), "tone.wav")
    table = await lab.keep("größe;1\n".encode("cp1252"), "table.csv")
    utf16 = await lab.keep("größe".encode("utf-16"), "notes.txt")
    shown = await lab.shown(report, tone, table, utf16)
    assert [getattr(one, "kind", "text") for one in shown] == ["document", "audio", "text", "text"]
    assert (data_of(shown[0]), data_of(shown[1])) == (pdf(2), sound())
    assert text_of(shown[2]) == "[file table.csv (text/csv)]\ngröße;1\n"
    assert text_of(shown[3]) == "[file notes.txt (text/plain)]\ngröße"
    told = await lab.shown(report, tone, table, model=BLIND)
    assert text_of(told[0]).endswith(": this model cannot be shown it]")
    assert text_of(told[2]) == text_of(shown[2])


async def test_a_long_text_is_shown_by_its_beginning_and_its_end(lab: Lab) -> None:
    (shown,) = await lab.shown(await lab.keep(b"begin " + b"x" * 300_000 + b" end", "long.txt"))
    assert "begin x" in text_of(shown)
    assert text_of(shown).endswith("x end")
    assert "100010 characters left out" in text_of(shown)


async def test_the_newest_pictures_are_shown_where_not_all_can_be(lab: Lab) -> None:
    files = [await lab.keep(picture("PNG", (10 + number, 10)), f"{number}.png") for number in range(23)]
    shown = await lab.shown(*files)
    assert [isinstance(one, Media) for one in shown] == [False] * 3 + [True] * 20
    assert "newer pictures have taken its place" in text_of(shown[0])


async def test_the_newest_documents_have_the_room_of_a_request(lab: Lab) -> None:
    files = [await lab.keep(pdf() + mark * 8_000_000, f"{mark.decode()}.pdf") for mark in (b"a", b"b")]
    shown = await lab.shown(*files)
    assert "there is no room for it" in text_of(shown[0])
    assert isinstance(shown[1], Media)


async def test_no_file_of_another_session_is_ever_loaded(lab: Lab) -> None:
    other = await lab.keep(picture("PNG"), "secret.png", session="default/s2")
    assert "could not be fetched" in text_of((await lab.shown(other))[0])
    shown = await lab.result({"type": "image", "media_type": "image/png", "uri": other.uri})
    assert not any(isinstance(one, Media) for one in shown)


async def test_a_file_that_is_lost_is_told_as_lost(lab: Lab) -> None:
    gone = File(uri=f"{SESSION}/{'0' * 64}", media_type="image/png", name="cat.png", bytes=5)
    assert text_of((await lab.shown(gone))[0]) == "[file cat.png (image/png, 5 bytes): it is no longer there]"


@pytest.mark.parametrize("shape", ["alone", "list", "deep", "error"])
async def test_a_picture_of_a_tool_comes_beside_its_result(lab: Lab, shape: str) -> None:
    file = await lab.keep(picture("PNG"), "image")
    reference = {"type": "image", "media_type": "image/png", "bytes": file.bytes, "uri": file.uri}
    output: Any = {
        "alone": reference,
        "list": [{"type": "text", "text": "Here"}, reference],
        "deep": {"structured": {"a": [1, {"chart": reference}]}},
        "error": {"type": "tool_failed", "message": "no", "retryable": False, "content": [reference]},
    }[shape]
    words, shown = await lab.result(output, is_error=shape == "error")
    assert data_of(shown) == picture("PNG")
    assert file.uri not in text_of(words)
    assert f"[image image (image/png, {file.bytes} bytes): shown beside this result]" in text_of(words)
    (blind,) = await lab.result(output, BLIND, is_error=shape == "error")
    assert file.uri not in text_of(blind)
    assert f"[file image (image/png, {file.bytes} bytes): this model cannot be shown it]" in text_of(blind)


async def test_a_text_resource_of_a_tool_is_read_in_its_place(lab: Lab) -> None:
    file = await lab.keep(b"a,b\n", "table.csv")
    reference = {"type": "resource", "of": "file:///x/table.csv", "media_type": "text/csv", "uri": file.uri}
    (shown,) = await lab.result([reference])
    assert "[file table.csv (text/csv)]\\na,b" in text_of(shown)


async def test_a_conversation_without_files_is_the_same_object(lab: Lab) -> None:
    said = [message("user", Text(text="hi")), message("tool", ToolResult(call_id="c", name="t", output={"uri": "x"}))]
    loaded = await lab.load(said)
    assert all(new is old for new, old in zip(loaded.messages, said, strict=True))
    assert (loaded.encoded, loaded.tokens, loaded.adapted) == (0, 0, ())


async def test_base64_is_no_text_in_what_a_request_weighs(lab: Lab) -> None:
    loaded = await lab.load([message("user", await lab.keep(saved(noise((900, 750)), "PNG"), "cat.png"))])
    assert loaded.encoded > 1_000_000
    assert loaded.tokens == 900
    assert loaded.weight_of(b"x" * (loaded.encoded + 30)) == 30 + 900 * 3


# Addresses.


@pytest.fixture
async def cats() -> AsyncIterator[Callable[[str], str]]:
    """A server of pictures, by host names that stand for this machine."""
    asked: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        path = Request(scope).url.path
        asked.append(path)
        found = {"/cat.png": ("image/png", picture("PNG")), "/notes": ("text/plain; charset=latin-1", b"gr\xfc\xdfe")}
        kind, data = found.get(path, ("text/html", b"\0"))
        await Response(data, 200 if path in found else 404, media_type=kind)(scope, receive, send)

    async with serve(app) as port:
        yield lambda path: f"http://cats.example:{port}{path}" if path else ",".join(asked)


def fetching() -> Fetcher:
    async def resolve(host: str, port: int) -> Any:
        return [ip_address("127.0.0.1" if host == "cats.example" else "10.0.0.1")]

    return Fetcher(resolve=resolve, allowed=lambda address: str(address) == "127.0.0.1", max_bytes=1_000_000)


def at(address: str, media_type: str = "image/png") -> File:
    return File(uri=address, media_type=media_type, name="cat.png")


async def test_an_address_is_fetched_once_and_kept(tmp_path: Path, cats: Callable[[str], str]) -> None:
    cat, notes = at(cats("/cat.png")), at(cats("/notes"), "text/plain")
    shown = await Lab(tmp_path, fetching()).shown(cat, notes)
    assert data_of(shown[0]) == picture("PNG")
    assert text_of(shown[1]).endswith("grüße")
    # Another worker, and a trace, which fetches nothing.
    assert await Lab(tmp_path).shown(cat, notes) == shown
    assert sorted(cats("").split(",")) == ["/cat.png", "/notes"]


async def test_a_vendor_that_fetches_addresses_itself_gets_the_address(lab: Lab) -> None:
    claude = {"use": "anthropic/claude-sonnet-5-5"}
    address = "https://cats.example/cat.png"
    assert await lab.shown(at(address), model=claude) == [Media("image", "image/png", "cat.png", url=address)]
    # No vendor takes an address that is not encrypted.
    assert "it was not fetched" in text_of((await lab.shown(at("http://cats.example/cat.png"), model=claude))[0])


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("/gone", "its server answers 404"),
        ("https://private.example/cat.png", "the host 'private.example' is not on the public internet"),
    ],
)
async def test_an_address_that_cannot_be_fetched_is_told_to_the_model(
    tmp_path: Path, cats: Callable[[str], str], address: str, why: str
) -> None:
    address = cats(address) if address.startswith("/") else address
    (shown,) = await Lab(tmp_path, fetching()).shown(at(address))
    assert text_of(shown) == (
        f"[file cat.png (image/png) at {address}: it could not be fetched from its address: {why}]"
    )
