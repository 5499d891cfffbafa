"""Files on the chat page, in real Chromium: dropped, pasted and chosen; shown, sent, refused in words."""

import asyncio
import base64
from pathlib import Path

import pytest
from playwright.async_api import FilePayload, Page, Route, expect

from tests.support.browsing import say
from tests.support.pictures import picture

pytestmark = [pytest.mark.server, pytest.mark.browser, pytest.mark.slow]

CAT = picture("PNG", (320, 200), colour=(210, 30, 30))
#: Hands the page a file as a person would who drops or pastes it.
GIVE = """
([kind, selector, name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type }));
  const target = document.querySelector(selector);
  const event = kind === 'paste'
    ? new ClipboardEvent('paste', { clipboardData: transfer, bubbles: true, cancelable: true })
    : new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
  target.dispatchEvent(event);
}
"""


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {}


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    return {
        "blind.yaml": "name: blind\ninstructions: Read.\nmodels: {m: {use: demo/blind, files: []}}\nmodel: m\n",
        "sees.yaml": "name: sees\ninstructions: Look.\nmodels: {m: {use: demo/sees}}\nmodel: m\n",
    }


async def give(page: Page, kind: str, name: str = "cat.png", media_type: str = "image/png", data: bytes = CAT) -> None:
    selector = {"paste": "#message", "drop beside the conversation": "body"}.get(kind, "#transcript")
    kind = kind.partition(" ")[0]
    await page.evaluate(GIVE, [kind, selector, name, media_type, base64.b64encode(data).decode()])


async def pick(page: Page, agent: str) -> None:
    await page.get_by_role("radio", name=agent).check()


@pytest.mark.parametrize("kind", ["drop", "drop beside the conversation", "paste"])
async def test_a_picture_is_shown_at_once_and_a_model_that_sees_describes_it(page: Page, kind: str) -> None:
    await pick(page, "sees")
    await give(page, kind)
    waiting = page.locator("#attachments li")
    await expect(waiting).to_contain_text("cat.png")
    await expect(waiting.locator("img")).to_be_visible()
    await say(page, "What is this?")

    await expect(page.locator(".said img")).to_be_visible()
    await expect(page.locator(".answer")).to_contain_text("a picture of 320 × 200 pixels, mostly red")
    await expect(page.locator("#attachments li")).to_have_count(0)
    await page.reload()
    shown = page.locator(".said img")
    await expect(shown).to_have_attribute("alt", "Image cat.png")
    assert "/files/" in (await shown.get_attribute("src") or "")
    assert await shown.evaluate("(one) => one.decode().then(() => one.naturalWidth)") == 320
    await expect(page.locator(".user")).to_contain_text("What is this?")
    await page.locator("#inspector").click()
    await expect(page.locator(".turn > .files img")).to_be_visible()


async def test_a_model_that_cannot_see_refuses_it_in_words_and_the_file_comes_back(page: Page) -> None:
    await pick(page, "blind")
    await give(page, "drop")
    await say(page, "Look")
    failed = page.locator(".pending.failed")
    await expect(failed).to_contain_text("The model demo/blind takes no image/png; it takes text only.")
    await expect(failed.locator("img")).to_be_visible()

    await failed.get_by_role("button", name="Discard").click()

    await expect(page.locator("#attachments li")).to_contain_text("cat.png")
    await expect(page.locator("#message")).to_have_value("Look")


async def test_a_file_is_chosen_by_the_keyboard_and_removed_again(page: Page) -> None:
    # The page has begun once its agents are there; it takes the focus when it does.
    await expect(page.locator("#agent")).to_be_visible()
    async with page.expect_file_chooser() as chosen:
        await page.get_by_role("button", name="Add files").press("Enter")
    file = FilePayload(name="notes.md", mimeType="text/markdown", buffer=b"Buy milk")
    await (await chosen.value).set_files(file)
    await expect(page.locator("#attachments li")).to_contain_text("8 bytes")
    await expect(page.locator("#send")).to_be_enabled()
    await expect(page.locator("#attachments li")).to_have_attribute("data-state", "ready")
    await page.reload()
    await expect(page.locator("#attachments li")).to_contain_text("notes.md")

    await page.get_by_role("button", name="Remove notes.md").click()

    await expect(page.locator("#attachments")).to_be_hidden()
    await expect(page.locator("#send")).to_be_disabled()
    await expect(page.locator("#message")).to_be_focused()


async def test_a_file_alone_is_a_message_and_is_offered_as_a_download(page: Page) -> None:
    await pick(page, "blind")
    await give(page, "drop", "notes.md", "text/markdown", b"Buy milk")
    await expect(page.locator("#attachments li")).to_have_attribute("data-state", "ready")
    await page.locator("#send").click()
    link = page.locator(".said").get_by_role("link", name="notes.md")
    await expect(link).to_be_visible()
    await expect(page.locator(".said .file")).to_contain_text("text/markdown, 8 bytes")
    async with page.expect_download() as download:
        await link.click()
    assert (await download.value).suggested_filename == "notes.md"
    saved = await (await download.value).path()
    assert await asyncio.to_thread(Path(saved).read_bytes) == b"Buy milk"
    await expect(page.locator("#sessions li").first).to_contain_text("notes.md")


async def test_what_is_no_file_says_so_in_place_and_holds_the_message_back(page: Page) -> None:
    await give(page, "drop", "what.bin", "application/octet-stream", b"\0\1\2")
    failed = page.locator("#attachments li[data-state=failed]")
    await expect(failed).to_contain_text("is of no known type")
    await say(page, "Here")
    await expect(page.locator("#notice")).to_contain_text("Remove the files that could not be added")
    await page.get_by_role("button", name="Remove what.bin").click()
    await page.locator("#message").press("Enter")
    await expect(page.locator(".user")).to_contain_text("Here")


async def test_a_message_waits_for_its_file_and_a_broken_upload_can_be_tried_again(page: Page) -> None:
    held: list[Route] = []

    async def hold(route: Route) -> None:
        held.append(route)
        if len(held) == 1:
            await route.abort()

    await page.route("**/v1/files*", hold)
    await pick(page, "sees")
    await give(page, "drop")
    await expect(page.locator("#attachments li")).to_contain_text("The server could not be reached.")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator("#attachments progress")).to_be_visible()
    await say(page, "Well?")
    await expect(page.locator(".said")).to_have_count(0)
    await held[1].continue_()
    await expect(page.locator(".answer")).to_contain_text("mostly red")


async def test_files_over_the_page_show_where_they_would_go(page: Page) -> None:
    await give(page, "dragenter")
    await expect(page.locator("#drop")).to_be_visible()
    await give(page, "dragleave")
    await expect(page.locator("#drop")).to_be_hidden()
