"""An app's page on another origin, in real Chromium, with `client.js` of the gateway and a session's token."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from perdure.gateway.app import create_app
from perdure.gateway.auth.authentication import Authentication
from perdure.gateway.auth.key_file import SigningKey
from perdure.gateway.auth.session_tokens import SessionTokens
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.sessions.principal import Principal
from perdure.temporal.sessions.scopes import BROWSER, EVERYTHING
from tests.support.browsing import open_browser
from tests.support.serving import serve
from tests.support.session_lab import PATIENCE_S, Lab, Play, lab_on

pytestmark = [pytest.mark.server, pytest.mark.browser]

SIGNING = SigningKey.new()
#: Sends a message, and waits for the answer in the stream; then asks for what is not the browser's.
SCRIPT = """
async ([gateway, token, session]) => {
  const { PerdureClient } = await import(`${gateway}/client.js`);
  const client = new PerdureClient({ baseUrl: gateway, headers: { Authorization: `Bearer ${token}` } });
  const answered = new Promise((done) => {
    client.watch(session, { onView: (view) => JSON.stringify(view).includes('It is Tuesday.') && done('answered') });
  });
  await client.send(session, { text: 'Which day is it?' });
  const said = await Promise.race([answered, new Promise((done) => setTimeout(() => done('silent'), 20000))]);
  return [said, await client.trace(session).catch((error) => error.code)];
}
"""

#: Follows a session beyond the end of its first token, and talks in it with the next one.
RENEWING = """
async ([gateway, token, session]) => {
  const { PerdureClient } = await import(`${gateway}/client.js`);
  const told = { states: [], answers: new Set(), started: [] };
  const changed = [];
  const until = async (holds) => { while (!holds()) await new Promise((next) => changed.push(next)); };
  const change = () => changed.splice(0).forEach((next) => next());
  let renewals = 0;
  const renew = async () => {
    const next = await window.renewed();
    renewals++;
    change();
    return next;
  };
  const client = new PerdureClient({ baseUrl: gateway, headers: { Authorization: `Bearer ${token}` }, renew });
  const live = client.watch(session, {
    onView: (view, event) => {
      if (event.type === 'turn.started') told.started.push(event.turn_id);
      for (const text of ['One.', 'Two.']) if (JSON.stringify(view).includes(text)) told.answers.add(text);
      change();
    },
    onState: ({ name }) => (told.states.push(name), change()),
  });
  await client.send(session, { text: 'First' });
  await until(() => told.answers.has('One.'));
  await until(() => renewals > 0 && told.states.at(-1) === 'open');
  await client.send(session, { text: 'Second' });
  await until(() => told.answers.has('Two.'));
  const file = await client.upload(new File(['x'], 'a.txt', { type: 'text/plain' }));
  live.close();
  return { started: told.started, failed: told.states.includes('failed'), file: file.media_type, cookies: document.cookie };
}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab(temporal_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with lab_on(temporal_server, tmp_path_factory.mktemp("origins")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def page(chromium: str) -> AsyncIterator[Page]:
    async with open_browser(chromium) as context:
        yield await context.new_page()


async def blank(_request: Request) -> HTMLResponse:
    return HTMLResponse("<!doctype html><title>The app</title>")


@pytest.mark.parametrize("listed", [True, False])
async def test_a_listed_page_talks_to_its_session_and_no_other_page_does(lab: Lab, page: Page, listed: bool) -> None:
    tokens = SessionTokens(lambda: (SIGNING,), lab.parts.blobs)
    lab.stage.plays = [Play("It is Tuesday.")]
    talk = await lab.start("helper", user="ann")
    session = talk.handle.id.partition("/")[2]
    made = tokens.mint(Principal("lab", None, EVERYTHING, actor="key:1"), session, "ann", BROWSER, 300)
    async with serve(Starlette(routes=[Route("/", blank)])) as app_port:
        origins = (f"http://127.0.0.1:{app_port}",) if listed else ()
        gateway = create_app(
            client=lab.client,
            live=lab.live,
            blobs=lab.parts.blobs,
            definitions=lab.parts.definitions,
            settings=lab.parts.settings.model_copy(update={"allowed_origins": origins}),
            authenticate=Authentication(None, None, tokens),
            tokens=tokens,
        )
        async with serve(gateway) as port:
            await page.goto(f"http://127.0.0.1:{app_port}/")
            given = [f"http://127.0.0.1:{port}", made.text, session]
            if listed:
                assert await page.evaluate(SCRIPT, given) == ["answered", "forbidden"]
            else:
                loads = "(from) => import(`${from}/client.js`).then(() => 'loaded', (error) => String(error))"
                assert "Failed to fetch" in await page.evaluate(loads, given[0])
            gateway.state.watches.cut()
    await talk.close()


async def test_a_page_of_another_site_goes_on_with_a_new_token_and_needs_no_cookie(lab: Lab, chromium: str) -> None:
    """The stream is a request like any other, with the header: no ticket in an address, and no cookie of a third party."""
    tokens = SessionTokens(lambda: (SIGNING,), lab.parts.blobs)
    lab.stage.plays = [Play("One."), Play("Two.")]
    talk = await lab.start("slow", user="ann")
    session = talk.handle.id.partition("/")[2]
    backend = Principal("lab", None, EVERYTHING, actor="key:1")
    made = [tokens.mint(backend, session, "ann", BROWSER, 3).text]
    asked: list[str] = []

    async def renewed() -> str:
        made.append(tokens.mint(backend, session, "ann", BROWSER, 300).text)
        return made[-1]

    async with (
        serve(Starlette(routes=[Route("/", blank)])) as app_port,
        open_browser(chromium, "--test-third-party-cookie-phaseout") as context,
    ):
        app = f"http://localhost:{app_port}"
        gateway = create_app(
            client=lab.client,
            live=lab.live,
            blobs=lab.parts.blobs,
            definitions=lab.parts.definitions,
            settings=lab.parts.settings.model_copy(update={"allowed_origins": (app,)}),
            authenticate=Authentication(None, None, tokens),
            tokens=tokens,
        )
        async with serve(gateway) as port:
            page = await context.new_page()
            page.on("request", lambda request: asked.append(request.url))
            await page.expose_function("renewed", renewed)
            await page.goto(f"{app}/")
            async with asyncio.timeout(2 * PATIENCE_S):
                found = await page.evaluate(RENEWING, [f"http://127.0.0.1:{port}", made[0], session])
            gateway.state.watches.cut()
    assert found == {"started": ["t1", "t2"], "failed": False, "file": "text/plain", "cookies": ""}
    # However many requests were refused at the end of the first token, the backend was asked for one other.
    assert len(made) == 2
    assert not [url for url in asked if any(one in url for one in made)]
    await talk.close()
