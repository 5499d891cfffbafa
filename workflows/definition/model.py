"""Models as a definition names them: which one, how it is called, and what it costs."""

import operator
import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, JsonValue, Tag, model_validator

from perdure.workflows.definition.providers.dialect import Thinking
from perdure.workflows.definition.providers.table import PROVIDERS
from perdure.workflows.definition.request_rules import address_faults, extra_faults, header_faults, query_faults
from perdure.workflows.definition.tools.options import Name
from perdure.workflows.vocabulary.parts import Frozen, absent

_REFERENCE: Final = re.compile(r"\$\{\w+\}")


def _says_nothing(params: object) -> bool:
    return params == ModelParams()


class Rates(Frozen):
    """What tokens cost, in dollars a million."""

    input: float = Field(ge=0, description="Dollars a million input tokens.")
    output: float = Field(ge=0, description="Dollars a million output tokens, reasoning included.")
    cached_input: float | None = Field(
        default=None,
        ge=0,
        description="Dollars a million input tokens that the provider reads from its cache; without it, the price of input.",
    )
    cache_write: float | None = Field(
        default=None,
        ge=0,
        description="Dollars a million input tokens that the provider writes to its cache; without it, 1.25 times the price "
        "of input.",
    )


class LongInput(Rates):
    """What a whole request costs whose input is longer than `above` tokens."""

    above: int = Field(ge=1, description="Input tokens above which these rates hold for the whole request.")


class Price(Rates):
    """What a model costs, where the price list does not know it or says something else."""

    long_input: tuple[LongInput, ...] = Field(
        default=(), description="Rates for long requests; those of the highest `above` that is exceeded count."
    )


StopText = Annotated[str, Field(min_length=1)]


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class ModelParams(Frozen):
    """Parameters of a model's API, under the names that most vendors share. Those that are absent are not sent."""

    temperature: float | None = Field(
        default=None, ge=0, le=2, strict=True, allow_inf_nan=False, description="Randomness of the answer."
    )
    top_p: float | None = Field(
        default=None,
        gt=0,
        le=1,
        strict=True,
        allow_inf_nan=False,
        description="The share of likely tokens to choose from.",
    )
    seed: int | None = Field(
        default=None, strict=True, description="The same seed makes answers more alike, where a server knows it."
    )
    stop: Annotated[
        tuple[StopText, ...], BeforeValidator(_listed, json_schema_input_type=StopText | tuple[StopText, ...])
    ] = Field(default=(), max_length=16, description="Texts that end the answer where they occur; one text, or a list.")
    parallel_tool_calls: bool | None = Field(
        default=None,
        strict=True,
        description="Whether one answer may hold several tool calls. Without it, the server's default.",
    )
    service_tier: str | None = Field(default=None, min_length=1, description="The vendor's name of a tier of service.")


#: Kinds of files that some models take. Text is taken by all.
FileKind = Literal["image", "document", "audio"]


class CalledModel(Frozen):
    """A model, and how it is called."""

    use: str = Field(
        description="Provider and model, as in `anthropic/claude-sonnet-5-5`. Providers: `anthropic`, `bedrock` (Claude at "
        "Amazon Bedrock, with the extra `bedrock`), `openai` (Responses), `openai-chat` (Chat Completions, also of Ollama, "
        "vLLM and others by `base_url`), `azure` and `azure-chat` (both in Azure), `gemini`, and `demo`, which needs no key."
    )
    max_output_tokens: int = Field(
        default=4096,
        ge=1,
        le=200_000,
        description="The most tokens that one answer may have, reasoning included. Default: 4096.",
    )
    thinking: Thinking = Field(default="off", description="How much the model reasons before it answers. Default: off.")
    base_url: str | None = Field(
        default=None,
        description="The address of another server that speaks the provider's protocol, as in `http://localhost:11434/v1`. "
        "`${NAME}` stands for a variable of the environment. Without it, the provider's own server.",
    )
    api_key: str | None = Field(
        default=None,
        exclude_if=absent,
        description="The variable that holds the key for `base_url`, written as `${NAME}` and listed in `secrets`; never the "
        "key itself. Without it, only the vendor's own servers are given the vendor's key.",
    )
    headers: dict[str, str] = Field(
        default={},
        exclude_if=operator.not_,
        description="Headers of each request, as in `X-Team: shop`. `${NAME}` stands for a variable of the environment, "
        "listed in `secrets`; a key is always written so.",
    )
    query: dict[str, str] = Field(
        default={},
        exclude_if=operator.not_,
        description="Query parameters of each request, as in `api-version: 2026-01-01`. `${NAME}` stands for a variable of "
        "the environment, listed in `secrets`.",
    )
    params: ModelParams = Field(
        default=ModelParams(), exclude_if=_says_nothing, description="Parameters of the model's API."
    )
    extra: dict[str, JsonValue] = Field(
        default={},
        exclude_if=operator.not_,
        description="Further members of the request's body, as the server's API names them: records are merged, null takes a "
        "member away, anything else replaces it. The conversation, the tools and the length of an answer are not set here.",
    )
    context_window: int | None = Field(
        default=None,
        ge=1,
        exclude_if=absent,
        description="Tokens that the model can read at once. Without it, the price list says.",
    )
    files: tuple[FileKind, ...] | None = Field(
        default=None,
        exclude_if=absent,
        description="Files that the model takes beside text: `image`, `document` (PDF), `audio`; `[]` for none. Without it, "
        "what is known of the model; a model of an unknown server is shown text only.",
    )
    price: Price | None = Field(
        default=None, description="What the model costs. Without it, the price list says; a cap on cost needs a price."
    )

    @model_validator(mode="after")
    def _known_provider(self) -> Self:
        provider, _, model = self.use.partition("/")
        if provider not in PROVIDERS or not model:
            known = ", ".join(f"{name}/…" for name in PROVIDERS)
            raise ValueError(f"use: {self.use!r} names no provider of this version; write one of {known}")
        if self.api_key is not None and _REFERENCE.fullmatch(self.api_key) is None:
            # The value is not repeated: it may be the key itself.
            raise ValueError(
                "api_key: is the name of the variable that holds the key, as in ${OTHER_KEY}, and never the key itself"
            )
        if self.api_key is not None and PROVIDERS[provider].endpoint is None:
            raise ValueError(f"api_key: {provider} models take no key")
        for field, fault in self._faults():
            raise ValueError(f"{field}: {fault}")
        return self

    def _faults(self) -> Iterator[tuple[str, str]]:
        if PROVIDERS[self.provider].endpoint is None:
            for field in ("headers", "query"):
                if getattr(self, field):
                    yield field, f"{self.provider} models are not called over a network"
        if self.base_url is not None:
            yield from (("base_url", fault) for fault in address_faults(self.base_url))
        yield from (("headers", fault) for fault in header_faults(self.headers, key=self.api_key is not None))
        yield from (("query", fault) for fault in query_faults(self.query))
        yield from (("extra", fault) for fault in extra_faults(self.extra))
        if self.context_window is not None and self.context_window <= self.max_output_tokens:
            yield "context_window", "leaves no room for the question: it is not more than max_output_tokens"

    @property
    def provider(self) -> str:
        return self.use.partition("/")[0]

    @property
    def model_name(self) -> str:
        return self.use.partition("/")[2]


#: Ends of an answer after which another model may be asked, where a definition says so.
Declined = Literal["refusal", "content_filter"]
_ON: Final = (
    "Ends of an answer after which this model is asked, too: `refusal` (the model before declined to answer), "
    "`content_filter` (its provider's filter cut the answer, or refused the request). Without it, only failures of the "
    "model before count."
)


class FallbackRole(Frozen):
    """Another of the agent's roles, asked where the model before it cannot answer."""

    role: Name = Field(description="One of `models`. Its own `fallback` follows it.")
    on: tuple[Declined, ...] = Field(default=(), exclude_if=operator.not_, description=_ON)


class FallbackModel(CalledModel):
    """A model of no role, asked where the model before it cannot answer."""

    on: tuple[Declined, ...] = Field(default=(), exclude_if=operator.not_, description=_ON)

    def as_definition(self) -> "ModelDefinition":
        return ModelDefinition.model_validate(self.model_dump(exclude={"on"}))


def _entry(value: Any) -> Any:
    return {"role": value} if isinstance(value, str) else value


def _kind(value: Any) -> str:
    role = "role" in value if isinstance(value, dict) else isinstance(value, FallbackRole)
    return "FallbackRole" if role else "FallbackModel"


#: An entry of `fallback:`; a role's name alone is a `FallbackRole`.
Fallback = Annotated[
    Annotated[
        Annotated[FallbackRole, Tag("FallbackRole")] | Annotated[FallbackModel, Tag("FallbackModel")],
        Discriminator(_kind),
    ],
    BeforeValidator(_entry),
]


class ModelDefinition(CalledModel):
    """A model that the agent can use, and how it is called."""

    fallback: tuple[Fallback, ...] = Field(
        default=(),
        exclude_if=operator.not_,
        description="Models that go on with a step whose model cannot answer, in this order: roles of `models`, or models "
        "written out. They are asked where the model before is overloaded, down, too slow or unknown to its provider, where "
        "a rate limit or a quota is reached, and where a key is refused.",
    )
