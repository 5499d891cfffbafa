"""Problems in agent files, as `GET /v1/agents` and the chat page show them, live in both directions."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.support.browsing import WAIT_MS, open_browser
from tests.support.dev import Dev

pytestmark = [pytest.mark.server, pytest.mark.browser, pytest.mark.slow]

GOOD = "name: parcels\nmodels: {m: {use: demo/x}}\nmodel: m\ninstructions: x\ninputs: {customer: {type: string}}\n"
FAULTY = GOOD.replace("model: m", "modell: m") + "tools: [calculater]\n" + "".join(f"x{n}: 1\n" for n in range(40))


@pytest.fixture(scope="module")
def agents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project") / "agents"
    folder.mkdir()
    (folder / "parcels.yaml").write_text(FAULTY)
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def dev(agents: Path) -> AsyncIterator[Dev]:
    running = Dev(agents.parent, {}, [])
    await running.start()
    yield running
    await running.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def page(chromium: str, dev: Dev) -> AsyncIterator[Page]:
    expect.set_options(timeout=WAIT_MS)
    async with open_browser(chromium) as context:
        opened = await context.new_page()
        errors: list[str] = []
        opened.on("pageerror", lambda error: errors.append(str(error)))
        await opened.goto(f"{dev.url}/")
        yield opened
        assert errors == []


async def test_a_refused_definition_is_shown_until_it_is_mended(
    page: Page, http: httpx2.AsyncClient, dev: Dev, agents: Path
) -> None:
    (agents / "parcels.yaml").write_text(FAULTY)
    file = str(Path("agents") / "parcels.yaml")
    answer = (await http.get("/v1/agents")).json()
    assert [agent["name"] for agent in answer["agents"]] == ["assistant", "concierge", "support", "triage"]
    assert answer["problems"][:2] == [
        {
            "file": file,
            "line": 3,
            "column": 1,
            "field": "modell",
            "message": "there is no such field; did you mean 'model'?",
            "serving": None,
        },
        {
            "file": file,
            "line": 6,
            "column": 9,
            "field": "tools[0]",
            "message": "no worker tool is named 'calculater'; did you mean 'calculator'?",
            "serving": None,
        },
    ]
    refused = page.get_by_role("status", name="Refused agents")
    await expect(refused).to_contain_text(file)
    # However many problems there are, a new chat begins at its top.
    await expect(page.get_by_role("heading", name="Start a conversation")).to_be_in_viewport()
    await expect(page.get_by_role("button", name="Jump to the latest")).to_be_hidden()
    await expect(refused).to_contain_text("3:1 modell there is no such field; did you mean 'model'?")
    await expect(refused).to_contain_text("6:9 tools[0] no worker tool is named 'calculater'")
    await page.get_by_role("textbox", name="Message").fill("not sent yet")

    (agents / "parcels.yaml").write_text(GOOD)
    await expect(refused).to_be_hidden()
    await page.get_by_role("radio", name="parcels").check()
    await page.get_by_label("customer").fill("Ada")
    await expect(page.get_by_role("textbox", name="Message")).to_have_value("not sent yet")

    (agents / "parcels.yaml").write_text(GOOD + "colour: red\n")
    await expect(refused).to_contain_text("6:1 colour there is no such field")
    await expect(refused).to_contain_text("parcels answers as it was before.")
    await expect(page.get_by_label("customer")).to_have_value("Ada")

    (agents / "parcels.yaml").write_text(GOOD.replace("instructions: x", "instructions: y"))
    await expect(refused).to_be_hidden()
    await expect(page.get_by_role("radio", name="parcels")).to_be_checked()
    await expect(page.get_by_label("customer")).to_have_value("Ada")


async def test_a_session_is_not_disturbed(page: Page, agents: Path) -> None:
    (agents / "parcels.yaml").write_text(FAULTY)
    await expect(page.get_by_role("status", name="Refused agents")).to_be_visible()
    await page.get_by_role("textbox", name="Message").fill("hello")
    await page.keyboard.press("Enter")
    await expect(page.locator(".answer")).not_to_be_empty()
    await expect(page.get_by_role("status", name="Refused agents")).to_be_hidden()
