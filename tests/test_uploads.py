"""Uploads over real HTTP: what comes in, what is refused, who can use it, and for how long."""

import base64
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from perdure.temporal.sessions.errors import FileUnreadable
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.uploads import Uploads
from perdure.temporal.stores.blobs import LocalBlobs
from tests.support.dev import Dev
from tests.support.pictures import pdf, picture

WRITES = ("session:write",)
ANN, BOB = (Principal("acme", name, WRITES) for name in ("ann", "bob"))
PNG = picture("PNG", (40, 20))
TEXT = "größe;preis\n1;2\n"


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    return {
        "sees.yaml": "name: sees\ninstructions: Look.\nmodels: {m: {use: demo/sees}}\nmodel: m\n",
        "blind.yaml": "name: blind\ninstructions: Read.\nmodels: {m: {use: demo/blind, files: []}}\nmodel: m\n",
    }


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {}


async def upload(http: httpx2.AsyncClient, data: bytes, **headers: str) -> dict[str, Any]:
    answer = await http.post(
        "/v1/files", content=data, headers={key.replace("_", "-"): v for key, v in headers.items()}
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def file_part(uri: str, **more: str) -> dict[str, Any]:
    return {"type": "file", "uri": uri, **more}


async def said(http: httpx2.AsyncClient, session: str, *parts: dict[str, Any], **more: Any) -> httpx2.Response:
    return await http.post(f"/v1/sessions/{session}/messages?wait=60", json={"parts": list(parts), **more})


async def create(http: httpx2.AsyncClient, agent: str, **body: Any) -> str:
    answer = await http.post("/v1/sessions", json={"agent": agent, **body})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["session_id"])


@pytest.mark.server
async def test_a_file_comes_in_a_form_or_as_it_is(http: httpx2.AsyncClient) -> None:
    raw = await upload(http, PNG, content_type="application/octet-stream", content_disposition='a; filename="c a.png"')
    assert raw == {"uri": raw["uri"], "id": raw["uri"], "media_type": "image/png", "name": "c a.png", "bytes": len(PNG)}
    named = await http.post("/v1/files?name=x/cat.png", content=PNG)
    assert named.json()["name"] == "cat.png"
    coded = await upload(http, TEXT.encode(), content_disposition="attachment; filename*=UTF-8''gr%C3%B6%C3%9Fe.csv")
    assert coded.items() >= {"name": "größe.csv", "media_type": "text/csv"}.items()
    bare = await upload(http, PNG)
    assert bare["name"] == "file.png"
    form = await http.post("/v1/files", files={"file": ("table.csv", TEXT.encode("cp1252"), "text/plain")})
    assert form.status_code == 200
    assert form.json().items() >= {"name": "table.csv", "media_type": "text/csv", "bytes": 16}.items()
    assert len({one["uri"] for one in (raw, named.json(), coded, bare, form.json())}) == 5


@pytest.mark.server
async def test_what_is_no_file_is_refused_with_a_code(http: httpx2.AsyncClient) -> None:
    unknown = await http.post("/v1/files", content=b"\0\1\2" * 100)
    assert (unknown.status_code, unknown.json()["code"]) == (422, "file_unreadable")
    assert "neither text nor" in unknown.json()["detail"]
    cut = await http.post("/v1/files", content=PNG[:60], headers={"Content-Type": "image/png"})
    assert (cut.status_code, cut.json()["code"]) == (422, "file_unreadable")
    empty = await http.post("/v1/files", content=b"")
    assert (empty.status_code, empty.json()["detail"]) == (422, "The file is empty.")
    none = await http.post("/v1/files", files={"file": (None, b"text")})
    assert (none.status_code, none.json()["errors"][0]["field"]) == (422, "file")
    two = await http.post("/v1/files", files=[("file", ("a.txt", b"a")), ("file", ("b.txt", b"b"))])
    assert (two.status_code, two.json()["errors"][0]["field"]) == (422, "file")
    broken = await http.post("/v1/files", content=b"x", headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert broken.status_code == 400
    assert broken.json()["code"] == "bad_request"
    big = await http.post("/v1/files", content=b"a" * (10 * 1024 * 1024 + 1))
    assert (big.status_code, big.json()["code"]) == (413, "body_too_large")


@pytest.mark.server
async def test_nothing_is_left_of_a_file_that_is_refused(http: httpx2.AsyncClient, dev: Dev) -> None:
    def there() -> set[Path]:
        return {path for path in (dev.data_dir / "blobs" / "uploads").rglob("*") if path.is_file()}

    before = there()
    await http.post("/v1/files", content=b"\0\1\2" * 100)
    assert there() == before
    await upload(http, PNG)
    assert len(there() - before) == 2


@pytest.mark.server
@pytest.mark.parametrize("way", ["upload", "data"])
async def test_a_picture_is_kept_by_the_session_and_shown_from_there(http: httpx2.AsyncClient, way: str) -> None:
    session = await create(http, "sees")
    uri = (await upload(http, PNG, content_disposition="a; filename=cat.png"))["uri"]
    if way == "data":
        uri = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"

    answer = await said(http, session, file_part(uri, name="cat.png"), {"type": "text", "text": "What is this?"})

    assert answer.status_code == 200, answer.text
    part = answer.json()["messages"][0]["parts"][0]
    assert part == {
        "type": "file",
        "uri": part["uri"],
        "media_type": "image/png",
        "name": "cat.png",
        "bytes": len(PNG),
        "width": 40,
        "height": 20,
    }
    tenant, owner, sha256 = part["uri"].split("/")
    assert (tenant, owner) == ("default", session)
    shown = await http.get(f"/v1/sessions/{session}/files/{sha256}")
    assert (shown.content, shown.headers["content-type"]) == (PNG, "image/png")
    assert shown.headers["content-disposition"].startswith("inline")
    named = await http.get(f"/v1/sessions/{session}/files/{sha256}", params={"name": '../größe".png'})
    assert named.headers["content-disposition"].endswith("; filename*=UTF-8''gr%C3%B6%C3%9Fe%22.png")


@pytest.mark.server
async def test_a_page_is_never_shown_as_one(http: httpx2.AsyncClient) -> None:
    session = await create(http, "blind")
    answer = await said(http, session, file_part("data:text/html,<script>alert(1)</script>"))
    part = answer.json()["messages"][0]["parts"][0]
    shown = await http.get(f"/v1/sessions/{session}/files/{part['uri'].rpartition('/')[2]}")
    assert part["media_type"] == "text/html"
    assert shown.headers["content-type"] == "application/octet-stream"
    assert shown.headers["content-disposition"].startswith("attachment")


@pytest.mark.server
async def test_a_model_that_takes_no_such_file_is_named_at_every_door(http: httpx2.AsyncClient) -> None:
    session = await create(http, "blind")
    uri = (await upload(http, PNG))["uri"]
    words = "the model demo/blind takes no image/png; it takes text only"
    data = f"data:;base64,{base64.b64encode(PNG).decode()}"
    for address in (uri, data, "https://pictures.example/cat.png"):
        parts = [{"type": "text", "text": "Look"}, file_part(address, media_type="image/png", name="cat.png")]
        sent = await said(http, session, *parts)
        made = await http.post("/v1/sessions", json={"agent": "blind", "message": {"parts": parts}})
        for answer, field in ((sent, "parts[1]"), (made, "message.parts[1]")):
            assert (answer.status_code, answer.json()["code"]) == (422, "file_not_taken")
            assert answer.json()["errors"] == [{"field": field, "message": words}]
            assert answer.json()["detail"] == f"{field}: {words}"
    assert (await http.get(f"/v1/sessions/{session}")).json()["messages"] == []


@pytest.mark.server
@pytest.mark.parametrize(
    ("uri", "more", "agent", "told"),
    [
        ("data:image/png;base64,bm90YXBuZw==", {}, "blind", "image/png"),
        ("data:audio/wav;base64,UklGRg==", {}, "blind", "audio/wav"),
        ("data:video/mp4;base64,AAAA", {}, "sees", "video/mp4"),
        ("data:;base64,YSB2aWRlbw==", {"media_type": "video/webm", "name": "a.webm"}, "blind", "video/webm"),
        ("data:application/pdf,text", {}, "blind", "application/pdf"),
        # Neither text nor anything known, nothing at all, and no base64.
        ("data:video/mp4;base64,AAAA", {}, "blind", "video/mp4"),
        ("data:IMAGE/PNG;base64,AAAA", {}, "blind", "image/png"),
        ("data:image/png;base64,", {}, "blind", "image/png"),
        ("data:image/jpeg;base64,a*b", {}, "blind", "image/jpeg"),
        # What the bytes say where its sender says nothing.
        ("data:;base64,AAAAIGZ0eXBoZWljAAAAAA==", {}, "blind", "image/heic"),
    ],
)
async def test_a_type_that_the_model_does_not_take_is_refused_whatever_the_bytes_are(
    http: httpx2.AsyncClient, uri: str, more: dict[str, str], agent: str, told: str
) -> None:
    answer = await said(http, await create(http, agent), file_part(uri, **more))
    assert (answer.status_code, answer.json()["code"]) == (422, "file_not_taken")
    assert answer.json()["detail"].startswith(f"parts[0]: the model demo/{agent} takes no {told}; it takes text")


@pytest.mark.server
async def test_text_that_is_called_a_picture_is_unreadable(http: httpx2.AsyncClient) -> None:
    answer = await said(http, await create(http, "sees"), file_part("data:image/png;base64,bm90YXBuZw=="))
    assert (answer.status_code, answer.json()["code"]) == (422, "file_unreadable")
    assert answer.json()["errors"][0]["field"] == "parts[0].uri"
    assert "does not hold image/png: its bytes are text" in answer.json()["detail"]


@pytest.mark.server
async def test_a_video_is_refused_by_a_model_that_takes_pictures(http: httpx2.AsyncClient) -> None:
    session = await create(http, "sees")
    video = (await upload(http, b"\0\0\0\x20ftypisom" + b"\0" * 40))["uri"]
    answer = await said(http, session, file_part(video))
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("parts[0]: the model demo/sees takes no video/mp4; it takes text, ")


@pytest.mark.server
@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("data:image/png;base64,a*b", "base64 cannot be decoded"),
        ("data:image/png;base64", "without a comma"),
        ("data:image/png;base64,AAAA", "does not hold image/png"),
        ("data:,", "is empty"),
        (f"upload:20260101.{'0' * 32}", "is no upload of yours"),
        ("upload:20260101.0", "is neither"),
        ("default/other/" + "0" * 64, "is neither"),
        ("file:///etc/passwd", "is neither"),
    ],
)
async def test_a_wrong_uri_is_refused_with_its_field(http: httpx2.AsyncClient, uri: str, words: str) -> None:
    session = await create(http, "sees")
    answer = await said(http, session, file_part(uri))
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["parts[0].uri"]
    assert words in answer.json()["detail"]


@pytest.mark.server
async def test_the_same_message_again_is_the_same_also_when_its_upload_is_gone(
    http: httpx2.AsyncClient, dev: Dev
) -> None:
    uri = (await upload(http, PNG))["uri"]
    session = await create(http, "sees", message={"message_id": "m1", "parts": [file_part(uri)]})
    parts = [file_part(uri), {"type": "text", "text": "again"}]
    first = await said(http, session, *parts, message_id="m2")
    assert first.status_code == 200, first.text
    for path in (dev.data_dir / "blobs" / "uploads").rglob("*"):
        if path.is_file():
            path.unlink()
    again = await said(http, session, *parts, message_id="m2")
    assert (again.status_code, again.json()["seq"]) == (200, first.json()["seq"])
    other = await said(http, session, file_part(uri), message_id="m3")
    assert other.status_code == 422


@pytest.mark.server
async def test_erasing_a_session_erases_what_its_messages_brought_and_a_fork_keeps_its_own(
    http: httpx2.AsyncClient, dev: Dev
) -> None:
    blobs = dev.data_dir / "blobs"
    kept, given = (await upload(http, PNG))["uri"], (await upload(http, picture("JPEG")))["uri"]
    session = await create(http, "sees")
    done = await said(http, session, file_part(given))
    fork = (await http.post(f"/v1/sessions/{session}/fork", json={"turn_id": "t1"})).json()["session_id"]
    part = (await http.get(f"/v1/sessions/{fork}")).json()["messages"][0]["parts"][0]
    sha256 = done.json()["messages"][0]["parts"][0]["uri"].rpartition("/")[2]
    assert part["uri"] == f"default/{fork}/{sha256}"

    assert (await http.delete(f"/v1/sessions/{session}?erase=true")).status_code in (200, 202)

    assert not (blobs / "default" / session).exists()
    left = [path.name for path in (blobs / "uploads").rglob("*")]
    assert given.rpartition(".")[2] not in left
    assert kept.rpartition(".")[2] in left
    assert (await http.get(f"/v1/sessions/{session}/files/{sha256}")).status_code == 404
    assert (await http.get(f"/v1/sessions/{fork}/files/{sha256}")).content == picture("JPEG")
    assert (await said(http, fork, {"type": "text", "text": "And now?"})).json()["turn"]["reason"] == "done"


async def test_only_the_user_who_gave_it_can_use_an_upload(tmp_path: Path) -> None:
    uploads = Uploads(LocalBlobs(tmp_path), days=2)
    given = await uploads.receive(ANN, stream(PNG[:30], b"", PNG[30:]), "", "")

    assert await uploads.find(ANN, given.uri) == given
    assert await uploads.read(ANN, given) == PNG
    # A program that speaks for all users of its tenant.
    assert await uploads.find(Principal.trusted("acme"), given.uri) == given
    for other in (BOB, Principal("other", "ann", WRITES), Principal.trusted("other")):
        assert await uploads.find(other, given.uri) is None
    for wrong in (f"{given.uri}0", given.uri[:-1], "upload:..", f"upload:20260101.{given.uri[-32:]}"):
        assert await uploads.find(ANN, wrong) is None


async def test_an_upload_expires_some_days_later(tmp_path: Path) -> None:
    now = datetime(2026, 11, 28, 23, 59, tzinfo=UTC)
    clock = [now]
    uploads = Uploads(LocalBlobs(tmp_path), days=2, now=lambda: clock[0])
    given = await uploads.receive(Principal.trusted("acme"), stream(pdf()), "", "a.pdf")
    clock[0] = now + timedelta(days=2)
    assert await uploads.expire() == 0
    assert await uploads.find(Principal.trusted("acme"), given.uri) == given
    clock[0] = now + timedelta(days=3)
    assert await uploads.expire() == 2
    assert await uploads.find(Principal.trusted("acme"), given.uri) is None
    # Also after nobody looked for weeks.
    clock[0] = now
    await uploads.receive(Principal.trusted("acme"), stream(pdf()), "", "a.pdf")
    clock[0] = now + timedelta(days=40)
    assert await uploads.expire() == 2


async def test_a_stream_that_breaks_leaves_nothing(tmp_path: Path) -> None:
    async def breaks() -> AsyncIterator[bytes]:
        yield PNG
        raise ConnectionResetError

    uploads = Uploads(LocalBlobs(tmp_path), days=2)
    with pytest.raises(ConnectionResetError):
        await uploads.receive(Principal.trusted("acme"), breaks(), "", "")
    with pytest.raises(FileUnreadable):
        await uploads.receive(Principal.trusted("acme"), stream(b"\0"), "", "")
    assert [name for _, _, names in os.walk(tmp_path) for name in names] == []


@pytest.mark.server
async def test_a_model_that_sees_describes_a_picture_and_one_that_cannot_is_told_of_it(
    http: httpx2.AsyncClient,
) -> None:
    """Also in the trace, whose request is the one that was sent, without the bytes of the picture."""
    session = await create(http, "sees")
    big = picture("PNG", (400, 300), colour=(210, 20, 20))
    uri = (await upload(http, big, content_disposition="a; filename=cat.png"))["uri"]

    answer = await said(http, session, file_part(uri), {"type": "text", "text": "What is it?"})

    words = answer.json()["messages"][1]["parts"][-1]["text"]
    assert words.startswith("I see “cat.png”, a picture of 400 × 300 pixels, mostly red (image/png, ")
    step = (await http.get(f"/v1/sessions/{session}/trace")).json()["steps"][0]
    assert step["request_matches"] is True
    assert step["request"]["messages"][0]["parts"][0]["data"].endswith("characters of base64)")
    # The text of a file is text for every model.
    blind = await create(http, "blind")
    notes = (await upload(http, b"Buy milk", content_disposition="a; filename=notes.md"))["uri"]
    await said(http, blind, file_part(notes))
    step = (await http.get(f"/v1/sessions/{blind}/trace")).json()["steps"][0]
    assert step["request"]["messages"][0]["parts"] == [
        {"type": "text", "text": "[file notes.md (text/markdown)]\nBuy milk"}
    ]
