"""Servers that speak OpenAI's Responses, beside OpenAI's own.

Sources: the pages on the Responses API of xAI, DeepSeek, OpenRouter, Groq and Alibaba, as of November 2026.
"""

from dataclasses import replace
from typing import Final

from perdure.workflows.definition.providers.chat_servers import XAI
from perdure.workflows.definition.providers.dialect import Dialect
from perdure.workflows.definition.providers.known import NO_THINKING, KnownServer, Models, sees, thinks
from perdure.workflows.definition.providers.open_models import GPT_OSS, HYBRID

RESPONSES_SERVERS: Final = (
    XAI,
    KnownServer(
        name="DeepSeek",
        hosts=("api.deepseek.com",),
        dialect=Dialect(thinking=thinks(off="none", medium="high")),
    ),
    KnownServer(
        name="OpenRouter",
        hosts=("openrouter.ai",),
        models=(Models(r"claude|gpt-(?:4o|4\.1|[5-9])|gemini|grok-[4-9]", {"files": sees()}),),
    ),
    KnownServer(
        name="Groq",
        hosts=("api.groq.com",),
        dialect=replace(Dialect(), thinking=NO_THINKING, most_tools=128),
        models=(Models(r"gpt-oss", {"thinking": GPT_OSS}),),
    ),
    KnownServer(
        name="Ollama",
        hosts=("*:11434",),
        models=(
            Models(HYBRID, {"thinking": thinks(off="none", max="high")}),
            Models(r"gpt-oss", {"thinking": GPT_OSS}),
        ),
    ),
)
