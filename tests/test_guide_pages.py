"""The guide as a gateway serves it: its requests work, and its pages fit a phone and load nothing from other hosts."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from perdure.gateway.guide.pages import PAGES
from perdure.temporal.app.fakes.provider import FakeProvider
from tests.support.browsing import open_browser
from tests.support.dev import Dev
from tests.support.guide_examples import commands
from tests.support.openapi_check import Checked
from tests.support.session_client import PATIENCE_S, frames_of

pytestmark = pytest.mark.server

ADDRESSES = [*(page.address for page in PAGES), "/docs"]


def request_of(words: list[str]) -> dict[str, Any]:
    """The request that `curl` sends for these words."""
    request: dict[str, Any] = {"method": "GET", "headers": {}}
    rest: Iterator[str] = iter(words)
    for word in rest:
        match word:
            case "-X":
                request["method"] = next(rest)
            case "-H":
                name, _, value = next(rest).partition(": ")
                request["headers"][name] = value
            case "-d" | "--data-binary":
                request["content"] = next(rest)
            case "-N":
                pass
            case _:
                assert word.startswith("localhost:8000/"), word
                url = urlsplit(f"http://{word}")
                request["url"] = f"{url.path}?{url.query}" if url.query else url.path
    return request


async def test_every_curl_of_the_guide_does_what_it_says(dev: Dev, provider: FakeProvider) -> None:
    async with httpx2.AsyncClient(base_url=dev.url, timeout=PATIENCE_S) as http:
        checked = Checked((await http.get("/openapi.json")).json())
        seen = 0
        for place, words in commands("curl"):
            async with http.stream(**request_of(words)) as answer:
                assert answer.is_success, (place, words, await answer.aread())
                seen += 1
                if answer.headers["content-type"].startswith("text/event-stream"):
                    async for frame in frames_of(answer):
                        checked.frame(frame)
                        if frame.type in ("turn.finished", "session.closed"):
                            break
                    continue
                await answer.aread()
                await checked.response(answer)
        assert seen == len(commands("curl"))
    assert provider.calls


@pytest.mark.parametrize("address", ADDRESSES)
async def test_pages_are_served_as_the_others_are(http: httpx2.AsyncClient, address: str) -> None:
    answer = await http.get(address)
    chat = await http.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    for name in ("content-security-policy", "cache-control", "x-content-type-options", "referrer-policy"):
        assert answer.headers[name] == chat.headers[name]
    for words in ('src="http', 'href="http', "@import", "cdn."):
        assert words not in answer.text


async def test_an_unknown_page_is_not_there(http: httpx2.AsyncClient) -> None:
    for path in ("/guide/nothing", "/guide/page.html", "/guide/start.md", "/guide/"):
        answer = await http.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
async def test_pages_fit_their_screen_and_break_no_rule_of_their_policy(dev: Dev, chromium: str, width: int) -> None:
    async with open_browser(chromium) as browser:
        page = await browser.new_page()
        await page.set_viewport_size({"width": width, "height": 800})
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("requestfailed", lambda request: said.append(request.url))
        for address in ADDRESSES:
            await page.goto(f"{dev.url}{address}")
            spare = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert (address, spare) == (address, 0)
            assert await page.locator("nav[aria-label='Pages of the guide']:visible").count() == (width > 820)
            assert await page.evaluate("getComputedStyle(document.querySelector('.guide .topbar')).display") == "flex"
        assert said == []


@pytest.mark.browser
async def test_a_problem_leads_to_its_description(dev: Dev, http: httpx2.AsyncClient, chromium: str) -> None:
    problem = (await http.get("/v1/sessions/nobody")).json()
    async with open_browser(chromium) as browser:
        page = await browser.new_page()
        await page.goto(f"{dev.url}{problem['type']}")
        assert await page.locator(":target").inner_text() == "session_not_found #"
