"""A refused request is changed and asked again, a few times, and what helped is remembered for its server and model."""

from typing import Any

import pytest

from perdure.activities.models.adapting import Adapting, Opened, Rewrite
from perdure.activities.models.failures import ProviderError
from perdure.workflows.definition.agent import ModelDefinition
from tests.support.refusals import CHAT, anthropic, openai, said

MODEL = ModelDefinition(use="openai-chat/m", base_url="http://h/v1")


class Refusing:
    """A server that refuses what it does not know, one member at a time."""

    def __init__(self, *refused: str, words: str = "Unrecognized request argument supplied: {}") -> None:
        self.refused = refused
        self.words = words
        self.bodies: list[dict[str, Any]] = []

    async def send(self, body: dict[str, Any]) -> str:
        self.bodies.append(body)
        for name in self.refused:
            if name in body:
                raise said(openai(self.words.format(name)))
        return "stream"


class Saying:
    """A server that answers with these errors, one after the other, and then well."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = iter(errors)
        self.bodies: list[dict[str, Any]] = []

    async def send(self, body: dict[str, Any]) -> str:
        self.bodies.append(body)
        for error in self.errors:
            raise error
        return "stream"


async def opened(
    adapting: Adapting, server: Any, body: dict[str, Any] = CHAT, model: ModelDefinition = MODEL, **more: Any
) -> Opened[str]:
    return await adapting.open("openai-chat@1", model, body, server.send, lambda error: error, **more)


async def test_what_was_taken_is_remembered_for_the_server_and_the_model() -> None:
    adapting, server = Adapting(), Refusing("stream_options", "seed", "max_tokens")
    first = await opened(adapting, server)
    assert first == Opened("stream", ("stream_options: dropped", "seed: dropped", "max_tokens → max_completion_tokens"))
    assert len(server.bodies) == 4
    assert await opened(adapting, server) == first
    assert len(server.bodies) == 5
    assert adapting.learnt("openai-chat@1", "m") == first.adapted
    other = ModelDefinition(use="openai-chat/other")
    assert adapting.learnt("openai-chat@1", other.model_name) == adapting.learnt("openai-chat@2", "m") == ()
    await opened(adapting, server, model=other)
    assert len(server.bodies) == 9


async def test_only_what_a_request_had_is_told() -> None:
    adapting = Adapting()
    await opened(adapting, Refusing("seed"))
    assert (await opened(adapting, Refusing("seed"), {"model": "m", "messages": []})).adapted == ()


async def test_what_was_not_taken_is_not_remembered() -> None:
    adapting, server = Adapting(), Saying(said(openai("unsupported parameter: seed")), said(openai("Bad request")))
    with pytest.raises(ProviderError, match="Bad request"):
        await opened(adapting, server)
    assert adapting.learnt("openai-chat@1", "m") == ()
    assert [("seed" in body) for body in server.bodies] == [True, False]


async def test_a_server_that_goes_on_refusing_is_asked_a_few_times() -> None:
    names = [f"odd_{n}" for n in range(40)]
    server = Refusing(*names)
    adapting, body = Adapting(), CHAT | dict.fromkeys(names, 1)
    with pytest.raises(ProviderError, match="odd_16"):
        await opened(adapting, server, body)
    assert len(server.bodies) == 17
    # The next request goes on where this one ended, so it gets through in the end.
    with pytest.raises(ProviderError):
        await opened(adapting, server, body)
    assert await opened(adapting, server, body) == Opened("stream", tuple(f"{name}: dropped" for name in names))
    asked = len(server.bodies)
    await opened(adapting, server, body)
    assert len(server.bodies) == asked + 1


async def test_what_moved_a_server_on_is_remembered_even_where_the_request_fails() -> None:
    adapting = Adapting()
    said_in_turn = [said(openai(f"unsupported parameter: {name}")) for name in ("seed", "stop")]
    with pytest.raises(ProviderError, match="Bad request"):
        await opened(adapting, Saying(*said_in_turn, said(openai("Bad request"))))
    # Of the last change nobody knows whether it helped.
    assert adapting.learnt("openai-chat@1", "m") == ("seed: dropped",)


async def test_a_server_that_names_each_of_many_members_in_turn_is_asked_until_it_takes_the_rest() -> None:
    names = [
        "stream_options",
        "temperature",
        "top_p",
        "seed",
        "stop",
        "parallel_tool_calls",
        "reasoning_effort",
        "user",
    ]
    adapting, server = Adapting(), Refusing(*names)
    first = await opened(adapting, server, CHAT | {"user": "u"})
    assert first.adapted == tuple(f"{name}: dropped" for name in names)
    assert await opened(adapting, server, CHAT | {"user": "u"}) == first
    assert len(server.bodies) == len(names) + 2


async def test_a_server_that_takes_neither_name_is_not_asked_for_ever() -> None:
    server = Refusing("max_tokens", "max_completion_tokens")
    with pytest.raises(ProviderError, match="max_completion_tokens"):
        await opened(Adapting(), server)
    assert len(server.bodies) == 2


@pytest.mark.parametrize(
    "error",
    [
        ProviderError("This model's maximum context length is 8192 tokens, and max_tokens is too large", status=400),
        ProviderError("The model `m` does not exist", status=404),
        ProviderError("unsupported parameter: 'seed'", status=429),
        ProviderError("unsupported parameter: 'seed'", status=401),
        ProviderError("unsupported parameter: 'seed'", status=500),
        ProviderError("unsupported parameter: 'seed'", status=400, code="content_filter"),
        ProviderError("unsupported parameter: 'seed'", code="server_error"),
        ValueError("unsupported parameter: 'seed'"),
    ],
)
async def test_another_failure_is_left_as_it_is(error: Exception) -> None:
    server = Saying(error)
    with pytest.raises(type(error)) as raised:
        await opened(Adapting(), server)
    assert raised.value is error
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    "words",
    [
        "'max_tokens' or 'max_completion_tokens' is too large: 4096. This model's maximum context length is 4096 tokens and "
        "your request has 96 input tokens (4096 > 4096 - 96). None",
        "This model's maximum context length is 4096 tokens. However, you requested 4192 tokens (96 in the messages, 4096 in "
        "the completion). Please reduce the length of the messages or completion.",
        "Requested token count exceeds the model's maximum context length of 4096 tokens. You requested a total of 4192 "
        "tokens: 96 tokens from the input messages and 4096 tokens for the completion.",
        "validation error: the sum of prompt tokens (96) and max tokens (4096) must not exceed 4096",
        "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 96 `inputs` tokens and 4096 `max_new_tokens`",
    ],
)
async def test_a_long_question_leaves_room_for_a_shorter_answer(words: str) -> None:
    """For this conversation only."""
    adapting, server = Adapting(), Saying(ProviderError(words, status=400))
    assert (await opened(adapting, server)).adapted == ("max_tokens: at most 4000",)
    assert [body["max_tokens"] for body in server.bodies] == [4096, 4000]
    assert adapting.learnt("openai-chat@1", "m") == ()


async def test_a_question_that_leaves_no_room_is_too_long() -> None:
    words = "This model's maximum context length is 4096 tokens and your request has 4090 input tokens"
    server = Saying(ProviderError(words, status=400))
    with pytest.raises(ProviderError, match="4090"):
        await opened(Adapting(), server)
    assert len(server.bodies) == 1


async def test_a_template_without_a_system_role_fails_with_500_at_some_servers() -> None:
    server = Saying(ProviderError("Jinja Exception: System role not supported", status=500))
    assert (await opened(Adapting(), server)).adapted == ("system: in the first user message",)


async def test_what_the_user_wrote_for_this_very_server_is_not_changed() -> None:
    model = MODEL.model_copy(update={"extra": {"seed": 7, "reasoning": {"effort": "high"}}})
    server = Refusing("seed")
    with pytest.raises(ProviderError, match="seed"):
        await opened(Adapting(), server, model=model)
    assert len(server.bodies) == 1
    adapting = Adapting()
    await opened(adapting, server)
    # Nor is it by what another definition has taught.
    with pytest.raises(ProviderError, match="seed"):
        await opened(adapting, server, model=model)


async def test_another_form_of_one_conversation_is_not_remembered() -> None:
    def bare(body: dict[str, Any]) -> dict[str, Any]:
        made = [{"role": one["role"], "content": one["content"]} for one in body["messages"] if one["role"] != "tool"]
        return body if made == body["messages"] else body | {"messages": made}

    rewrite = Rewrite("reasoning: left out", lambda refusal: "signature" in refusal.lower, bare)
    error = said(anthropic("messages.1.content.0: Invalid `signature` in `thinking` block"))
    adapting = Adapting()
    told = await opened(adapting, Saying(error), rewrites=[rewrite])
    assert told.adapted == ("reasoning: left out",)
    assert adapting.learnt("openai-chat@1", "m") == ()
    again = Saying(error, error)
    with pytest.raises(ProviderError, match="signature"):
        await opened(adapting, again, rewrites=[rewrite])
    assert len(again.bodies) == 2


async def test_what_is_remembered_is_bounded() -> None:
    adapting = Adapting()
    for n in range(600):
        await opened(adapting, Refusing("seed"), model=ModelDefinition(use=f"openai-chat/m{n}"))
    known = [adapting.learnt("openai-chat@1", f"m{n}") != () for n in (0, 87, 88, 599)]
    assert known == [False, False, True, True]
