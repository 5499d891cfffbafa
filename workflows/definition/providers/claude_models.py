"""Claude models, by whoever serves them: how they think, and what they refuse.

Source: Anthropic's pages "Thinking", "Effort", "Vision", "What's new in Claude Opus 5.5" and those of its siblings, as of
November 2026.
"""

from dataclasses import replace
from typing import Final

from perdure.workflows.definition.providers.dialect import FilesDialect
from perdure.workflows.definition.providers.known import NO_THINKING, Models, always_thinks, sees, thinks

#: What a level stands for where the model takes a number of tokens to think with.
_BUDGETS: Final = {"low": 2048, "medium": 8192, "high": 16_384, "max": 32_768}
_SAMPLING: Final = frozenset(("temperature", "top_p"))

#: 100 images a request, or 20 of more than 2000 pixels; 5 MB each, in base64; 32 MB in all.
CLAUDE_FILES: Final[FilesDialect] = sees(documents=True, image_bytes=3_750_000, in_results=True, fetches_urls=True)

#: Names as Anthropic has them (`claude-opus-4-6`), and as Bedrock (`us.anthropic.claude-opus-4-6-v1:0`), Vertex
#: (`claude-opus-4-6@…`) and OpenRouter (`anthropic/claude-opus-4.6`) do.
CLAUDE_MODELS: Final = (
    Models(r"claude", {"files": CLAUDE_FILES}),
    Models(r"claude-(?:3-(?:opus|sonnet|haiku)|3[-.]5|2|instant)", {"thinking": NO_THINKING}),
    Models(
        r"claude-(?:3[-.]7|(?:opus|sonnet)-4(?:[-.][01])?(?![-.]?\d(?!\d{4}))|(?:opus|sonnet|haiku)-4[-.]5)",
        {"thinking": thinks("budget", **_BUDGETS), "refuses_thinking": _SAMPLING},
    ),
    # Models of before Claude Sonnet 4.5 cannot be kept to a schema.
    Models(
        r"claude-(?:3|2|instant|(?:opus|sonnet)-4(?:[-.]0)?(?![-.]?\d(?!\d{4})))",
        {"structured_output": False},
    ),
    # `max` is known from here on; before, `high` is the most.
    Models(r"claude-(?:opus|sonnet)-4[-.]6", {"thinking": thinks(), "refuses_thinking": _SAMPLING}),
    Models(r"claude-opus-4[-.][78]", {"thinking": thinks(), "refuses": _SAMPLING}),
    # They think unless they are told not to.
    Models(r"claude-(?:opus|sonnet|haiku)-(?:[5-9]|\d\d)", {"thinking": thinks(off="disabled"), "refuses": _SAMPLING}),
    Models(r"claude-sonnet-5[-.]5", {"thinking": thinks(off="between_tools")}),
    # They think always. The least effort is the least that can be had.
    Models(
        r"claude-(?:opus-5[-.]5|fable|mythos)",
        {"thinking": always_thinks("effort", "low"), "refuses": _SAMPLING},
    ),
)
#: Elsewhere, a page that the vendor would have to fetch may not be reachable.
CLAUDE_ELSEWHERE: Final = (*CLAUDE_MODELS, Models(r"claude", {"files": replace(CLAUDE_FILES, fetches_urls=False)}))
