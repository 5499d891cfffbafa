"""A new provider, added by one record in the table of providers: everything else follows from the record.

The record is in a tools file, so that `perdure` as users run it has it in each of its processes.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import genai_prices
import httpx2
import pytest
import pytest_asyncio

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.dev import Dev
from tests.support.session_client import Sessions
from tests.support.span_collector import Collector, serving

pytestmark = [pytest.mark.server, pytest.mark.slow]

MODEL = "mistral-large-latest"
KEY = "one-two-three-4"
ADDED = """
from perdure.workflows.definition.providers.info import Endpoint, ProviderInfo
from perdure.workflows.definition.providers.table import PROVIDERS

ACME = ProviderInfo(
    name="acme",
    display_name="Acme",
    wire="wires.openai_chat",
    sdk="openai",
    endpoint=Endpoint(base_url="{url}", keys=("ACME_CREDENTIAL",)),
    price_list="mistral",
    trace_name="acme.ai",
)
PROVIDERS[ACME.name] = ACME
"""
AGENT = f"""
name: roadrunner
models: {{main: {{use: acme/{MODEL}}}}}
model: main
instructions: Be brief.
limits: {{session: {{cost_usd: 1.0}}}}
"""
#: Another provider's SDK serves the added provider; none of these values may reach Acme.
FOREIGN = {
    "OPENAI_API_KEY": "openai-key-7",
    "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
    "OPENAI_ORG_ID": "org-8",
    "OPENAI_CUSTOM_HEADERS": "X-Custom: custom-9",
}


@dataclass
class Added:
    folder: Path
    dev: Dev
    arguments: list[str]

    async def doctor(self, **environment: str) -> str:
        """The output of `perdure doctor`."""
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).parent / "perdure",
            "doctor",
            *self.arguments,
            cwd=self.folder,
            env={
                "PATH": "",
                "HOME": str(self.folder),
                "TEMPORAL_ADDRESS": f"127.0.0.1:{self.dev.temporal_port}",
                "PERDURE_DATA_DIR": str(self.folder),
                **environment,
            },
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await process.communicate()
        return printed.decode()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def collector() -> Collector:
    return Collector()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def added(
    tmp_path_factory: pytest.TempPathFactory, provider: FakeProvider, collector: Collector
) -> AsyncIterator[Added]:
    folder = tmp_path_factory.mktemp("added")
    (folder / "roadrunner.yaml").write_text(AGENT)
    (folder / "acme.py").write_text(ADDED.format(url=provider.chat_url))
    arguments = ["--agents", str(folder), "--tools", str(folder / "acme.py")]
    async with serving(collector) as url:
        environment = {
            **FOREIGN,
            "ACME_CREDENTIAL": KEY,
            "PERDURE_OTEL": "on",
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        dev = Dev(folder, environment, arguments)
        await dev.start()
        yield Added(folder, dev, arguments)
        await dev.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def sessions(added: Added) -> AsyncIterator[Sessions]:
    async with httpx2.AsyncClient(base_url=added.dev.url, timeout=30) as http:
        yield Sessions(http)


async def test_a_turn_with_its_key_its_price_and_its_spans(
    sessions: Sessions, provider: FakeProvider, collector: Collector
) -> None:
    provider.reset()
    provider.script(Reply(text="Beep beep.", input_tokens=1000, output_tokens=100))
    session = await sessions.create("roadrunner")
    await sessions.ask(session, "hello")
    snapshot = await sessions.snapshot(session)
    (call,) = provider.calls
    assert (call.api, call.headers["authorization"]) == ("chat", f"Bearer {KEY}")
    assert (call.body["model"], call.body["max_tokens"]) == (MODEL, 4096)
    assert not any(value.rpartition(" ")[2] in str(call.headers) for value in FOREIGN.values())
    listed = genai_prices.calc_price(
        genai_prices.Usage(input_tokens=1000, output_tokens=100), MODEL, provider_id="mistral"
    )
    assert snapshot["cost_usd"] == pytest.approx(float(listed.total_price))
    turn, chat = await collector.turn(session, "t1")
    assert (turn.name, chat.name) == ("invoke_agent roadrunner", f"chat {MODEL}")
    assert {span.attributes["gen_ai.provider.name"] for span in (turn, chat)} == {"acme.ai"}


async def test_a_failure_names_it_and_hides_its_key(sessions: Sessions, provider: FakeProvider) -> None:
    provider.reset()
    provider.script(Reply(status=400, message=f"The credential is {KEY}."))
    session = await sessions.create("roadrunner")
    async with sessions.view(session) as viewer:
        await sessions.send(session, "hello")
        await viewer.until("turn.finished")
        (finished,) = [frame.data for frame in viewer.durable if frame.type == "turn.finished"]
    assert finished["error"]["type"] == "model_invalid_request"
    assert finished["error"]["message"] == "Acme refuses the request (400): The credential is [hidden]."


async def test_doctor_knows_its_key_and_its_prices(added: Added) -> None:
    assert f"failed  keys: roadrunner: none for main (acme/{MODEL}); set ACME_CREDENTIAL" in await added.doctor()
    printed = await added.doctor(ACME_CREDENTIAL=KEY)
    assert "ok      keys: roadrunner: there for every model" in printed
    assert "ok      prices: roadrunner: known for every model" in printed
    assert KEY not in printed
