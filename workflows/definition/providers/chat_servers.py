"""Servers that speak Chat Completions, beside OpenAI's own: their hosts, and what is known of them and of their models.

Sources: the API references and guides of the vendors, as of November 2026, and public reports of what their servers refuse.
Prices of none are known here, and no key of OpenAI's goes to any of them.
"""

from dataclasses import replace
from typing import Final

from perdure.workflows.definition.providers.dialect import Dialect
from perdure.workflows.definition.providers.known import NO_THINKING, KnownServer, Models, always_thinks, sees, thinks
from perdure.workflows.definition.providers.open_models import GPT_OSS, HYBRID, MISTRAL_MODELS

_NONE: Final = Dialect(thinking=NO_THINKING)
_BUDGETS: Final = {"low": 2048, "medium": 8192, "high": 16_384, "max": 32_768}
_SAMPLING: Final = frozenset(("temperature", "top_p"))
_SWITCH: Final = thinks("switch", off="disabled")

DEEPSEEK: Final = KnownServer(
    name="DeepSeek",
    hosts=("api.deepseek.com",),
    # Its levels are low, high and max; other words are taken for one of them.
    dialect=Dialect(
        thinking=thinks("switch", off="disabled", low="low", medium="high", high="high", max="max"),
        most_tools=128,
        reasoning_key="reasoning_content",
    ),
    models=(
        Models(r"reasoner", {"thinking": replace(NO_THINKING, always=True)}),
        Models(r"deepseek-chat", {"thinking": NO_THINKING}),
    ),
)
MOONSHOT: Final = KnownServer(
    name="Moonshot (Kimi)",
    hosts=("api.moonshot.ai", "api.moonshot.cn", "api.kimi.com"),
    dialect=replace(_NONE, most_tools=128),
    models=(
        # It sets them itself, by whether the model thinks, and refuses any other value.
        Models(r"kimi", {"refuses": _SAMPLING, "reasoning_key": "reasoning_content"}),
        Models(r"kimi-k2\.[56]", {"thinking": _SWITCH, "files": sees()}),
        Models(r"kimi-k2\.7|kimi-k2-thinking", {"thinking": replace(NO_THINKING, always=True)}),
        Models(r"kimi-k[3-9]|^k[3-9]", {"thinking": always_thinks("effort", "low", medium="high"), "files": sees()}),
        Models(r"vision", {"files": sees()}),
    ),
)
DASHSCOPE: Final = KnownServer(
    name="Alibaba Model Studio (Qwen)",
    hosts=("*.aliyuncs.com", "*.alibabacloud.com"),
    dialect=_NONE,
    models=(
        Models(
            rf"{HYBRID}|qwen-(?:plus|flash|turbo|max)",
            {"thinking": thinks("enable", off="false", **_BUDGETS)},
        ),
        Models(r"qwq|-thinking", {"thinking": always_thinks("enable", 2048, **_BUDGETS)}),
        Models(r"-vl|qvq|omni|qwen3\.[5-9]", {"files": sees()}),
    ),
)
MISTRAL: Final = KnownServer(
    name="Mistral",
    hosts=("api.mistral.ai", "codestral.mistral.ai"),
    # It always tells its usage, and refuses members that it does not know.
    dialect=replace(
        _NONE, stream_usage=False, parameters={"seed": "random_seed"}, answers_results=True, named_results=True
    ),
    models=(
        Models(r"magistral", {"thinking": replace(NO_THINKING, always=True)}),
        Models(
            r"mistral-(?:small-(?:latest|2[6-9]|[4-9])|medium-(?:26|2[7-9]|[4-9]|3[.-]5))",
            {"thinking": thinks(off="none", low="high", medium="high", high="high", max="high")},
        ),
        Models(r"pixtral|mistral-(?:small|medium|large)|devstral-small", {"files": sees(image_bytes=7_500_000)}),
    ),
)
XAI: Final = KnownServer(
    name="xAI",
    hosts=("api.x.ai",),
    # Its Responses API has no field for instructions.
    dialect=replace(_NONE, most_tools=128, instructions="system"),
    models=(
        Models(r"grok-3-mini", {"thinking": always_thinks("effort", "low", medium="high", max="high")}),
        Models(r"grok-4\.[3-9]|grok-[5-9]", {"thinking": always_thinks("effort", "low", max="high")}),
        Models(r"grok-4\.3", {"thinking": thinks(off="none", max="high")}),
        Models(r"grok-4\.[6-9]|grok-[5-9]|grok-4\.20-multi", {"thinking": always_thinks("effort", "low", max="xhigh")}),
        Models(r"grok-(?:[4-9]|build)", {"files": sees(image_bytes=15_000_000)}),
    ),
)
GROQ: Final = KnownServer(
    name="Groq",
    hosts=("api.groq.com",),
    dialect=replace(_NONE, output_limit="max_completion_tokens", most_tools=128),
    models=(
        Models(r"gpt-oss", {"thinking": GPT_OSS}),
        Models(
            r"qwen-?3", {"thinking": thinks(off="none", low="default", medium="default", high="default", max="default")}
        ),
        Models(r"llama-4", {"files": sees(image_bytes=3_000_000, most_images=5)}),
    ),
)
CEREBRAS: Final = KnownServer(
    name="Cerebras",
    hosts=("api.cerebras.ai",),
    dialect=replace(_NONE, output_limit="max_completion_tokens"),
    models=(Models(r"gpt-oss", {"thinking": GPT_OSS}), Models(r"glm|qwen", {"thinking": thinks(off="none")})),
)
GOOGLE: Final = KnownServer(
    name="Gemini (OpenAI endpoint)",
    hosts=("generativelanguage.googleapis.com", "*.aiplatform.googleapis.com", "aiplatform.googleapis.com"),
    dialect=Dialect(thinking=always_thinks("effort", "minimal", max="high"), most_tools=512, signed_calls=True),
    models=(
        Models(r"gemini-[12]\.[05]-pro|gemini-3\.?\d*-pro", {"thinking": always_thinks("effort", "low", max="high")}),
        Models(r"gemini-3-pro", {"thinking": always_thinks("effort", "low", medium="high", max="high")}),
        Models(r"gemini-2\.5-flash", {"thinking": thinks(off="none", max="high")}),
        Models(r"gemini-(?:1|2\.0)|gemma", {"thinking": NO_THINKING}),
        Models(r"gemini-[12]|gemma", {"signed_calls": False}),
        Models(r"gemini", {"files": sees(image_bytes=7_000_000)}),
    ),
)
ZAI: Final = KnownServer(
    name="Z.ai (GLM)",
    hosts=("api.z.ai", "open.bigmodel.cn"),
    dialect=Dialect(thinking=_SWITCH, most_tools=128),
    models=(
        Models(
            r"glm-5\.[2-9]|glm-[6-9]",
            {"thinking": thinks("switch", "disabled", low="high", medium="high", high="high")},
        ),
        Models(r"glm-\d(?:\.\d)?v", {"files": sees()}),
    ),
)
MINIMAX: Final = KnownServer(
    name="MiniMax",
    hosts=("api.minimax.io", "api.minimaxi.com", "api.minimax.chat"),
    dialect=Dialect(thinking=replace(NO_THINKING, always=True)),
    models=(Models(r"minimax-m[3-9]", {"thinking": _SWITCH, "files": sees()}),),
)
OPENROUTER: Final = KnownServer(
    name="OpenRouter",
    hosts=("openrouter.ai",),
    dialect=Dialect(thinking=thinks("reasoning", off="none", max="xhigh")),
    models=(
        Models(r"claude|gpt-(?:4o|4\.1|[5-9])|gemini|-vl|grok-[4-9]|kimi-k2\.[5-9]|pixtral|llama-4", {"files": sees()}),
        Models(
            r"^openai/(?:o\d|gpt-5(?!\.))|gpt-oss|fable|mythos|opus-5\.5|gemini-(?:2\.5|3[.0-9]*)-pro|grok-4\.[5-9]",
            {"thinking": replace(thinks("reasoning", off="low", max="high"), always=True)},
        ),
        Models(MISTRAL_MODELS, {"answers_results": True}),
    ),
)
TOGETHER: Final = KnownServer(
    name="Together",
    hosts=("api.together.xyz", "api.together.ai"),
    dialect=_NONE,
    models=(
        Models(HYBRID, {"thinking": thinks("reasoning", off="false", max="high")}),
        Models(r"gpt-oss", {"thinking": GPT_OSS}),
        Models(r"-vl|llama-4|kimi-k2\.[5-9]|qwen3\.[5-9]", {"files": sees()}),
    ),
)
FIREWORKS: Final = KnownServer(
    name="Fireworks",
    hosts=("api.fireworks.ai",),
    dialect=_NONE,
    models=(
        Models(HYBRID, {"thinking": thinks(off="none", max="high")}),
        Models(r"gpt-oss|minimax", {"thinking": GPT_OSS}),
        Models(r"-vl|llama4|kimi-k2p[5-9]|qwen3p[5-9]", {"files": sees()}),
    ),
)
OLLAMA: Final = KnownServer(
    name="Ollama",
    hosts=("*:11434", "ollama.com"),
    models=(
        # Templates that do not know the levels take any of them for yes.
        Models(rf"{HYBRID}|deepseek-r\d|magistral|cogito|gemma-?4", {"thinking": thinks(off="none", max="high")}),
        Models(r"gpt-oss", {"thinking": GPT_OSS}),
        Models(r"gemma-?[34]|llava|-?vl\b|vision|moondream|minicpm-v|mistral-small-?3|llama-?4", {"files": sees()}),
    ),
)

CHAT_SERVERS: Final = (
    DEEPSEEK,
    MOONSHOT,
    DASHSCOPE,
    MISTRAL,
    XAI,
    GROQ,
    CEREBRAS,
    GOOGLE,
    ZAI,
    MINIMAX,
    OPENROUTER,
    TOGETHER,
    FIREWORKS,
    OLLAMA,
)
