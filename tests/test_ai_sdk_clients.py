"""The AI SDK itself, its versions 6 and 7 from npm, against a gateway: what `useChat` does, without the page around it."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.ai_sdk_page import CLIENTS, Chat, opened
from tests.support.ai_sdk_story import shown
from tests.support.dev import Dev
from tests.support.needs import missing

pytestmark = [pytest.mark.server, pytest.mark.slow]

CLERK = """
name: clerk
models: {main: {use: anthropic/claude-haiku-5-5}}
model: main
instructions: Be brief.
tools:
  - calculator: {approval: always}
  - client: {name: pick, description: Picks, input: {type: object}}
"""
SLOW = Reply(text="one two three four five six seven eight nine ten", gap=0.1)
SUM = ("calculator", {"expression": "2+3"})


@pytest.fixture(scope="module")
def definitions() -> dict[str, str]:
    return {"clerk.yaml": CLERK}


@pytest.fixture(params=["ai", "ai7"])
def package(request: pytest.FixtureRequest) -> str:
    """The name under which a version of the AI SDK is installed."""
    if not (CLIENTS / "node_modules" / request.param).is_dir():
        missing("npm's ai (npm install --prefix tests/clients)")
    return str(request.param)


@pytest_asyncio.fixture(loop_scope="session")
async def chat(
    node: str, package: str, dev: Dev, provider: FakeProvider, request: pytest.FixtureRequest
) -> AsyncIterator[Chat]:
    """A chat of the test's own; the provider has nothing scripted."""
    provider.reset()
    async with opened(node, package, dev, f"{request.node.originalname}.{package}") as one:
        yield one


def plain(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What two clients have in common: not how they were told of approvals, nor what a user's client knows of its message."""
    return [shown(message) if message["role"] == "assistant" else message["parts"] for message in messages]


def said(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [
        (message["role"], "".join(part["text"] for part in message["parts"] if part["type"] == "text"))
        for message in messages
    ]


def calls(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [part for part in message["parts"] if part["type"] == "dynamic-tool"]


async def loaded(http: httpx2.AsyncClient, chat: Chat) -> list[dict[str, Any]]:
    answer = await http.get(f"{chat.url}/messages")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


async def test_two_messages(chat: Chat, http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    provider.script(Reply(text="Hello Ann.", reasoning="A greeting"), Reply(text="You are Ann."))
    found = await chat.do("send", text="I am Ann")
    assert (found["status"], found["finished"]) == (
        "ready",
        [{"isAbort": False, "isDisconnect": False, "isError": False, "finishReason": "stop"}],
    )
    assert (
        found["requests"][0].items()
        >= {"status": 200, "type": "text/event-stream; charset=utf-8", "version": "v1"}.items()
    )
    assert found["data"] == ["data-step"]
    messages = await chat.well("send", text="Who am I?")
    assert said(messages) == [
        *(("user", "I am Ann"), ("assistant", "Hello Ann.")),
        *(("user", "Who am I?"), ("assistant", "You are Ann.")),
    ]
    assert [message["id"] for message in messages[1::2]] == ["t1", "t2"]
    assert messages[1]["metadata"]["usage"]["outputTokens"] == 5
    there = await loaded(http, chat)
    assert plain(there) == plain(messages)
    assert [message["id"] for message in there] == [message["id"] for message in messages]
    assert [message["id"] for message in await chat.well("load")] == [message["id"] for message in messages]


async def test_a_drop_in_mid_answer(
    chat: Chat, http: httpx2.AsyncClient, provider: FakeProvider, node: str, package: str, dev: Dev
) -> None:
    provider.script(SLOW)
    await chat.do("send", text="Count", until="two", wait=False)
    dropped = await chat.do("cut")
    assert dropped["finished"] == [
        {"isAbort": False, "isDisconnect": True, "isError": True},
    ]
    before = said(dropped["messages"])[1][1]
    assert before.startswith("one two") and before != SLOW.text
    async with opened(node, package, dev, chat.url.rpartition("/")[2]) as second:
        # Another tab, which has loaded what there was.
        await second.do("load")
        async with asyncio.TaskGroup() as both:
            here = both.create_task(chat.well("resume"))
            there = both.create_task(second.well("resume"))
    assert said(here.result()) == [("user", "Count"), ("assistant", SLOW.text)]
    assert plain(here.result()) == plain(there.result()) == plain(await loaded(http, chat))
    # The last answer is there for whoever asks again.
    assert plain(await chat.well("resume")) == plain(here.result())
    # A page that has only the user's message, and one whose copy was cut.
    for kept in (dropped["messages"][:1], dropped["messages"]):
        await chat.do("load", messages=kept)
        assert plain(await chat.well("resume")) == plain(here.result())


async def test_stopping(chat: Chat, http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    provider.script(SLOW, Reply(text="Yes?"))
    await chat.do("send", text="Count", until="two", wait=False)
    await chat.do("stop", wait=False)
    async with asyncio.timeout(30):
        while (found := await chat.do("look", wait=False))["status"] != "ready":
            pass
    messages = found["messages"]
    assert messages[1]["metadata"]["reason"] == "stopped"
    assert all(part.get("state") != "streaming" for part in messages[1]["parts"])
    assert plain(messages) == plain(await loaded(http, chat))
    assert said(await chat.well("send", text="Are you there?"))[-1] == ("assistant", "Yes?")


async def test_leaving_is_no_stop(chat: Chat, http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    provider.script(SLOW)
    await chat.do("send", text="Count", until="two", wait=False)
    await chat.do("leave")
    assert said(await chat.well("resume"))[-1] == ("assistant", SLOW.text)


async def test_an_approval_after_a_reload(chat: Chat, http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    provider.script(Reply(text="I look.", tools=(SUM, SUM)), Reply(text="It is 5."))
    messages = await chat.well("send", text="2+3?")
    assert messages[1]["metadata"]["reason"] == "waiting"
    assert plain(messages) == plain(await chat.well("load"))
    first, second = calls(messages[1])
    assert (first["state"], first["input"], first["providerExecuted"]) == (
        *("approval-requested", {"expression": "2+3"}, True),
    )
    waits = await chat.well("approve", question=first["approval"]["id"], approved=True)
    assert [call["state"] for call in calls(waits[1])] == ["approval-responded", "approval-requested"]
    messages = await chat.well("approve", question=second["approval"]["id"], approved=False, reason="Once is enough")
    assert [call["state"] for call in calls(messages[1])] == ["output-available", "output-denied"]
    assert said(messages)[1:] == [("assistant", "I look.It is 5.")]
    there = await loaded(http, chat)
    assert plain(there) == plain(messages)
    assert [call["approval"] for call in calls(there[1])] == [
        {"id": first["approval"]["id"], "approved": True},
        {"id": second["approval"]["id"], "approved": False, "reason": "Once is enough"},
    ]
    assert plain(await chat.well("load")) == plain(await chat.well("resume")) == plain(messages)


async def test_a_drop_behind_an_approval(chat: Chat, http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    provider.script(Reply(text="", tools=(SUM,)), SLOW)
    messages = await chat.well("send", text="2+3?")
    question = calls(messages[1])[0]["approval"]["id"]
    await chat.do("approve", question=question, approved=True, until="two", wait=False)
    await chat.do("cut")
    messages = await chat.well("resume")
    assert said(messages)[1:] == [("assistant", SLOW.text)]
    assert plain(messages) == plain(await loaded(http, chat))


async def test_an_approval_that_another_gives(chat: Chat, http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    """Its own user answers later: the answer that counted is told, and all that came of it."""
    provider.script(Reply(text="", tools=(SUM,)), Reply(text="Not done."))
    messages = await chat.well("send", text="2+3?")
    question = calls(messages[1])[0]["approval"]["id"]
    session = chat.url.rpartition("/")[2]
    answer = {"question_id": question, "approved": False}
    assert (await http.post(f"/v1/sessions/{session}/answers", json=answer)).status_code == 202
    messages = await chat.well("approve", question=question, approved=True)
    assert calls(messages[1])[0]["state"] == "output-denied"
    assert said(messages)[1:] == [("assistant", "Not done.")]
    assert plain(messages) == plain(await loaded(http, chat))


async def test_a_tool_of_the_client(chat: Chat, http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    provider.script(Reply(text="", tools=(("pick", {"from": "a"}),)), Reply(text="Tuesday it is."))
    found = await chat.do("send", text="When?")
    assert found["called"] == ["pick"]
    (call,) = calls(found["messages"][1])
    assert (call["state"], call["input"], call["providerExecuted"]) == ("input-available", {"from": "a"}, False)
    messages = await chat.well("output", tool="pick", call=call["toolCallId"], output={"day": "Tuesday"})
    assert (calls(messages[1])[0]["output"], said(messages)[1][1]) == ({"day": "Tuesday"}, "Tuesday it is.")
    assert plain(messages) == plain(await loaded(http, chat))
    again = await chat.do("resume")
    assert (plain(again["messages"]), again["called"]) == (plain(messages), ["pick"])
    assert '{"day": "Tuesday"}' in json.dumps(provider.calls[-1].body).replace('\\"', '"').replace('":"', '": "')


async def test_something_new_goes_before_a_question(
    chat: Chat, http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    provider.script(Reply(text="", tools=(SUM,)), Reply(text="Never mind."))
    await chat.well("send", text="2+3?")
    messages = await chat.well("send", text="Forget it")
    assert said(messages)[-1] == ("assistant", "Never mind.")
    assert calls((await loaded(http, chat))[1])[0]["state"] == "output-denied"


async def test_edits_and_regenerations(chat: Chat, http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    provider.script(*(Reply(text=f"Answer {number}.") for number in range(1, 7)))
    await chat.well("send", text="First")
    messages = await chat.well("send", text="Second")
    again = await chat.well("regenerate")
    assert said(again)[-2:] == [("user", "Second"), ("assistant", "Answer 3.")]
    assert again[2]["id"] == messages[2]["id"]
    for number, text in ((4, "Edited"), (5, "Edited again")):
        edited = await chat.well("send", text=text, messageId=messages[2]["id"])
        assert said(edited)[-2:] == [("user", text), ("assistant", f"Answer {number}.")]
    there = await loaded(http, chat)
    assert [message["id"] for message in there] == [message["id"] for message in edited]
    assert plain(there) == plain(edited)
    first = await chat.well("regenerate", messageId=messages[1]["id"])
    assert said(first) == [("user", "First"), ("assistant", "Answer 6.")]
    assert plain(await loaded(http, chat)) == plain(first)


async def test_an_attempt_that_is_lost_in_mid_answer(
    chat: Chat, http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    """What had come of it cannot be taken back, and is marked."""
    provider.script(Reply(text="one two three four", gap=0.1, fault="rst", fault_after=3), Reply(text="Another."))
    messages = await chat.well("send", text="Count")
    kinds = [part["type"] for part in messages[1]["parts"]]
    assert kinds == ["step-start", "text", "data-retried", "step-start", "text"]
    assert plain(messages) == plain(await loaded(http, chat))
    assert said(await loaded(http, chat))[1] == ("assistant", "Another.")
    assert [part["type"] for part in (await chat.well("resume"))[1]["parts"]] == ["step-start", "text"]


async def test_an_answer_that_fails(chat: Chat, http: httpx2.AsyncClient, provider: FakeProvider) -> None:
    provider.script(Reply(status=401, error="authentication_error", message="bad key"), Reply(text="Now."))
    found = await chat.do("send", text="Hello")
    assert found["status"] == "error"
    assert "key" in found["error"]
    assert (await loaded(http, chat))[1]["metadata"]["reason"] == "failed"
    assert said(await chat.well("regenerate"))[-1] == ("assistant", "Now.")


async def test_everything_is_killed_in_mid_answer(
    chat: Chat, dev: Dev, http: httpx2.AsyncClient, provider: FakeProvider
) -> None:
    """The page that was there finds the answer that was begun anew, and not a word of the one that was lost."""
    provider.script(SLOW, Reply(text="One, two, three."))
    await chat.do("send", text="Count", until="two", wait=False)
    await dev.kill(group=True)
    async with asyncio.timeout(30):
        while (await chat.do("look", wait=False))["status"] != "error":
            pass
    await dev.start()
    messages = await chat.well("resume")
    assert said(messages) == [("user", "Count"), ("assistant", "One, two, three.")]
    assert plain(messages) == plain(await loaded(http, chat))
    assert said(await chat.well("send", text="Thank you"))[-1][0] == "assistant"
