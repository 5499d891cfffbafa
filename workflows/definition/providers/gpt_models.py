"""OpenAI's models, at OpenAI and at Azure: how they think, and what they refuse.

Source: OpenAI's model pages and its guides "Reasoning" and "Latest model", as of November 2026; a public report of July 2026
tells which levels each model took when it was asked.
"""

from dataclasses import replace
from typing import Final

from perdure.workflows.definition.providers.known import NO_THINKING, Models, always_thinks, sees, thinks

_SAMPLING: Final = frozenset(("temperature", "top_p"))
#: 50 MB and 500 images a request.
_FILES: Final = sees(documents=True, image_bytes=15_000_000, fetches_urls=True, in_results=True, charge="tiles")

GPT_MODELS: Final = (
    Models(r"gpt-4o|gpt-4\.1|gpt-4\.5|gpt-4-turbo|gpt-[5-9]|(?:^|/)o[134](?!-mini)|o4-mini|chatgpt", {"files": _FILES}),
    Models(r"gpt-(?:3\.5|4)|chatgpt", {"thinking": NO_THINKING}),
    # Models of before GPT-4o know only JSON of any form.
    Models(r"gpt-3\.5|gpt-4(?!o|\.)|(?:^|/)o1-(?:mini|preview)", {"structured_output": False}),
    Models(r"(?:^|/)o\d", {"thinking": always_thinks("effort", "low", max="high"), "refuses": _SAMPLING}),
    Models(r"(?:^|/)o1-(?:mini|preview)", {"thinking": NO_THINKING, "system_role": "user", "instructions": "user"}),
    Models(r"gpt-5(?!\.\d)", {"thinking": always_thinks("effort", "minimal", max="high"), "refuses": _SAMPLING}),
    # From here on a model can be kept from thinking. Some do not think by default, later ones do.
    Models(r"gpt-5\.\d", {"thinking": thinks(off="none", max="xhigh"), "refuses_thinking": _SAMPLING}),
    Models(r"gpt-5\.1", {"thinking": thinks(off="none", max="high")}),
    Models(r"gpt-5\.[6-9]", {"thinking": thinks(off="none")}),
    Models(r"gpt-[6-9]|gpt-\d\d", {"thinking": always_thinks("effort", "low"), "refuses": _SAMPLING}),
    Models(
        r"gpt-5(?:\.1)?-codex(?!-max)",
        {"thinking": always_thinks("effort", "low", max="high"), "refuses": _SAMPLING},
    ),
    Models(
        r"gpt-5\.\d-pro",
        {"thinking": always_thinks("effort", "medium", low="medium", max="xhigh"), "refuses": _SAMPLING},
    ),
    Models(
        r"gpt-5-pro",
        {"thinking": always_thinks("effort", "high", low="high", medium="high", high="high", max="high")},
    ),
    Models(r"gpt-5(?:\.\d)?-chat", {"thinking": NO_THINKING}),
    Models(r"gpt-oss", {"thinking": always_thinks("effort", "low", max="high"), "refuses": frozenset()}),
)
_NO_TOOLS: Final = replace(thinks(off="none"), with_tools=False)
#: "Function tools with reasoning_effort are not supported … in /v1/chat/completions": from GPT-5.4 on, thinking and tools
#: exclude each other there.
GPT_MODELS_IN_CHAT: Final = (
    *GPT_MODELS,
    Models(r"gpt-5\.[45](?!-pro)", {"thinking": replace(thinks(off="none", max="xhigh"), with_tools=False)}),
    Models(r"gpt-5\.[6-9](?!-pro)", {"thinking": _NO_TOOLS}),
    Models(r"gpt-[6-9]|gpt-\d\d", {"thinking": replace(always_thinks("effort", "low"), with_tools=False)}),
    # Chat Completions takes files, but has no place for pictures in the results of tools.
    Models(r"gpt-|(?:^|/)o\d", {"files": replace(_FILES, in_results=False)}),
    Models(r"gpt-3\.5|gpt-4(?!o|\.|-turbo)|gpt-oss|o[13]-mini", {"files": sees(images=frozenset())}),
)
