"""Pages of other sites, in real Chromium, against all of `perdure dev`: they read nothing and change nothing.

A host name that an attacker points at this machine (DNS rebinding) is simulated by Chromium's own resolver rules.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import psutil
import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Error, Page, expect
from temporalio.api.workflowservice.v1 import DescribeActivityExecutionRequest, DescribeBatchOperationRequest
from temporalio.client import Client
from temporalio.service import RPCError

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from perdure.temporal.telemetry.hidden_address import BLOCKED_PORTS, hidden_address
from tests.support.browsing import WAIT_MS, open_browser
from tests.support.dev import Dev
from tests.support.foreign_pages import Site, attack, on_gateway, on_temporal, site
from tests.support.session_client import Sessions

pytestmark = [pytest.mark.server, pytest.mark.browser, pytest.mark.slow]

EVIL: Final = "evil.example"
SECRET: Final = "the code of the safe is 4711"
AGENT = """
name: desk
models: {main: {use: anthropic/claude-sonnet-5-5}}
model: main
instructions: Help.
tools: [calculator: {approval: always}]
"""


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    return {"desk.yaml": AGENT}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[BrowserContext]:
    expect.set_options(timeout=WAIT_MS)
    async with open_browser(chromium, f"--host-resolver-rules=MAP {EVIL} 127.0.0.1") as context:
        yield context


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: BrowserContext) -> AsyncIterator[Page]:
    opened = await browser.new_page()
    yield opened
    await opened.close()


@pytest_asyncio.fixture(loop_scope="session")
async def evil_site() -> AsyncIterator[Site]:
    async with site() as running:
        yield running


@dataclass
class Victim:
    """A session that waits for a person's approval, and every address by which a page might reach it."""

    dev: Dev
    http: httpx2.AsyncClient
    client: Client
    session: str
    question: str
    #: Ports of the gateway, the Web UI, and Temporal's HTTP API.
    ports: tuple[int, int, int]
    marker: Path
    before: dict[str, Any]

    def tries(self, host: str, port: int) -> list[tuple[str, str, Any]]:
        url = f"http://{host}:{port}"
        if port == self.dev.port:
            return on_gateway(url, self.session, self.question)
        return on_temporal(url, f"default/{self.session}", self.question, ["touch", str(self.marker)])

    async def is_untouched(self) -> None:
        answer = await self.http.get(f"/v1/sessions/{self.session}")
        assert answer.json() == self.before
        assert (await self.http.get("/v1/sessions/evil")).status_code == 404
        service = self.client.workflow_service
        with pytest.raises(RPCError, match="not found"):
            await self.client.get_workflow_handle("evil").describe()
        activity = DescribeActivityExecutionRequest(namespace="default", activity_id="evil")
        with pytest.raises(RPCError, match="not found"):
            await service.describe_activity_execution(activity)
        batch = DescribeBatchOperationRequest(namespace="default", job_id="evil-batch")
        with pytest.raises(RPCError, match="not found"):
            await service.describe_batch_operation(batch)
        assert not self.marker.exists()


@pytest_asyncio.fixture(loop_scope="session")
async def victim(dev: Dev, http: httpx2.AsyncClient, provider: FakeProvider, tmp_path: Path) -> Victim:
    provider.reset()
    provider.script(Reply(text="", tools=(("calculator", {"expression": "6*7"}),)))
    sessions = Sessions(http)
    session = await sessions.create("desk", message=SECRET)
    async with sessions.view(session) as viewer:
        await viewer.until("approval.requested")
    before = await sessions.snapshot(session)
    assert before["status"] == "waiting"
    return Victim(
        dev,
        http,
        await Client.connect(f"127.0.0.1:{dev.temporal_port}"),
        session,
        before["questions"][0]["question_id"],
        (dev.port, dev.ui_port, await http_api_port(dev)),
        tmp_path / "touched",
        before,
    )


def temporal_child(dev: Dev) -> psutil.Process:
    (server,) = [one for one in psutil.Process(dev.pid).children() if "start-dev" in one.cmdline()]
    return server


async def http_api_port(dev: Dev) -> int:
    async with httpx2.AsyncClient(timeout=10) as client:
        for one in temporal_child(dev).net_connections("tcp4"):
            if one.status == "LISTEN" and one.laddr.ip == "127.0.0.1" and one.laddr.port != dev.ui_port:
                try:
                    answer = await client.get(f"http://127.0.0.1:{one.laddr.port}/api/v1/namespaces")
                except httpx2.TransportError:
                    continue
                if answer.text.startswith("{"):
                    return int(one.laddr.port)
    raise AssertionError("Temporal's HTTP API was not found")


@pytest.mark.parametrize("origin", ["http://127.0.0.1:{}/", f"http://{EVIL}:{{}}/", "data:text/html,<body>"])
async def test_a_page_of_another_origin_reads_and_changes_nothing(
    page: Page, victim: Victim, evil_site: Site, origin: str
) -> None:
    await page.goto(origin.format(evil_site.port))
    tries = [one for port in victim.ports for host in ("127.0.0.1", "localhost") for one in victim.tries(host, port)]
    assert await attack(page, tries) == []
    await victim.is_untouched()


async def test_what_such_a_page_tries_does_reach_a_server(page: Page, victim: Victim, evil_site: Site) -> None:
    """Otherwise the test above would prove nothing."""
    await page.goto(f"http://{EVIL}:{evil_site.port}/")
    async with site() as other:
        tries = on_gateway(f"http://127.0.0.1:{other.port}", victim.session, victim.question)
        assert await attack(page, tries) == []
    stops = [kind for method, path, kind, _ in other.asked if method == "POST" and path.endswith("/stop")]
    assert {None, "text/plain", "application/x-www-form-urlencoded"} <= set(stops)
    answers = [kind for method, path, kind, body in other.asked if path.endswith("/answers") and b"approved" in body]
    assert answers.count("text/plain") >= 2
    assert "text/plain;charset=UTF-8" in answers
    assert [path for method, path, *_ in other.asked if method == "GET"].count("/v1/sessions") == 5


@pytest.mark.parametrize("place", [0, 1, 2], ids=["gateway", "web_ui", "http_api"])
async def test_a_name_that_a_stranger_points_here_leads_nowhere(page: Page, victim: Victim, place: int) -> None:
    port = victim.ports[place]
    opened = await page.goto(f"http://{EVIL}:{port}/")
    assert opened is not None
    answers = await attack(page, victim.tries(EVIL, port))
    assert answers, "the page could not even ask"
    for answer in answers:
        assert answer["status"] in (0, 403, 404, 421), answer
        assert not any(word in answer["text"] for word in (SECRET, "executions", victim.session)), answer
    await victim.is_untouched()


async def test_no_browser_connects_to_where_the_web_ui_hides(page: Page, victim: Victim, evil_site: Site) -> None:
    command = temporal_child(victim.dev).cmdline()
    address, port = (command[command.index(flag) + 1] for flag in ("--ui-ip", "--ui-port"))
    async with httpx2.AsyncClient() as client:
        assert "<html" in (await client.get(f"http://{address}:{port}/")).text
    assert int(port) in BLOCKED_PORTS
    await page.goto(f"http://{EVIL}:{evil_site.port}/")
    tries = on_temporal(f"http://{address}:{port}", f"default/{victim.session}", victim.question, ["true"])
    assert await attack(page, tries) == []
    await victim.is_untouched()
    for blocked in BLOCKED_PORTS:
        for host in (EVIL, address):
            with pytest.raises(Error, match="ERR_UNSAFE_PORT"):
                await page.goto(f"http://{host}:{blocked}/")


async def test_nothing_even_arrives_at_such_a_port(page: Page, evil_site: Site) -> None:
    hidden = hidden_address()
    assert hidden is not None
    arrived: list[str] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.append("something")
        writer.close()

    async with await asyncio.start_server(accept, *hidden):
        await page.goto(f"http://{EVIL}:{evil_site.port}/")
        await attack(page, on_temporal(f"http://{hidden.ip}:{hidden.port}", "x", "x", ["true"]))
        assert arrived == []
        _, writer = await asyncio.open_connection(*hidden)
        writer.close()


async def test_a_link_on_another_site_opens_our_pages(page: Page, victim: Victim, evil_site: Site) -> None:
    dev = victim.dev
    for url, text in (
        (f"{dev.url}/sessions/{victim.session}", SECRET),
        (f"{dev.url}/chat/{victim.session}", SECRET),
        (f"{dev.url}/docs", "foreign_origin"),
        (f"http://localhost:{dev.ui_port}/namespaces/default/workflows", "Workflows"),
    ):
        await page.goto(f"http://{EVIL}:{evil_site.port}/")
        await page.evaluate(
            "url => document.body.append(Object.assign(document.createElement('a'), {href: url, text: 'go'}))", url
        )
        await page.get_by_text("go").click()
        await expect(page.locator("body")).to_contain_text(text)


async def test_people_use_the_pages_and_the_web_ui_as_ever(
    page: Page, browser: BrowserContext, victim: Victim, provider: FakeProvider
) -> None:
    """From the inspector to the session's history in the Web UI, a signal sent there by hand, and an approval."""
    dev = victim.dev
    failed: list[str] = []
    browser.on("response", lambda answer: failed.append(answer.url) if answer.status >= 400 else None)
    await page.goto(f"{dev.url}/sessions/{victim.session}")
    async with browser.expect_page() as opening:
        await page.locator("#temporal").click()
    ui = await opening.value
    await expect(ui.locator("body")).to_contain_text(f"default/{victim.session}")
    await ui.get_by_text("Event History").first.click()
    await expect(ui.locator("body")).to_contain_text("Workflow Execution Started")
    await ui.get_by_role("link", name="Workflows", exact=True).first.click()
    await expect(ui.locator("table")).to_contain_text(f"default/{victim.session}")
    await ui.close()

    provider.script(Reply(text="It is 42."))
    await page.goto(f"{dev.url}/chat/{victim.session}")
    await page.get_by_role("button", name="Approve", exact=True).click()
    await expect(page.locator(".answer", has_text="It is 42.")).to_be_visible()
    assert failed == []
