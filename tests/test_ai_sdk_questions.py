"""What turns tell clients of the AI SDK beside an answer: questions, budgets, sub-agents, and messages that join."""

import asyncio
from typing import Any

import httpx2
import pytest

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.ai_sdk_chat import chunks, messages, post, text, user
from tests.support.session_client import Sessions

pytestmark = [pytest.mark.server, pytest.mark.slow]

AGENTS = {
    "greeter": "inputs: {who: {type: string}}\ninstructions: Greet {{ who }}.",
    "asker": "instructions: Ask.\nhandlers:\n  message:\n"
    "    - ask: {prompt: 'Shall I?', form: {type: object, properties: {ok: {type: boolean}}}, into: told}\n"
    "    - say: 'You said {{ told.ok }}.'",
    "poor": "instructions: Be cheap.\nlimits: {turn: {tokens: 40}, on_limit: ask}\ntools: [calculator]",
    "boss": "instructions: Delegate.\n"
    "tools: [agent: {name: greeter, description: Greets}, agent: {name: buyer, description: Buys}, todo]",
    "buyer": "instructions: Buy.\ntools: [calculator: {approval: always}]",
}
HEAD = "models: {main: {use: anthropic/claude-haiku-5-5}}\nmodel: main\n"


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    return {f"{name}.yaml": f"name: {name}\n{HEAD}{text}\n" for name, text in AGENTS.items()}


async def test_a_message_joins_a_turn(http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    """The answer so far is over then, and the rest of the turn answers the message that has joined."""
    provider.reset()
    provider.script(
        Reply(text="I look. " * 8, tools=(("calculator", {"expression": "2+3"}),), gap=0.05), Reply(text="Five, Ann.")
    )
    running = asyncio.create_task(post(http, id="joins", message=user("2+3?")))
    await provider.until(lambda calls: bool(calls) and len(calls[-1].tokens) >= 2)
    joining = await post(http, id="joins", message=user("I am Ann", "u2"), busy="steer")
    first, second = chunks(await running), chunks(joining)
    assert (first[0]["messageId"], first[-1]["messageMetadata"]) == ("t1", {"reason": "joined"})
    assert (second[0]["messageId"], text(second)) == ("t1.u2", "Five, Ann.")
    replayed = chunks(await http.get("/v1/ai-sdk/assistant/joins/stream"))
    assert (replayed[0]["messageId"], text(replayed)) == ("t1.u2", "Five, Ann.")
    assert [message["id"] for message in await messages(http, "joins")] == ["u1", "t1", "u2", "t1.u2"]
    provider.script(Reply(text="Hello Ann."))
    again = chunks(
        await post(http, id="joins", messages=[user("2+3?")], trigger="regenerate-message", messageId="t1.u2")
    )
    assert text(again) == "Hello Ann."
    assert [message["id"] for message in await messages(http, "joins")] == ["u1", "t1", "u2", "t2"]


async def test_what_a_handler_asks(http: httpx2.AsyncClient) -> None:
    made = chunks(await post(http, "asker", id="asked", message=user("Go")))
    asked = next(chunk["data"] for chunk in made if chunk["type"] == "data-question")
    assert (asked["subject"], asked["prompt"], asked["state"]) == ("handler", "Shall I?", "open")
    assert made[-1]["messageMetadata"]["reason"] == "parked"
    await Sessions(http).answer("asked", asked["question_id"], result={"ok": True})
    async with asyncio.timeout(30):
        while len(found := await messages(http, "asked", "asker")) < 3 or found[-1]["metadata"].get("reason") != "done":
            pass
    assert [message["id"] for message in found] == ["u1", "t1", "t2"]
    assert found[1]["parts"][-1]["data"]["state"] == "answered"
    assert text(chunks(await http.get("/v1/ai-sdk/asker/asked/stream"))) == "You said True."
    # A turn without a message of its own is given again by itself: the handler asks anew.
    body = {"messages": found[:1], "trigger": "regenerate-message", "messageId": "t2"}
    again = chunks(await post(http, "asker", id="asked", **body))
    assert [chunk["id"] for chunk in again if chunk["type"] == "data-question"] == ["t3.ask"]


async def test_a_budget_that_ends(http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    provider.reset()
    call = Reply(text="", tools=(("calculator", {"expression": "2+3"}),), input_tokens=30, output_tokens=30)
    provider.script(call, Reply(text="Five."))
    made = chunks(await post(http, "poor", id="poor", message=user("2+3?")))
    assert made[-1]["finishReason"] == "other"
    asked = next(chunk["data"] for chunk in made if chunk["type"] == "data-question")
    assert (asked["kind"], asked["budget"]["limit"]) == ("budget", "tokens")
    await Sessions(http).answer("poor", asked["question_id"], approved=True)
    replayed = chunks(await http.get("/v1/ai-sdk/poor/poor/stream"))
    assert text(replayed) == "Five."
    assert [chunk["data"]["state"] for chunk in replayed if chunk["type"] == "data-question"] == ["open", "answered"]
    # Nobody asks the client to go on: there is nothing to answer, and nothing new.
    last = (await messages(http, "poor", "poor"))[-1]
    assert [chunk["type"] for chunk in chunks(await post(http, "poor", id="poor", messages=[last]))] == [
        "start",
        "finish",
    ]


async def test_a_sub_agent_and_a_list(http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    provider.reset()
    todo = ("todo", {"items": [{"text": "Greet", "status": "doing"}]})
    provider.script(
        Reply(text="", tools=(("greeter", {"message": "Go", "who": "Ann"}), todo)),
        Reply(text="Hello Ann.", gap=0.05),
        Reply(text="Done."),
    )
    made = chunks(await post(http, "boss", id="boss", message=user("Greet Ann")))
    agent = next(chunk["data"] for chunk in made if chunk["type"] == "data-agent")
    assert agent == {"call_id": "t1.s1.c1", "name": "greeter", "session_id": "boss~t1.s1.c1"}
    nested = [chunk for chunk in made if chunk["type"] == "data-agent-event"]
    assert nested
    assert all(chunk["transient"] for chunk in nested)
    listed = next(chunk["data"] for chunk in made if chunk["type"] == "data-todo")
    assert [(item["text"], item["status"]) for item in listed["items"]] == [("Greet", "doing")]
    parts = (await messages(http, "boss", "boss"))[1]["parts"]
    assert [part["type"] for part in parts] == [
        *("step-start", "dynamic-tool", "dynamic-tool", "data-todo", "data-agent", "step-start", "text"),
    ]


async def test_what_a_sub_agent_asks(http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    """It is told while the call runs, also to a page that is loaded then, and answered in the sub-agent's session."""
    provider.reset()
    provider.script(
        Reply(text="", tools=(("buyer", {"message": "Buy"}),)),
        Reply(text="", tools=(("calculator", {"expression": "2+3"}),)),
        Reply(text="Bought."),
        Reply(text="Done."),
    )
    running = asyncio.create_task(post(http, "boss", id="buys", message=user("Buy it")))
    async with asyncio.timeout(30):
        while not (asked := [part for part in await _parts(http, "buys") if part["type"] == "data-question"]):
            pass
    (question,) = [part["data"] for part in asked]
    assert (question["kind"], question["session_id"], question["state"]) == ("approval", "buys~t1.s1.c1", "open")
    await Sessions(http).answer(question["session_id"], question["question_id"], approved=True)
    made = chunks(await running)
    told = [chunk for chunk in made if chunk["type"] == "data-question"]
    assert {chunk["id"] for chunk in told} == {asked[0]["id"]}
    assert [told[0]["data"]["state"], told[-1]["data"]["state"]] == ["open", "answered"]
    assert text(made) == "Done."


async def _parts(http: httpx2.AsyncClient, chat: str) -> list[dict[str, Any]]:
    return [part for message in await messages(http, chat, "boss") for part in message["parts"]]


async def test_an_answer_that_another_message_has_ended(http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    """Its questions are settled, and whoever answers them then is told no more of it."""
    provider.reset()
    provider.script(Reply(text="", tools=(("calculator", {"expression": "2+3"}),)), Reply(text="Fine."))
    chunks(await post(http, "buyer", id="ended", message=user("Buy")))
    asked = (await messages(http, "ended", "buyer"))[1]
    chunks(await post(http, "buyer", id="ended", message=user("Wait", "u2"), busy="steer"))
    there = await messages(http, "ended", "buyer")
    call = asked["parts"][1]
    call |= {"state": "approval-responded", "approval": {**call["approval"], "approved": True}}
    made = chunks(await post(http, "buyer", id="ended", messages=[*there[:1], asked, *there[2:]], messageId="t1"))
    assert (made[0]["type"], made[0]["messageId"], made[-1]["type"]) == ("start", "t1", "finish")
    assert there[1]["parts"][1]["state"] == "output-denied"
    assert await messages(http, "ended", "buyer") == there
