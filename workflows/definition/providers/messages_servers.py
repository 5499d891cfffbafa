"""Servers that speak Anthropic's Messages, beside Anthropic's own: clouds that serve Claude, and makers of other models.

Sources: the pages on the Messages API of Amazon Bedrock, Google Cloud, DeepSeek, Moonshot, Z.ai, MiniMax and Alibaba, as of
November 2026.
"""

from dataclasses import replace
from typing import Final

from perdure.workflows.definition.providers.claude_models import CLAUDE_ELSEWHERE
from perdure.workflows.definition.providers.dialect import Dialect
from perdure.workflows.definition.providers.known import NO_THINKING, KnownServer, Models, always_thinks, sees, thinks

#: Neither knows the mark for a whole request, only those on blocks.
_CLOUD: Final = Dialect(caching="blocks", calls_without_tools=False)
_SWITCH: Final = thinks("switch", off="disabled")

MESSAGES_SERVERS: Final = (
    KnownServer(
        name="Amazon Bedrock",
        hosts=("*.amazonaws.com", "*.api.aws"),
        dialect=_CLOUD,
        models=CLAUDE_ELSEWHERE,
    ),
    KnownServer(
        name="Google Cloud",
        hosts=("aiplatform.googleapis.com", "*.aiplatform.googleapis.com", "*-aiplatform.googleapis.com"),
        dialect=_CLOUD,
        models=CLAUDE_ELSEWHERE,
    ),
    KnownServer(
        name="Microsoft Foundry",
        hosts=("*.services.ai.azure.com",),
        dialect=replace(_CLOUD, caching="request"),
        models=CLAUDE_ELSEWHERE,
    ),
    KnownServer(
        name="DeepSeek",
        hosts=("api.deepseek.com",),
        dialect=Dialect(
            thinking=thinks("switch", off="disabled", low="low", medium="high", high="high", max="max"),
            reasoning_key="thinking",
        ),
    ),
    KnownServer(
        name="Moonshot (Kimi)",
        hosts=("api.moonshot.ai", "api.moonshot.cn", "api.kimi.com"),
        dialect=Dialect(thinking=_SWITCH, refuses=frozenset(("temperature", "top_p"))),
        models=(
            Models(r"kimi-k2\.7|thinking", {"thinking": replace(NO_THINKING, always=True)}),
            Models(r"kimi-k[3-9]|^k[3-9]", {"thinking": always_thinks("switch", "low", medium="high")}),
            Models(r"kimi-k2\.[5-9]|kimi-k[3-9]", {"files": sees()}),
        ),
    ),
    KnownServer(name="Z.ai (GLM)", hosts=("api.z.ai", "open.bigmodel.cn"), dialect=Dialect(thinking=_SWITCH)),
    KnownServer(
        name="MiniMax",
        hosts=("api.minimax.io", "api.minimaxi.com"),
        dialect=Dialect(thinking=replace(NO_THINKING, always=True)),
        models=(Models(r"minimax-m[3-9]", {"thinking": _SWITCH}),),
    ),
    KnownServer(
        name="Alibaba Model Studio (Qwen)",
        hosts=("*.aliyuncs.com",),
        # "Only 'enabled' and 'disabled' are supported for thinking".
        dialect=Dialect(thinking=thinks("budget", off="disabled", low=2048, medium=8192, high=16_384, max=32_768)),
    ),
    KnownServer(
        name="OpenRouter",
        hosts=("openrouter.ai",),
        dialect=Dialect(caching="request", calls_without_tools=False),
        models=CLAUDE_ELSEWHERE,
    ),
)
