"""How providers differ where they speak the same kind of API: strict tools, their limits, and names of fields."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

#: How much a model reasons before it answers.
Thinking = Literal["off", "low", "medium", "high", "max"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StrictTools:
    """What strict mode, which keeps a model to a tool's JSON Schema, can express at a provider."""

    #: What one request may hold, all its strict tools together; a tool that would exceed a limit is sent plain.
    tools: int
    optional_properties: int
    unions: int
    properties: int
    #: Levels of nesting.
    depth: int
    #: Values of one `enum`.
    enum_values: int
    #: Every property has to be required, so an optional one takes null.
    all_required: bool = False
    #: A definition may contain itself.
    recursion: bool = False
    #: Keywords that are enforced. Others are told in the description.
    keywords: frozenset[str] = frozenset()
    #: Values of `minItems` that are enforced although the keyword is not among `keywords`.
    min_items: tuple[int, ...] = ()
    #: Values of `format` that are enforced.
    formats: frozenset[str] = frozenset()


#: How a thinking level goes into a request.
#: `none`: not at all. `effort`: a level by its name, in the field that the API has for it (`reasoning_effort` in Chat
#: Completions, `reasoning.effort` in Responses, `output_config.effort` beside adaptive thinking in Messages).
#: `budget`: a number of tokens (`thinking.budget_tokens` in Messages, `thinkingConfig.thinkingBudget` at Gemini).
#: `level`: `thinkingConfig.thinkingLevel` at Gemini. `switch`: on or off (`thinking: {type}`), beside an effort where the
#: vendor has words for levels. `enable`: `enable_thinking`, beside a `thinking_budget`. `template`: `chat_template_kwargs`
#: of servers that people run themselves. `think`: Ollama's `think`. `reasoning`: a `reasoning` object with an effort, or
#: `enabled`, as at OpenRouter.
ThinkingForm = Literal["none", "effort", "budget", "level", "switch", "enable", "template", "think", "reasoning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkingDialect:
    form: ThinkingForm = "effort"
    #: The vendor's word, or number of tokens, for each level. A level that is missing goes by its own name.
    levels: Mapping[Thinking, str | int] = field(default_factory=dict)
    #: What is sent for `off`. None: nothing, because the model does not think unless it is asked to, or nobody knows.
    off: str | int | None = None
    #: The model always thinks: `off` is the least that it can.
    always: bool = False
    #: Tools and an effort of thinking exclude each other, so that a request with tools is sent with `none`.
    with_tools: bool = True


#: How vendors count the tokens of a picture: `area` by its pixels (Anthropic), `tiles` and `crops` by the squares that cover
#: it (OpenAI, Gemini). `workflows/core/media_tokens.py` has the formulas.
ImageCharge = Literal["area", "tiles", "crops"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesDialect:
    """Media that a model takes, and their limits. Texts are not listed: every model takes them as text."""

    #: Media types, such as `image/png`.
    images: frozenset[str] = frozenset()
    documents: frozenset[str] = frozenset()
    audio: frozenset[str] = frozenset()
    #: Of one image: bytes before base64, and pixels of its longer edge.
    image_bytes: int = 5_000_000
    image_edge: int = 2000
    #: Of one document or sound.
    document_bytes: int = 20_000_000
    #: Of one request.
    most_images: int = 20
    #: The vendor fetches `https:` addresses of images itself.
    fetches_urls: bool = False
    #: The result of a tool may hold images. Elsewhere they follow in a user turn.
    in_results: bool = False
    #: How tokens of a picture are counted.
    charge: ImageCharge = "area"


#: How prompt caching is asked for. `automatic`: the server caches by itself. `request`: one mark for the whole request
#: (`cache_control` at the top level of Messages). `blocks`: marks on blocks.
Caching = Literal["automatic", "request", "blocks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    #: None: strict mode is not used.
    strict: StrictTools | None = None
    #: An array in a schema has to say what its items are.
    array_items: bool = False
    #: The field of a Chat Completions request that limits the tokens of an answer.
    output_limit: str = "max_tokens"
    thinking: ThinkingDialect = ThinkingDialect()
    #: The role of the instructions in Chat Completions. `user`: the model knows no other.
    system_role: Literal["system", "developer", "user"] = "system"
    #: In Responses, what the instructions are: the field for them, or a message with this role.
    instructions: Literal["field", "system", "developer", "user"] = "field"
    #: `stream_options: {include_usage: true}` is understood.
    stream_usage: bool = True
    #: Tools that one request may offer. None: unknown, or unlimited.
    most_tools: int | None = None
    #: A request without tools may hold calls and results of before.
    calls_without_tools: bool = True
    #: Reasoning goes back to the server that gave it: with every message (in Chat Completions, with every one that called
    #: tools), only within a turn whose tool loop is open, or never.
    reasoning_back: Literal["always", "loop", "never"] = "always"
    #: In Responses, reasoning that can be read, without encrypted content, may go back, too.
    open_reasoning: bool = True
    #: At Google, the first call of an answer has to bear a thought signature.
    signed_calls: bool = False
    #: What the server misses of a message that called tools, also where the message has no reasoning: `reasoning_content` of
    #: DeepSeek and Kimi in Chat Completions while they think, and a block of `thinking` of DeepSeek in Messages.
    reasoning_key: str | None = None
    #: In Chat Completions, `content` is null where a message has calls and no text. Else it is an empty text.
    null_content: bool = False
    #: In Chat Completions, no user message may stand right behind the results of tools (Mistral).
    answers_results: bool = False
    #: In Chat Completions, the result of a tool bears the tool's name.
    named_results: bool = False
    caching: Caching = "automatic"
    #: The model can be kept to a JSON Schema for its whole answer.
    structured_output: bool = False
    #: Also where the request offers tools.
    structured_with_tools: bool = True
    #: Only to a schema that strict mode can express in full.
    structured_strictly: bool = False
    files: FilesDialect = FilesDialect()
    #: Places in the body for fields of `ModelParams`, where they are other than their provider has them.
    parameters: Mapping[str, str] = field(default_factory=dict)
    #: Fields of `ModelParams` that the model is known to refuse, and those that it refuses while it thinks.
    refuses: frozenset[str] = frozenset()
    refuses_thinking: frozenset[str] = frozenset()

    def refused(self, thinking: Thinking) -> frozenset[str]:
        """Fields of `ModelParams` that are not sent at this level."""
        return self.refuses if thinking == "off" else self.refuses | self.refuses_thinking


#: For servers of which nothing is known beyond the API that they speak.
PLAIN: Final = Dialect()

#: Formats that strict mode enforces wherever it enforces any.
FORMATS: Final = frozenset(("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"))
