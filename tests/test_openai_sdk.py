"""OpenAI's own Python SDK as a client of the gateway: responses that outlast it, resume, and are answered."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import openai
import pytest
import pytest_asyncio
from openai import AsyncOpenAI
from openai.types.responses import Response
from pydantic import BaseModel

from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Reply
from tests.support.dev import Dev
from tests.support.session_client import PATIENCE_S

pytestmark = pytest.mark.server

_HEAD = """
models:
  main: {use: anthropic/claude-haiku-5-5}
model: main
instructions: Be brief.
"""
CLERK = f"""
name: clerk
{_HEAD}
tools:
  - pay: {{approval: always}}
  - find
  - client: {{name: pick, description: Picks a colour, output: {{type: object}}}}
  - ask_user
"""
JUDGE = f"""
name: judge
{_HEAD}
answer: {{schema: {{type: object, properties: {{verdict: {{type: string}}}}, required: [verdict]}}}}
"""
TOOLS = '''
from temporalio import activity

@activity.defn
async def pay(sum: int) -> str:
    """Pays."""
    return f"paid {sum}"

@activity.defn
async def find(id: int) -> dict:
    """Finds."""
    return {"id": id}
'''
LONG = Reply(text=" ".join(f"word{n}" for n in range(60)), gap=0.02)
STALL = Reply(text="one two three four", fault="stall")


#: Agents on other wires than the clerk's.
OTHERS = {"chatty": "openai-chat/gpt-4o", "talker": "openai/gpt-6.1-terra"}


@pytest.fixture(scope="module")
def environment(provider: FakeProvider) -> dict[str, str]:
    keys = {"ANTHROPIC_API_KEY": "sk-test-not-a-key", "OPENAI_API_KEY": "sk-test-not-a-key"}
    return {"ANTHROPIC_BASE_URL": provider.url, "OPENAI_BASE_URL": provider.chat_url, **keys}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def dev(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> AsyncIterator[Dev]:
    folder = tmp_path_factory.mktemp("dev")
    (folder / "agents").mkdir()
    (folder / "agents" / "clerk.yaml").write_text(CLERK)
    (folder / "agents" / "judge.yaml").write_text(JUDGE)
    for name, use in OTHERS.items():
        (folder / "agents" / f"{name}.yaml").write_text(
            f"name: {name}\nmodels: {{main: {{use: {use}}}}}\nmodel: main\ninstructions: Be brief.\ntools: [find]"
        )
    (folder / "tools.py").write_text(TOOLS)
    running = Dev(folder, environment, ["--agents", str(folder / "agents"), "--tools", str(folder / "tools.py")])
    await running.start()
    yield running
    await running.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def client(dev: Dev, provider: FakeProvider) -> AsyncIterator[AsyncOpenAI]:
    provider.reset()
    async with AsyncOpenAI(base_url=f"{dev.url}/v1", api_key="none", max_retries=0, timeout=PATIENCE_S) as made:
        yield made


async def until_over(client: AsyncOpenAI, id: str) -> Response:  # noqa: A002
    async with asyncio.timeout(PATIENCE_S):
        last = [event async for event in await client.responses.retrieve(id, stream=True)][-1]
    assert last.type in ("response.completed", "response.incomplete", "response.failed")
    return await client.responses.retrieve(id)


async def test_a_response_and_the_next_one_in_its_session(client: AsyncOpenAI, provider: FakeProvider) -> None:
    provider.script(Reply(text="Hello Ann", reasoning="hm"), Reply(text="You are Ann"), Reply(text="Ann, still"))
    first = await client.responses.create(model="clerk", input="I am Ann")
    assert (first.status, first.output_text, first.model) == ("completed", "Hello Ann", "clerk")
    assert [item.type for item in first.output] == ["reasoning", "message"]
    assert first.usage is not None
    assert first.usage.total_tokens == 15
    second = await client.responses.create(model="clerk", input="Who am I?", previous_response_id=first.id)
    assert second.output_text == "You are Ann"
    assert second.conversation is not None
    assert first.conversation == second.conversation
    assert len(provider.calls[-1].body["messages"]) == 3
    third = await client.responses.create(
        model="clerk",
        input=[{"role": "user", "content": [{"type": "input_text", "text": "And now?"}]}],
        conversation=second.conversation.id,
    )
    assert third.output_text == "Ann, still"
    assert await client.responses.retrieve(first.id) == first
    assert await client.responses.retrieve(third.id) == third
    (item,) = (await client.responses.input_items.list(third.id)).data
    assert item.to_dict()["content"] == [{"type": "input_text", "text": "And now?"}]
    with pytest.raises(openai.ConflictError) as refused:
        await client.responses.create(model="clerk", input="Again", previous_response_id=first.id)
    assert refused.value.code == "id_conflict"


async def test_the_same_request_again_is_not_a_second_one(client: AsyncOpenAI, provider: FakeProvider) -> None:
    provider.script(Reply(text="One"), Reply(text="Two"))
    key = {"Idempotency-Key": "once"}
    first = [await client.responses.create(model="clerk", input="Go", extra_headers=key) for _ in range(2)]
    assert first[0] == first[1]
    # What follows a response is told from its repeat without a key.
    then = [
        await client.responses.create(model="clerk", input="On", previous_response_id=first[0].id) for _ in range(2)
    ]
    assert then[0] == then[1]
    assert then[0].output_text == "Two"
    assert len(provider.calls) == 2
    with pytest.raises(openai.ConflictError):
        await client.responses.create(model="clerk", input="Something else", extra_headers=key)


async def test_a_stream_is_accumulated_by_the_sdk(client: AsyncOpenAI, provider: FakeProvider) -> None:
    provider.script(Reply(text="", reasoning="hm", tools=(("find", {"id": 7}),)), Reply(text="Seven it is."))
    async with client.responses.stream(model="clerk", input="Find it") as stream:
        events = [event async for event in stream]
        final = await stream.get_final_response()
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [item.type for item in final.output] == ["reasoning", "mcp_call", "message"]
    call: Any = final.output[1]
    assert (call.name, json.loads(call.arguments), json.loads(call.output)) == ("find", {"id": 7}, {"id": 7})
    assert final.output_text == "Seven it is."
    again = [event async for event in await client.responses.retrieve(final.id, stream=True)]
    assert [event.to_dict() for event in again] == [
        event.to_dict() for event in [one async for one in await client.responses.retrieve(final.id, stream=True)]
    ]
    assert [event.sequence_number for event in again] == [event.sequence_number for event in events]


@pytest.mark.parametrize("agent", ["clerk", *OTHERS])
async def test_what_streams_is_what_is_kept(client: AsyncOpenAI, provider: FakeProvider, agent: str) -> None:
    """Whichever wire it came over: as the record has it, piece by piece."""
    provider.script(
        Reply(text="I will look for it.", reasoning="Let me think of it", tools=(("find", {"id": 7}),)),
        Reply(text="<think>Was it seven? I think so.</think>Seven it is, \n\n and nothing else.  "),
    )
    live = [event async for event in await client.responses.create(model=agent, input="Find it", stream=True)]
    last: Any = live[-1]
    again = [event async for event in await client.responses.retrieve(last.response.id, stream=True)]
    assert [event.to_dict() for event in live] == [event.to_dict() for event in again]
    assert "Seven it is" in last.response.output_text
    assert [event.sequence_number for event in live] == list(range(len(live)))


async def test_a_background_response_is_resumed_after_a_drop(client: AsyncOpenAI, provider: FakeProvider) -> None:
    provider.script(LONG)
    stream = await client.responses.create(model="clerk", input="Long", background=True, stream=True)
    said, number, id = "", -1, ""  # noqa: A001
    async for event in stream:
        number = event.sequence_number
        if event.type == "response.created":
            id = event.response.id  # noqa: A001
        if event.type == "response.output_text.delta":
            said += event.delta
            if "word3" in said:
                break
    await stream.close()
    while True:
        # Each connection is dropped after five events.
        stream = await client.responses.retrieve(id, stream=True, starting_after=number)
        count, over = 0, False
        async for event in stream:
            assert event.sequence_number == number + 1
            number, count = event.sequence_number, count + 1
            if event.type == "response.output_text.delta":
                said += event.delta
            over = event.type == "response.completed"
            if count == 5:
                break
        await stream.close()
        if over:
            break
    assert said == LONG.text
    assert (await client.responses.retrieve(id)).output_text == LONG.text
    async with client.responses.stream(response_id=id, starting_after=10) as resumed:
        final = await resumed.get_final_response()
    assert final.output_text == LONG.text


async def test_a_background_response_is_there_at_once(client: AsyncOpenAI, provider: FakeProvider) -> None:
    provider.script(STALL)
    response = await client.responses.create(model="clerk", input="Stall", background=True)
    assert response.status in ("queued", "in_progress")
    await provider.until(lambda calls: bool(calls) and len(calls[-1].tokens) >= 2)
    cancelled = await client.responses.cancel(response.id)
    assert cancelled.status == "cancelled"
    assert cancelled.output_text.startswith("one")
    assert await client.responses.cancel(response.id) == cancelled
    assert await client.responses.retrieve(response.id) == cancelled


async def test_a_function_of_the_caller_s(client: AsyncOpenAI, provider: FakeProvider) -> None:
    provider.script(Reply(text="", tools=(("pick", {"of": 3}),)), Reply(text="Red, then."))
    asks = await client.responses.create(
        model="clerk",
        input="Pick",
        tools=[{"type": "function", "name": "pick", "parameters": {"type": "object"}, "strict": False}],
    )
    (call,) = asks.output
    assert call.type == "function_call"
    assert (asks.status, call.name, call.arguments) == ("completed", "pick", '{"of":3}')
    with pytest.raises(openai.BadRequestError) as refused:
        await client.responses.create(model="clerk", input="Well?", previous_response_id=asks.id)
    assert refused.value.param == "input"
    for _ in range(2):
        done = await client.responses.create(
            model="clerk",
            previous_response_id=asks.id,
            input=[{"type": "function_call_output", "call_id": call.call_id, "output": '{"colour": "red"}'}],
        )
        assert (done.output_text, done.previous_response_id) == ("Red, then.", asks.id)
    assert await client.responses.retrieve(asks.id) == asks
    (item,) = (await client.responses.input_items.list(done.id)).data
    assert (item.type, getattr(item, "output", "")) == ("function_call_output", '{"colour":"red"}')
    with pytest.raises(openai.ConflictError):
        await client.responses.create(
            model="clerk",
            previous_response_id=asks.id,
            input=[{"type": "function_call_output", "call_id": call.call_id, "output": '{"colour": "blue"}'}],
        )


async def test_functions_are_answered_all_at_once(client: AsyncOpenAI, provider: FakeProvider) -> None:
    provider.script(Reply(text="", tools=(("pick", {}), ("pick", {}))), Reply(text="Both."))
    asks = await client.responses.create(model="clerk", input="Pick two")
    ids = [item.call_id for item in asks.output if item.type == "function_call"]
    given: list[Any] = [{"type": "function_call_output", "call_id": id, "output": "{}"} for id in ids]  # noqa: A001
    wrong = [{**given[0], "output": "red"}, given[1]]
    for answers, param in ((given[:1], "input"), (wrong, "input[0].output")):
        with pytest.raises(openai.BadRequestError) as refused:
            await client.responses.create(model="clerk", previous_response_id=asks.id, input=answers)
        assert refused.value.param == param
    done = await client.responses.create(model="clerk", previous_response_id=asks.id, input=given)
    assert (done.output_text, [item.type for item in done.output]) == ("Both.", ["message"])
    with pytest.raises(openai.ConflictError) as late:
        await client.responses.create(model="clerk", input="And?", previous_response_id=asks.id)
    assert done.id in str(late.value)


async def test_a_message_that_waits_can_be_taken_back(client: AsyncOpenAI, provider: FakeProvider) -> None:
    provider.script(STALL)
    first = await client.responses.create(model="clerk", input="Stall", background=True)
    await provider.until(lambda calls: bool(calls) and len(calls[-1].tokens) >= 2)
    second = await client.responses.create(model="clerk", input="Wait", previous_response_id=first.id, background=True)
    assert second.status == "queued"
    cancelled = await client.responses.cancel(second.id)
    assert cancelled.status == "cancelled"
    assert "turn_id" not in (cancelled.metadata or {})
    assert (await client.responses.retrieve(first.id)).status == "in_progress"
    assert (await client.responses.cancel(first.id)).status == "cancelled"
    events = [event.type async for event in await client.responses.retrieve(second.id, stream=True)]
    assert events == ["response.created", "response.queued", "response.incomplete"]


@pytest.mark.parametrize("approve", [True, False])
async def test_an_approval(client: AsyncOpenAI, provider: FakeProvider, approve: bool) -> None:
    provider.script(Reply(text="", tools=(("pay", {"sum": 5}),)), Reply(text="So be it."))
    asks = await client.responses.create(model="clerk", input="Pay")
    (request,) = asks.output
    assert request.type == "mcp_approval_request"
    assert (request.name, json.loads(request.arguments)) == ("pay", {"sum": 5})
    answer: Any = {"type": "mcp_approval_response", "approval_request_id": request.id, "approve": approve}
    async with client.responses.stream(model="clerk", previous_response_id=asks.id, input=[answer]) as stream:
        done = await stream.get_final_response()
    call, said = done.output
    assert call.type == "mcp_call"
    assert (call.output, call.approval_request_id) == ("paid 5" if approve else None, request.id)
    assert (call.error is None) == approve
    assert done.output_text == "So be it."
    assert said.type == "message"


async def test_a_question_that_no_item_asks(client: AsyncOpenAI, provider: FakeProvider, dev: Dev) -> None:
    provider.script(Reply(text="", tools=(("ask_user", {"prompt": "Which one?"}),)), Reply(text="That one."))
    asks = await client.responses.create(model="clerk", input="Ask me")
    assert asks.status == "incomplete"
    assert asks.metadata is not None
    assert asks.metadata["question"] == "Which one?"
    async with httpx2.AsyncClient(base_url=dev.url) as http:
        body = {"question_id": asks.metadata["question_id"], "result": {"answer": "this"}}
        answered = await http.post(f"/v1/sessions/{asks.metadata['session_id']}/answers", json=body)
        assert answered.status_code == 202, answered.text
    assert (await until_over(client, asks.metadata["next_response_id"])).output_text == "That one."


async def test_an_answer_of_a_form(client: AsyncOpenAI, provider: FakeProvider) -> None:
    class Verdict(BaseModel):
        verdict: str

    class Other(BaseModel):
        score: int

    provider.script(Reply(text='{"verdict": "guilty"}'))
    parsed = await client.responses.parse(model="judge", input="Judge", text_format=Verdict)
    assert parsed.output_parsed == Verdict(verdict="guilty")
    for agent, form in (("judge", Other), ("clerk", Verdict)):
        with pytest.raises(openai.BadRequestError) as refused:
            await client.responses.parse(model=agent, input="Judge", text_format=form)
        assert (refused.value.param or "").startswith("text.format")
