"""Headers and environment of MCP servers as templates over the call, against servers that say what they were sent."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import JsonValue
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from perdure.activities.mcp.calls import McpServers
from perdure.activities.mcp.programs import MOST_IDLE
from perdure.temporal.app.dev_server.server import DevServer
from perdure.temporal.definitions.address_templates import LONGEST, Unfilled, filled
from perdure.temporal.definitions.agent_file import load_agent_file
from perdure.temporal.definitions.allowed import Allowed
from perdure.temporal.definitions.references import MissingVariable
from perdure.temporal.stores.blobs import LocalBlobs
from perdure.workflows.definition.tools import McpAddress
from perdure.workflows.protocol.activities import ToolOutput
from perdure.workflows.vocabulary.tool_context import ToolContext
from tests.support.mcp_raw_http import Answer, RawServer, raw_server
from tests.support.mcp_running import SHELF, program
from tests.support.session_lab import lab_on
from tests.support.tool_lab import MODELS, error, outcome

VARIABLES = {"TOKEN": "t0p{{ user.id }}", "HUSH": "hush"}
ADA = ToolContext(
    tenant="acme",
    user="ada",
    session_id="s1",
    agent="shop",
    turn_id="t1",
    call_id="t1.s1.c1",
    inputs={"customer": "C-1", "odd": "${HUSH} {{ tenant }}", "tenant": "mine"},
    metadata={
        "plan": "pro",
        "beta": True,
        "seats": 3,
        "none": None,
        "many": [1],
        "lines": "a\r\nX-Admin: 1",
        "name": "Łu",
        "items": "two",
    },
    timezone="Europe/Berlin",
)
GOOD = '{"jsonrpc":"2.0","id":{id},"result":{"content":[{"type":"text","text":"fine"}]}}'


def header(text: str, context: ToolContext | None = ADA, **options: Any) -> str | None:
    return filled({"X": text}, VARIABLES, context, **{"header": True} | options).get("X")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ user.id }}", "ada"),
        ("{{ tenant }}/{{ session.id }}/{{ call.id }}", "acme/s1/t1.s1.c1"),
        (
            "{{ call.idempotency_key }} {{ session.agent }} {{ session.timezone }} {{ turn.id }}",
            "acme/s1/t1.s1.c1 shop Europe/Berlin t1",
        ),
        ("{{ inputs.customer }} {{ customer }} {{ inputs.tenant }}", "C-1 C-1 mine"),
        ("{{ metadata.plan }}, {{ metadata.beta }}, {{ metadata.seats }}", "pro, true, 3"),
        ("{% if metadata.plan == 'pro' %}gold{% endif %}", "gold"),
        ("{{ metadata.missing | default('free') }}", "free"),
        ("{{ metadata.name | urlencode }}", "%C5%81u"),
        ("{{ metadata.items }} {{ metadata['items'] }} {{ metadata.get('plan') }}", "two two pro"),
        ("Bearer ${TOKEN}", "Bearer t0p{{ user.id }}"),
        ("Bearer ${TOKEN} {{ user.id }}", "Bearer t0p{{ user.id }} ada"),
        ("{{ inputs.odd }}${HUSH}", "${HUSH} {{ tenant }}hush"),
        ("  {{ user.id }} ", "ada"),
        ("plain", "plain"),
    ],
)
def test_what_is_sent(text: str, value: str) -> None:
    assert header(text) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{{ metadata.missing }}", "X: there is no metadata.missing"),
        ("{{ metadata.none }}", "X: a value in it is null"),
        ("{{ metadata.many }}", "X: a value in it is null, a list or a mapping"),
        ("{{ metadata.lines }}", "X: a value in it has a line break"),
        ("{{ 'a' ~ metadata.lines }}", "X: a value in it has a line break"),
        ("{{ metadata.name }}", "X: a header holds ASCII only; write the value with the filter urlencode"),
        ("{{ 'x' * 9000 }}", f"X: it has more than {LONGEST} characters"),
        ("{{ metadata.seats / 0 }}", "X: it fails with ZeroDivisionError"),
        ("{{ user.id.__class__ }}", "X: "),
    ],
)
def test_what_cannot_be_sent_is_said_without_a_value(text: str, why: str) -> None:
    with pytest.raises(Unfilled) as refused:
        header(text)
    assert str(refused.value).startswith(why)
    assert not any(value in str(refused.value) for value in ("X-Admin", "acme", "pro", "Łu"))


def test_no_user_is_no_text() -> None:
    with pytest.raises(Unfilled, match=r"X: there is no user\.id"):
        header("{{ user.id }}", ToolContext())
    assert header("{{ user.id | default('anonymous') }}", ToolContext()) == "anonymous"


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(MissingVariable, match="UNSET"):
        header("{{ user.id }} ${UNSET}")


def test_without_a_call_only_that_is_sent_which_needs_none() -> None:
    texts = {
        "A": "Bearer ${TOKEN}",
        "B": "{{ user.id }}",
        "C": "{{ metadata.token | default('shared') }}",
        "D": "{% if user.id is defined %}{{ user.id }}{% else %}${HUSH}{% endif %}",
        "E": "{{ tenant }}",
    }
    assert filled(texts, VARIABLES, None, header=True) == {"A": "Bearer t0p{{ user.id }}", "C": "shared", "D": "hush"}
    assert filled({"D": texts["D"]}, VARIABLES, ADA, header=True) == {"D": "ada"}


DEFINITION = """\
name: shop
models: {m: {use: demo/x}}
model: m
instructions: Be brief.
inputs: {customer: {type: string}}
secrets: [TOKEN]
tools:
  - mcp:
      name: stock
      url: http://localhost:9000/mcp
      headers:
        X-User: "{{ user.id }}"
        X-All: "{{ tenant }} {{ session.id }} {{ call.id }} {{ inputs.customer }} {{ customer }} {{ metadata.x }} ${TOKEN}"
        X-Bad: "HEADER"
  - mcp: {command: [python, "WORD"], env: {WHO: "ENV"}}
"""


def problems(folder: Path, header: str = "ok", env: str = "ok", word: str = "x.py") -> tuple[list[str], list[str]]:
    file = folder / "shop.yaml"
    file.write_text(DEFINITION.replace("HEADER", header).replace("ENV", env).replace("WORD", word))
    read = load_agent_file(file, {}, None, Allowed())
    return (
        [f"{one.line} {one.field}: {one.message}" for one in read.problems],
        [f"{one.line} {one.field}: {one.message}" for one in read.warnings],
    )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, []),
        (
            {"header": "{{ usr.id }}"},
            ["14 tools[0].headers.X-Bad: 'usr' is neither an input nor a built-in name; did you mean"],
        ),
        ({"header": "{{ user.id"}, ["14 tools[0].headers.X-Bad: not a valid template"]),
        ({"header": "{{ user.id | shout }}"}, ["14 tools[0].headers.X-Bad: there is no filter named 'shout'"]),
        ({"header": "{{ '${TOKEN}' }}"}, ["14 tools[0].headers.X-Bad: ${TOKEN} counts only outside of {{ }}"]),
        ({"header": "{{ user.id }} ${OTHER}"}, ["14 tools[0].headers.X-Bad: names ${OTHER}; add it to secrets"]),
        ({"env": "{{ perdure_environment }}"}, ["15 tools[1].env.WHO: 'perdure_environment' is neither"]),
        ({"word": "{{ user.id }}"}, ["15 tools[1].command: templates are filled in only in headers and env"]),
    ],
    ids=str,
)
def test_a_template_is_checked_where_it_stands(tmp_path: Path, options: dict[str, str], told: list[str]) -> None:
    found, _ = problems(tmp_path, **options)
    assert len(found) == len(told)
    for problem, start in zip(found, told, strict=True):
        assert problem.startswith(start)


def test_what_is_misread_is_warned_of(tmp_path: Path) -> None:
    _, warned = problems(tmp_path, header="{{ inputs.custmer }} {{ user.name }}")
    assert warned == [
        "14 tools[0].headers.X-Bad: there is no inputs.custmer; did you mean inputs.customer?",
        "14 tools[0].headers.X-Bad: there is no user.name; user has id",
    ]


@pytest_asyncio.fixture
async def servers(tmp_path: Path) -> AsyncIterator[McpServers]:
    made = McpServers(VARIABLES, LocalBlobs(tmp_path / "blobs"), SHELF.by_digest)
    yield made
    await made.aclose()


@pytest_asyncio.fixture
async def raw() -> AsyncIterator[RawServer]:
    async with raw_server() as server:
        server.answer = Answer(GOOD.encode())
        yield server


async def call(
    servers: McpServers, address: McpAddress, tool: str, context: ToolContext, **args: JsonValue
) -> JsonValue:
    request = SHELF.call(address, tool, dict(args)).model_copy(update={"context": context})
    async with asyncio.timeout(60):
        output = await ActivityEnvironment().run(servers.call_mcp_tool, request)
    assert isinstance(output, ToolOutput)
    return output.output


def of_user(user: str | None) -> ToolContext:
    return ToolContext(user=user, session_id="s1", call_id="t1.s1.c1")


async def test_each_call_says_who_it_is_for_and_the_list_does_not(servers: McpServers, raw: RawServer) -> None:
    address = raw.address.model_copy(update={"headers": {"X-User": "{{ user.id }}", "X-Key": "Bearer ${HUSH}"}})
    await call(servers, address, "say", of_user("ada"))
    await call(servers, address, "say", of_user("bob"))
    assert [(method, sent.get("x-user")) for method, sent in raw.sent if method == "tools/call"] == [
        ("tools/call", "ada"),
        ("tools/call", "bob"),
    ]
    assert {sent.get("x-user") for method, sent in raw.sent if method == "tools/list"} == {None}
    assert {sent.get("x-key") for _, sent in raw.sent} == {"Bearer hush"}


async def test_a_call_that_cannot_say_it_is_not_made(servers: McpServers, raw: RawServer) -> None:
    address = raw.address.model_copy(update={"headers": {"X-User": "{{ user.id }}"}})
    with pytest.raises(ApplicationError) as refused:
        await call(servers, address, "say", of_user(None))
    assert (refused.value.type, refused.value.non_retryable) == ("context_unfit", True)
    assert refused.value.message == (
        "shop_say did not run, because shop cannot be told on whose behalf: X-User: there is no user.id."
    )
    assert raw.calls == 0


async def test_a_call_without_a_context_says_nothing_of_anybody(servers: McpServers, raw: RawServer) -> None:
    """As an older session makes it."""
    address = raw.address.model_copy(update={"headers": {"X-User": "{{ user.id | default('nobody') }}"}})
    request = SHELF.call(address, "say")
    await ActivityEnvironment().run(servers.call_mcp_tool, request)
    assert [sent["x-user"] for method, sent in raw.sent if method == "tools/call"] == ["nobody"]


async def test_no_program_serves_two_users(servers: McpServers) -> None:
    address = program("tests.support.mcp_whoami", WHO="{{ user.id }}", TOKEN="${HUSH}")
    ada = await call(servers, address, "whoami", of_user("ada"))
    bob = await call(servers, address, "whoami", of_user("bob"))
    again = await call(servers, address, "whoami", of_user("ada"))
    assert isinstance(ada, dict)
    assert isinstance(bob, dict)
    assert (ada["who"], bob["who"], ada["token"]) == ("ada", "bob", "hush")
    assert ada["pid"] != bob["pid"]
    assert again == ada


async def test_programs_of_many_users_do_not_pile_up(servers: McpServers) -> None:
    address = program("tests.support.mcp_whoami", WHO="{{ user.id }}")
    shared = program("tests.support.mcp_whoami", WHO="all")
    for_all = await call(servers, shared, "whoami", of_user("ada"))
    first = await call(servers, address, "whoami", of_user("u0"))
    for number in range(1, MOST_IDLE + 1):
        await call(servers, address, "whoami", of_user(f"u{number}"))
    assert await call(servers, shared, "whoami", of_user("bob")) == for_all
    assert (await call(servers, address, "whoami", of_user("u0"))) != first


async def test_a_session_tells_the_server_whom_it_works_for(
    temporal_server: DevServer, raw: RawServer, tmp_path: Path
) -> None:
    url = raw.address.url
    agents = {
        "told": f"{MODELS}\ninputs: {{customer: {{type: string}}}}\ntools:\n"
        f"  - mcp: {{name: shop, url: '{url}', headers: {{X-Who: '{{{{ tenant }}}} {{{{ user.id }}}} {{{{ customer }}}} "
        "{{ metadata.plan }} {{ call.idempotency_key }}'}}\n",
        "plain": f"{MODELS}\ntools: [mcp: {{name: shop, url: '{url}'}}]",
    }
    async with lab_on(temporal_server, tmp_path, more_agents=agents) as lab:
        talk = await lab.start("told", user="ada", inputs={"customer": "C-1"}, metadata={"plan": "pro"})
        assert (await outcome(talk, "shop_say", {})).output == "fine"
        nobody = await lab.start("told", inputs={"customer": "C-1"})
        failed = error(await outcome(nobody, "shop_say", {}))
        plain = await lab.start("plain", user="ada")
        await outcome(plain, "shop_say", {})
    called = [sent.get("x-who") for method, sent in raw.sent if method == "tools/call"]
    assert called == [f"lab ada C-1 pro {talk.handle.id}/t1.s1.c1", None]
    assert (failed.type, failed.retryable) == ("context_unfit", False)
    # A server that is told nothing costs the history nothing.
    history = await plain.handle.fetch_history()
    assert b'"context"' not in b"".join(
        payload.data
        for event in history.events
        for payload in event.activity_task_scheduled_event_attributes.input.payloads
        if event.activity_task_scheduled_event_attributes.activity_type.name == "call_mcp_tool"
    )
