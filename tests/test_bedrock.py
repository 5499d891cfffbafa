"""Claude at Amazon Bedrock, over a server on loopback that answers in Bedrock's frames."""

import json
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from perdure.activities.models.bedrock_events import BedrockDecoder
from perdure.activities.models.clients import Server
from perdure.activities.models.failures import ModelFailed
from perdure.activities.models.providers import Providers
from perdure.activities.models.wires.anthropic_bedrock import BedrockMessages
from perdure.temporal.definitions.endpoints import missing_key, owns
from perdure.temporal.definitions.prices import price_of
from perdure.temporal.definitions.servers import server_of
from perdure.workflows.definition.agent import ModelDefinition
from perdure.workflows.definition.providers.bedrock import BEDROCK
from perdure.workflows.protocol.steps import Prompt
from perdure.workflows.vocabulary import errors
from perdure.workflows.vocabulary.parts import Usage
from tests.support.anthropic_events import end, start, stream, text, thinking, tool
from tests.support.aws_frames import MEDIA_TYPE, body, chunk, exception, frame
from tests.support.body_server import JSON, Body, BodyServer, body_server
from tests.support.decoders import TOOL, Trial, answered, failed, outcome, said

USE = "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0"
MODEL = ModelDefinition(use=USE)
KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG"
HELLO = [*thinking(0, "Hm."), *text(1, "Hello")]
CALL = tool(2, "", '{"order_id":', '"A-1"}')
WHOLE = [start(), *HELLO, *CALL, *end("tool_use")]


@pytest.fixture
async def server() -> AsyncIterator[BodyServer]:
    async with body_server() as serving:
        yield serving


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, server: BodyServer) -> None:
    """A machine with nothing but keys, a region, and an address in the environment."""
    for name in ("AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    monkeypatch.setenv("ANTHROPIC_BEDROCK_BASE_URL", server.url)


@pytest.fixture
async def trial() -> AsyncIterator[Trial]:
    wire = BedrockMessages({}, provider=BEDROCK)
    yield Trial(
        wire=wire, prompt=lambda url: Prompt(model=MODEL, system="Be brief.", tools=(TOOL,)), recordings=(), ends=()
    )
    await wire.aclose()


async def test_a_whole_answer(trial: Trial, server: BodyServer) -> None:
    for piece in (1 << 20, 1, 100):
        told = await answered(trial, server, body(*WHOLE, piece=piece))
        assert (said(told), told.stop) == (["(Hm.)", "Hello", {"order_id": "A-1"}], "tool_calls")
        assert told.usage == Usage(input_tokens=9, output_tokens=42)


async def test_the_request(trial: Trial, server: BodyServer) -> None:
    await answered(trial, server, body(*WHOLE))
    assert server.paths == ["/model/us.anthropic.claude-sonnet-4-5-20250929-v1:0/invoke-with-response-stream"]
    sent = json.loads(server.requests[0])
    assert {"model", "stream", "cache_control"} & sent.keys() == set()
    assert sent["anthropic_version"]
    mark = {"cache_control": {"type": "ephemeral"}}
    assert sent["system"] == [{"type": "text", "text": "Be brief."} | mark]
    assert sent["messages"] == [{"role": "user", "content": [{"type": "text", "text": "go"} | mark]}]
    signed = server.headers[0]["authorization"]
    assert signed.startswith(f"AWS4-HMAC-SHA256 Credential={KEY}/")
    assert "/us-west-2/bedrock/aws4_request" in signed


async def test_a_key_of_bedrock(trial: Trial, server: BodyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bedrock-key")
    await answered(trial, server, body(*WHOLE))
    assert server.headers[0]["authorization"] == "Bearer bedrock-key"


async def test_the_signature_covers_the_query(server: BodyServer) -> None:
    model = ModelDefinition(use=USE, query={"stage": "beta"}, headers={"X-Team": "a"})
    wire = BedrockMessages({}, provider=BEDROCK)
    trial = Trial(wire=wire, prompt=lambda url: Prompt(model=model, system=""), recordings=(), ends=())
    await answered(trial, server, body(*WHOLE))
    await wire.aclose()
    (path,), (headers,) = server.paths, server.headers
    assert path.endswith("/invoke-with-response-stream?stage=beta")
    assert headers["x-team"] == "a"
    request = AWSRequest("POST", server.url + path, headers=_signed(headers), data=server.requests[0])
    request.context["timestamp"] = headers["x-amz-date"]
    signer = SigV4Auth(Credentials(KEY, SECRET), "bedrock", "us-west-2")
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    assert headers["authorization"].endswith(f"Signature={signature}")


def _signed(headers: dict[str, str]) -> dict[str, str]:
    """The headers that the signature covers."""
    names = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    return {name: headers[name] for name in names}


@pytest.mark.parametrize(("api_key", "sent"), [(None, "Bearer no-key"), ("${GATEWAY_KEY}", "Bearer other")])
async def test_another_server_gets_neither_key_nor_signature(
    server: BodyServer, monkeypatch: pytest.MonkeyPatch, api_key: str | None, sent: str
) -> None:
    monkeypatch.setenv("ANTHROPIC_BEDROCK_BASE_URL", "https://bedrock.example.com")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session-token")
    model = ModelDefinition(use=USE, base_url=server.url, api_key=api_key)
    wire = BedrockMessages({"GATEWAY_KEY": "other"}, provider=BEDROCK)
    trial = Trial(wire=wire, prompt=lambda url: Prompt(model=model, system=""), recordings=(), ends=())
    await answered(trial, server, body(*WHOLE))
    await wire.aclose()
    assert server.headers[0]["authorization"] == sent
    assert not any(secret in str(server.headers) for secret in (KEY, SECRET, "session-token"))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("throttlingException", errors.MODEL_RATE_LIMITED),
        ("serviceUnavailableException", errors.MODEL_OVERLOADED),
        ("modelStreamErrorException", errors.MODEL_SERVER_ERROR),
        ("internalServerException", errors.MODEL_SERVER_ERROR),
        ("modelTimeoutException", errors.MODEL_SERVER_ERROR),
        ("validationException", errors.MODEL_INVALID_REQUEST),
        ("somethingNewException", errors.MODEL_SERVER_ERROR),
    ],
)
async def test_an_exception_in_the_stream(trial: Trial, server: BodyServer, kind: str, expected: str) -> None:
    data = b"".join(map(chunk, [start(), *HELLO])) + exception(kind, "no more")
    assert await failed(trial, server, Body(data, MEDIA_TYPE)) == expected


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (400, "Malformed input request", errors.MODEL_INVALID_REQUEST),
        (403, "The security token included in the request is invalid.", errors.MODEL_AUTH),
        (404, "Could not resolve the foundation model", errors.MODEL_NOT_FOUND),
        (424, "The model returned an error", errors.MODEL_SERVER_ERROR),
        (429, "Too many tokens, please wait before trying again.", errors.MODEL_RATE_LIMITED),
        (503, "Bedrock is unable to process your request.", errors.MODEL_SERVER_ERROR),
    ],
)
async def test_a_status(trial: Trial, server: BodyServer, status: int, message: str, expected: str) -> None:
    told = await outcome(trial, server, Body(json.dumps({"message": message}).encode(), JSON, status=status))
    assert isinstance(told, ModelFailed)
    assert told.failure.kind == expected
    assert told.failure.message.startswith("Amazon Bedrock ")
    if expected in (errors.MODEL_INVALID_REQUEST, errors.MODEL_NOT_FOUND):
        assert message in told.failure.message


async def test_an_answer_that_was_cut(trial: Trial, server: BodyServer) -> None:
    data = body(*WHOLE).data
    for length in (0, 1, 11, 12, len(data) // 2, len(body(*WHOLE[:-2]).data), len(body(*WHOLE[:-2]).data) + 7):
        assert await failed(trial, server, Body(data[:length], MEDIA_TYPE)) == errors.MODEL_STREAM_TRUNCATED
    damaged = data.replace(b"chunk", b"chonk", 1)
    assert await failed(trial, server, Body(damaged, MEDIA_TYPE)) == errors.MODEL_STREAM_TRUNCATED


async def test_frames_that_hold_something_else(trial: Trial, server: BodyServer) -> None:
    event = {":event-type": "chunk", ":message-type": "event"}
    odd = [
        frame(event, payload)
        for payload in (b"", b"{", b"7", b'{"bytes": 7}', b'{"bytes": "e30"}', b'{"bytes": "Nw=="}')
    ]
    metrics = {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 80}}
    data = b"".join([*odd, *map(chunk, [start(), *HELLO, end("end_turn")[0], metrics])])
    told = await answered(trial, server, Body(data, MEDIA_TYPE))
    assert (said(told), told.skipped, told.usage.input_tokens) == (["(Hm.)", "Hello"], len(odd), 80)


async def test_a_gateway_that_answers_in_plain_events(trial: Trial, server: BodyServer) -> None:
    assert said(await answered(trial, server, stream(*WHOLE))) == ["(Hm.)", "Hello", {"order_id": "A-1"}]


@pytest.mark.pure
def test_no_bytes_raise() -> None:
    rng = random.Random(7)
    data = body(*WHOLE).data
    for _ in range(2000):
        decoder, at = BedrockDecoder(), rng.randrange(len(data))
        dirt = rng.randbytes(rng.randrange(1, 9))
        change = data[:at] + dirt + data[at + rng.choice((0, len(dirt))) :]
        decoder.feed(change[: rng.randrange(len(change))])
        decoder.feed(rng.randbytes(rng.randrange(40)))
        assert decoder.end() == []


async def reason(model: ModelDefinition = MODEL) -> str:
    providers = Providers({})
    wire = providers.wire(model)
    prompt = Prompt(model=model, system="")
    items = wire.stream(wire.request(prompt, ()), prompt, "t1.s1")
    with pytest.raises(ModelFailed) as caught:
        await anext(items)
    await providers.aclose()
    assert (caught.value.failure.kind, caught.value.failure.retryable) == (errors.MODEL_NO_KEY, False)
    return caught.value.failure.message


async def test_without_credentials_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    # The SDK keeps sessions by their arguments, the region among them.
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert "no AWS credentials were found; set AWS_BEARER_TOKEN_BEDROCK" in await reason()
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    assert "no AWS credentials were found" in await reason()


async def test_without_a_region_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    assert "set AWS_REGION" in await reason()


async def test_without_boto3_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "boto3 is not installed; install Perdure with its extra [bedrock]" in await reason()


@pytest.mark.pure
@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("https://bedrock-runtime.us-east-1.amazonaws.com", True),
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", True),
        ("https://bedrock-runtime.cn-north-1.amazonaws.com.cn", True),
        ("http://bedrock-runtime.us-east-1.amazonaws.com", False),
        ("https://bedrock-runtime.s3.amazonaws.com", False),
        ("https://bedrock-runtime.us-east-1.amazonaws.com.example.com", False),
        ("https://ec2-1-2-3-4.compute-1.amazonaws.com", False),
    ],
)
def test_hosts_of_bedrock(url: str, own: bool) -> None:
    assert BEDROCK.endpoint is not None
    assert owns(BEDROCK.endpoint, url) is own


async def test_a_base_url_of_another_region_is_signed_for_it() -> None:
    url = "https://bedrock-runtime.eu-west-1.amazonaws.com"
    wire = BedrockMessages({}, provider=BEDROCK)
    client = wire.connect(Server.of(ModelDefinition(use=USE, base_url=url), BEDROCK, {}))
    assert (client.aws_region, client.api_key) == ("eu-west-1", None)
    assert str(client.base_url).rstrip("/") == url
    await client.close()


@pytest.mark.pure
def test_what_is_known_of_it() -> None:
    assert server_of(MODEL, {}) == "bedrock"
    # Roles of machines and files of profiles hold credentials, too.
    assert missing_key(MODEL, {}) is None
    price = price_of(MODEL)
    assert price is not None
    assert (price.input, price.output) == (3.3, 16.5)
