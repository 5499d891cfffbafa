"""The React page of the guide's page on clients: bundled with the real `useChat`, and served from an origin of its own."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from playwright.async_api import BrowserContext, ConsoleMessage, Locator, Page, expect
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from perdure.gateway.guide.pages import FOLDER
from tests.support.ai_sdk_page import CLIENTS
from tests.support.needs import missing
from tests.support.serving import serve

#: The gateway's address in the guide.
_GATEWAY: Final = "https://agents.example.com"
_FILE: Final = re.compile(r"^```jsx\n(// (?P<name>\w+\.jsx)\n.*?)^```$", re.MULTILINE | re.DOTALL)
_HTML: Final = '<!doctype html><meta charset="utf-8"><title>Chat</title><div id="root"></div><script src="{}"></script>'
#: Under which names the packages of a version of `ai` are installed.
_NAMES: Final = {"ai": (), "ai7": ("--alias:ai=ai7", "--alias:@ai-sdk/react=ai-sdk-react7")}
_NEEDED: Final = ("esbuild", "react", "react-dom", "ai", "ai7", "@ai-sdk/react", "ai-sdk-react7")
Tabs = Callable[[str], Awaitable[Page]]

#: Pastes the picture whose data it is given, in Base64, into a text box.
PASTE: Final = """
(box, data) => {
  const clipboardData = new DataTransfer();
  const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
  clipboardData.items.add(new File([bytes], 'cat.gif', { type: 'image/gif' }));
  box.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true }));
}
"""


class Site:
    """A web server with a page for each version of `ai`, at `/ai` and `/ai7`."""

    def __init__(self) -> None:
        self.origin = ""
        self._scripts: dict[str, bytes] = {}

    async def build(self, package: str, gateway: str, folder: Path) -> str:
        """The address of the page for a version of `ai`, whose gateway is at `gateway`."""
        if package not in self._scripts:
            self._scripts[package] = await _bundle(package, gateway, folder)
        return f"{self.origin}/{package}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = Request(scope).url.path.removeprefix("/")
        package, is_script = name.removesuffix(".js"), name.endswith(".js")
        if package not in self._scripts:
            response = Response(status_code=404)
        elif is_script:
            response = Response(self._scripts[package], media_type="text/javascript")
        else:
            response = HTMLResponse(_HTML.format(f"/{package}.js"))
        await response(scope, receive, send)


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    running = Site()
    async with serve(running) as port:
        running.origin = f"http://127.0.0.1:{port}"
        yield running


def sources() -> dict[str, str]:
    """The page's files as the guide has them, by name."""
    return {found["name"]: found[1] for found in _FILE.finditer((FOLDER / "clients.md").read_text(encoding="utf-8"))}


@asynccontextmanager
async def tabs(browser: BrowserContext) -> AsyncIterator[Tabs]:
    """Opens addresses, each in a tab of its own. A script error and what React complains of fail the test."""
    opened: list[Page] = []
    faults: list[str] = []

    def heard(said: ConsoleMessage) -> None:
        # Of requests that fail, the page itself tells.
        if said.type == "error" and "Failed to load resource" not in said.text:
            faults.append(said.text)

    async def open_tab(url: str) -> Page:
        page = await browser.new_page()
        opened.append(page)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", heard)
        await page.goto(url)
        return page

    yield open_tab
    for page in opened:
        await page.close()
    assert faults == []


async def say(page: Page, text: str) -> None:
    await page.get_by_label("Message").fill(text)
    await page.get_by_role("button", name="Send").click()


def texts(page: Page) -> Locator:
    """What the agent has said, and its calls, each on its own."""
    return page.locator(".assistant > p")


def said(page: Page) -> Locator:
    return page.locator(".user > p")


async def rested(page: Page) -> None:
    await expect(page.get_by_role("button", name="Send")).to_be_visible()
    await expect(page.get_by_role("status")).to_be_empty()
    await expect(page.get_by_role("alert")).to_have_count(0)


async def _bundle(package: str, gateway: str, folder: Path) -> bytes:
    modules = CLIENTS / "node_modules"
    if not all((modules / name).is_dir() for name in _NEEDED):
        missing("npm's react, @ai-sdk/react or esbuild (npm install --prefix tests/clients)")
    for name, text in sources().items():
        (folder / name).write_text(text.replace(_GATEWAY, gateway), encoding="utf-8")
    # React as developers have it, which mounts everything twice.
    mode = ("--jsx=automatic", "--jsx-dev", '--define:process.env.NODE_ENV="development"')
    process = await asyncio.create_subprocess_exec(
        *(
            str(modules / "esbuild" / "bin" / "esbuild"),
            str(folder / "main.jsx"),
            "--bundle",
            "--log-level=error",
            *mode,
            *_NAMES[package],
        ),
        cwd=CLIENTS,
        env={**os.environ, "NODE_PATH": str(modules)},
        stdout=asyncio.subprocess.PIPE,
    )
    script, _ = await process.communicate()
    assert process.returncode == 0
    return script
