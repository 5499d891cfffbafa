"""All that the pictures need: Perdure with a scripted provider, a gateway that asks who calls, one without a worker, and
Chromium."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx2
from playwright.async_api import Browser, BrowserContext, async_playwright

from perdure.gateway.auth.api_keys import new_key
from perdure.gateway.auth.key_file import Keys, changed_keys, read_keys
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.app.fakes.calls import Call
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.temporal.sessions.scopes import OF_A_USER
from tests.support.browsing import QUIET, WAIT_MS
from tests.support.dev import Command, Dev
from tests.support.ports import free_ports

HERE: Final = Path(__file__).parent
#: The pages' clock.
NOW: Final = "2026-03-12T14:30:00Z"
TODAY: Final = "Thursday, 2026-03-12"
CHROMIUM: Final = ("chromium", "chromium-browser", "google-chrome")


@dataclass
class World:
    folder: Path
    provider: FakeProvider
    browser: Browser
    dev: Dev
    http: httpx2.AsyncClient
    #: Base URLs, once they serve: of the gateway that asks who calls, and of the one without a worker.
    guarded: asyncio.Task[str]
    alone: asyncio.Task[str]
    #: Keys for `guarded`: of a user who may do all that users may, and of one who may not read which agents there are.
    key: str
    small_key: str
    #: What the model answers: the replies to a user's message, one for each step of its turn.
    lines: dict[str, tuple[Reply, ...]] = field(default_factory=dict)
    #: Minutes since the first events of sessions.
    ages: dict[str, float] = field(default_factory=dict)
    #: The sessions that the sidebar lists, as the gateway told.
    cast: list[dict[str, Any]] = field(default_factory=list)

    @property
    def agents(self) -> Path:
        return self.folder / "agents"

    def reply(self, call: Call) -> Reply:
        """To the last message of the user that the script knows: the reply for the step that is to come."""
        steps = 0
        for message in reversed(call.body["messages"]):
            if message["role"] == "assistant":
                steps += 1
                continue
            content = message["content"]
            parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
            for part in parts:
                replies = self.lines.get(part.get("text", ""))
                if replies is not None:
                    return replies[min(steps, len(replies) - 1)]
        # What is asked for beside conversations is a summary.
        return Reply(text="The user asked for a story of ships and storms; how they find their way was told.")

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.http.request(method, path, json=body)
        assert answer.is_success, (method, path, answer.text)
        return answer.json() if answer.content else None

    async def plant(self, session: str, agent: str, text: str, *replies: Reply, **more: Any) -> None:
        """A session that begins with this message, to which the model gives `replies`. `more`: `parts`, `inputs`."""
        self.lines[text] = replies
        said = {"parts": more.pop("parts")} if "parts" in more else {"text": text}
        message = {"message_id": f"{session}-1", **said}
        await self.call("POST", "/v1/sessions", {"agent": agent, "session_id": session, "message": message, **more})

    async def send(self, session: str, text: str, *replies: Reply, **more: Any) -> None:
        self.lines[text] = replies
        message_id = f"{session}-{len(self.lines)}"
        await self.call("POST", f"/v1/sessions/{session}/messages", {"message_id": message_id, "text": text, **more})

    async def until(self, session: str, seen: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The session's snapshot, once `seen` is true of it."""
        async with asyncio.timeout(WAIT_MS / 1000):
            while True:
                found = await self.call("GET", f"/v1/sessions/{session}")
                if seen(found):
                    return dict(found)
                await asyncio.sleep(0.05)

    async def rest(self, session: str) -> None:
        """Returns once no turn runs."""
        await self.until(session, lambda found: found["status"] in ("idle", "closed"))

    async def context(self, **settings: Any) -> BrowserContext:
        """A browser of one person, whose clock is the pictures'. `settings` go to `clock.js`."""
        context = await self.browser.new_context(
            locale="en-GB", timezone_id="UTC", reduced_motion="reduce", viewport={"width": 1280, "height": 800}
        )
        context.set_default_timeout(WAIT_MS)
        given = {"now": NOW, "today": TODAY, "ages": self.ages, "cast": self.cast, "waited": 0, **settings}
        clock = (HERE / "clock.js").read_text(encoding="utf-8")
        await context.add_init_script(f"({clock.strip().rstrip(';')})({json.dumps(given)})")
        return context


@asynccontextmanager
async def open_world(folder: Path) -> AsyncIterator[World]:
    """Everything runs; `folder` is empty and takes all data. Nothing outlives it."""
    chromium = next(filter(None, map(shutil.which, CHROMIUM)))
    shutil.copytree(HERE / "agents", folder / "agents")
    (folder / "alone").mkdir()
    shutil.copy(HERE / "tools.py", folder)
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(FakeProvider())
        playwright = await stack.enter_async_context(async_playwright())
        environment = {"ANTHROPIC_BASE_URL": provider.url, "ANTHROPIC_API_KEY": "sk-test-not-a-key"}
        dev = Dev(folder, environment, ["--agents", "agents", "--tools", "tools.py"])
        keys = (_key(folder / "keys.json"), _key(folder / "keys.json", "agents:read"))
        await _run(stack, dev)
        # Pictures are made meanwhile.
        guarded = asyncio.create_task(_guarded(stack, folder, dev))
        alone = asyncio.create_task(_without_worker(stack, folder / "alone"))
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=QUIET, env={**os.environ, "FONTCONFIG_FILE": str(HERE / "fonts.conf")}
        )
        stack.push_async_callback(browser.close)
        http = await stack.enter_async_context(httpx2.AsyncClient(base_url=dev.url, timeout=30))
        world = World(folder, provider, browser, dev, http, guarded, alone, *keys)
        provider.default(world.reply)
        try:
            yield world
        finally:
            # Their processes are known, and so ended, once they have started.
            await asyncio.wait([guarded, alone])


async def _run(stack: AsyncExitStack, command: Command) -> None:
    await command.start(within_s=300)
    # Some of its tools never end, so it is not asked to.
    stack.push_async_callback(command.kill, group=True)


async def _gateway(stack: AsyncExitStack, folder: Path, environment: dict[str, str]) -> str:
    (port,) = free_ports(1)
    await _run(stack, Command(folder, environment, ["gateway", "--port", str(port)]))
    return f"http://127.0.0.1:{port}"


async def _without_worker(stack: AsyncExitStack, folder: Path) -> str:
    (port,) = free_ports(1)
    await stack.enter_async_context(DevServer(folder / "temporal", port, None))
    return await _gateway(
        stack, folder, {"TEMPORAL_ADDRESS": f"127.0.0.1:{port}", "PERDURE_DATA_DIR": str(folder / "data")}
    )


def _key(file: Path, *left_out: str) -> str:
    """A new key of the user `ann`, with all scopes of users but these."""
    scopes = tuple(scope for scope in OF_A_USER if scope not in left_out)
    made = new_key("default", "ann", scopes, datetime.now(UTC), None, "")
    with changed_keys(file) as replace:
        before = read_keys(file) if file.exists() else Keys()
        replace(before.model_copy(update={"keys": (*before.keys, made.kept)}))
    return made.text


async def _guarded(stack: AsyncExitStack, folder: Path, dev: Dev) -> str:
    mine = {
        "TEMPORAL_ADDRESS": f"127.0.0.1:{dev.temporal_port}",
        "PERDURE_DATA_DIR": str(folder),
        "PERDURE_KEYS_FILE": str(folder / "keys.json"),
    }
    return await _gateway(stack, folder, {**dev.environment, **mine})
