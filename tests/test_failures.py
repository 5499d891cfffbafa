import email.utils
import socket
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx2
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from perdure.activities.models.failure_kinds import classify, redact, retry_after
from perdure.activities.models.failures import ModelFailed, ModelFailure, ProviderError, Source, StreamTruncated
from perdure.activities.models.wires.anthropic_messages import AnthropicMessages
from perdure.activities.models.wires.openai_chat import OpenAIChat
from perdure.activities.models.wires.openai_responses import OpenAIResponses
from perdure.temporal.app.fakes.provider import FakeProvider
from perdure.temporal.app.fakes.replies import Fault, Reply
from perdure.temporal.definitions.endpoints import owns
from perdure.temporal.definitions.references import MissingVariable
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.anthropic import ANTHROPIC
from perdure.workflows.definition.providers.demo import DEMO
from perdure.workflows.definition.providers.openai import ENDPOINT, OPENAI
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary import errors
from perdure.workflows.vocabulary.parts import Message, Text

BENIGN, LOUD = True, False
CLAUDE = Source.of(ANTHROPIC)
HELLO = (Message(id="m1", role="user", parts=(Text(text="hello"),), at=datetime(2026, 11, 1, tzinfo=UTC)),)

RealWire = AnthropicMessages | OpenAIResponses | OpenAIChat
PROVIDER_OF = {"anthropic.messages": "anthropic", "openai.responses": "openai", "openai.chat": "openai-chat"}


@pytest.fixture
async def fake() -> AsyncIterator[FakeProvider]:
    async with FakeProvider() as server:
        yield server


@pytest.fixture(params=["anthropic", "openai", "openai-chat"])
async def wire(request: pytest.FixtureRequest) -> AsyncIterator[RealWire]:
    timeout = httpx2.Timeout(0.3, connect=5)
    environment = {"OPENAI_API_KEY": "sk-secret-1234567890"}
    made: RealWire
    match request.param:
        case "anthropic":
            made = AnthropicMessages({}, partial(AsyncAnthropic, api_key="sk-ant-secret-1234567890"), timeout)
        case "openai":
            made = OpenAIResponses(environment, AsyncOpenAI, timeout)
        case _:
            made = OpenAIChat(environment, AsyncOpenAI, timeout)
    yield made
    await made.aclose()


async def failure(wire: RealWire, base_url: str, api_key: str | None = None) -> ModelFailure:
    provider = PROVIDER_OF[wire.api]
    url = base_url if provider == "anthropic" else f"{base_url}/v1"
    prompt = Prompt(model=ModelDefinition(use=f"{provider}/m", base_url=url, api_key=api_key), system="")
    with pytest.raises(ModelFailed) as caught:
        async for _ in wire.stream(wire.request(prompt, HELLO), prompt, "t1.s1"):
            pass
    assert caught.value.__cause__ is None
    assert caught.value.failure.provider == provider
    return caught.value.failure


@pytest.mark.parametrize(
    ("status", "error", "kind", "retry", "benign"),
    [
        (429, "", errors.MODEL_RATE_LIMITED, True, BENIGN),
        (429, "insufficient_quota", errors.MODEL_QUOTA, False, LOUD),
        (402, "", errors.MODEL_QUOTA, False, LOUD),
        (529, "", errors.MODEL_OVERLOADED, True, BENIGN),
        (503, "server_is_overloaded", errors.MODEL_OVERLOADED, True, BENIGN),
        (500, "", errors.MODEL_SERVER_ERROR, True, BENIGN),
        (408, "", errors.MODEL_SERVER_ERROR, True, BENIGN),
        (400, "context_length_exceeded", errors.MODEL_CONTEXT_LENGTH, False, BENIGN),
        (400, "content_policy_violation", errors.MODEL_CONTENT_POLICY, False, BENIGN),
        (400, "", errors.MODEL_INVALID_REQUEST, False, LOUD),
        (401, "", errors.MODEL_AUTH, False, LOUD),
        (403, "", errors.MODEL_AUTH, False, LOUD),
        (404, "", errors.MODEL_NOT_FOUND, False, LOUD),
        (413, "", errors.MODEL_REQUEST_TOO_LARGE, False, LOUD),
    ],
)
async def test_an_error_before_the_stream(
    fake: FakeProvider,
    wire: RealWire,
    status: int,
    error: str,
    kind: str,
    retry: bool,
    benign: bool,
) -> None:
    fake.script(Reply(status=status, error=error))
    caught = await failure(wire, fake.url)
    assert (caught.kind, caught.retryable, caught.benign) == (kind, retry, benign)
    assert caught.status == status
    assert f"({status})" in caught.message
    assert len(fake.calls) == 1


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("error_event", errors.MODEL_OVERLOADED),
        ("clean_end", errors.MODEL_STREAM_TRUNCATED),
        ("malformed", errors.MODEL_STREAM_TRUNCATED),
        ("fin", errors.MODEL_CONNECTION),
        ("rst", errors.MODEL_CONNECTION),
        ("stall", errors.MODEL_TIMEOUT),
    ],
)
async def test_an_error_in_mid_stream(fake: FakeProvider, wire: RealWire, fault: Fault, kind: str) -> None:
    fake.script(Reply(fault=fault))
    caught = await failure(wire, fake.url)
    assert (caught.kind, caught.retryable, caught.benign) == (kind, True, BENIGN)
    assert caught.request == ("unknown" if kind == errors.MODEL_TIMEOUT else "refused")


async def test_nobody_listens(wire: RealWire) -> None:
    # A port that is held, so that no server of another test is there meanwhile.
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        caught = await failure(wire, f"http://127.0.0.1:{held.getsockname()[1]}")
    assert (caught.kind, caught.retryable) == (errors.MODEL_CONNECTION, True)


async def test_a_base_url_that_is_none_is_not_tried_again(wire: RealWire) -> None:
    caught = await failure(wire, "http://localhost:port")
    assert (caught.kind, caught.retryable) == (errors.MODEL_INVALID_REQUEST, False)
    assert "base_url" in caught.message


async def test_a_key_with_a_line_break_is_not_told(fake: FakeProvider) -> None:
    wire = AnthropicMessages({"KEY": "secret\nkey"})
    caught = await failure(wire, fake.url, api_key="${KEY}")
    await wire.aclose()
    assert (caught.kind, caught.retryable) == (errors.MODEL_INVALID_REQUEST, False)
    assert "secret" not in caught.message


async def test_retry_after_and_the_wish_not_to_be_tried_again(fake: FakeProvider, wire: RealWire) -> None:
    fake.script(
        Reply(status=429, headers=(("retry-after", "7"),)),
        Reply(status=529, headers=(("retry-after-ms", "250"), ("retry-after", "9"))),
        Reply(status=500, headers=(("x-should-retry", "false"), ("retry-after", "9"))),
    )
    caught = [await failure(wire, fake.url) for _ in range(3)]
    assert [error.retry_after for error in caught] == [timedelta(seconds=7), timedelta(milliseconds=250), None]
    assert [error.retryable for error in caught] == [True, True, False]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3600"}, 600),
        ({"retry-after": "inf"}, 600),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Mon, 02 Jan 2006 15:04:05 GMT"}, None),
        ({"retry-after": "Wed, 01 Jan 2200 00:00:00 GMT"}, 600),
    ],
)
def test_retry_after_is_capped_and_forgiving(headers: dict[str, str], seconds: int | None) -> None:
    assert retry_after(headers) == (None if seconds is None else timedelta(seconds=seconds))


def test_retry_after_as_a_date() -> None:
    wait = retry_after({"retry-after": email.utils.formatdate(time.time() + 60, usegmt=True)})
    assert wait is not None
    assert timedelta(seconds=50) < wait < timedelta(seconds=61)


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: sk-proj-abcDEF1234567890.",
        "authorization: Bearer abcdefgh",
        'x-api-key: "hunter2hunter2"',
        "key AIzaSyA1234567890abcdef is wrong",
        "at https://user:hunter2@host/v1",
        "found 0123456789abcdef0123456789abcdef in it",
    ],
)
def test_what_looks_like_a_key_is_blotted_out(text: str) -> None:
    told = redact(text)
    assert "[redacted]" in told
    assert not any(part in told for part in ("abc", "hunter2", "AIza", "0123"))


def test_other_text_is_left_alone() -> None:
    text = "max_tokens: 5000 > 4096, which is the most that claude-haiku-5-5-20261001 allows"
    assert redact(text) == text


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ProviderError("", code="overloaded_error", status=529), "Anthropic is overloaded (529)"),
        (ProviderError("<html>bad</html>", status=502), "Anthropic failed on its side (502)"),
        (ProviderError("prompt is too long: 9 > 8", status=400), None),
        (StreamTruncated(), "Anthropic broke off in mid-answer"),
        (MissingVariable("ANTHROPIC_API_KEY"), None),
        (KeyError("sk-secret"), "Anthropic could not be asked, for an unexpected reason: KeyError"),
    ],
)
def test_words(error: Exception, message: str | None) -> None:
    told = classify(error, CLAUDE)
    match error:
        case MissingVariable():
            assert (told.kind, told.retryable) == (errors.MODEL_NO_KEY, False)
            assert "ANTHROPIC_API_KEY" in told.message
        case ProviderError() if message is None:
            assert told.kind == errors.MODEL_CONTEXT_LENGTH
        case _:
            assert told.message == message


@pytest.mark.parametrize("code", ["data_residency_mismatch", "invalid_encrypted_content", "invalid_prompt"])
def test_a_response_that_would_fail_again_is_not_tried_again(code: str) -> None:
    assert not classify(ProviderError("", code=code), Source.of(OPENAI)).retryable


def test_what_is_classified_stays() -> None:
    once = classify(ProviderError("", code="overloaded_error"), Source.of(DEMO))
    assert classify(ModelFailed(once), CLAUDE) is once


@pytest.mark.parametrize(
    ("url", "theirs"),
    [
        ("https://api.openai.com/v1", True),
        ("https://eu.api.openai.com/v1", True),
        ("http://localhost:11434/v1", False),
        ("https://api.openai.com.evil.example/v1", False),
        ("${MODEL_URL}/v1", False),
    ],
)
def test_whose_server_it_is(url: str, theirs: bool) -> None:
    assert owns(ENDPOINT, url) == theirs
