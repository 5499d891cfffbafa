"""Token counts of the Gemini API. Pure and total.

Rule: `promptTokenCount` includes what was read from a cache. What the server's own tools added to the prompt, and thoughts,
stand beside it.
"""

from perdure.activities.models.token_counts import number
from perdure.activities.models.wires.gemini_parts import member
from perdure.workflows.vocabulary.parts import Usage


def counts(metadata: object) -> Usage | None:
    """The counts in a response's `usageMetadata`. None: it holds none."""
    if not isinstance(metadata, dict):
        return None
    read = number(member(metadata, "promptTokenCount")) + number(member(metadata, "toolUsePromptTokenCount"))
    written, thought = (number(member(metadata, f"{name}TokenCount")) for name in ("candidates", "thoughts"))
    total = number(member(metadata, "totalTokenCount"))
    # Some proxies count thoughts among the candidates' tokens.
    output = written if total and thought <= written and read + written == total else written + thought
    found = Usage(
        input_tokens=read,
        cached_tokens=min(number(member(metadata, "cachedContentTokenCount")), read),
        output_tokens=max(output, total - read) if total else output,
        reasoning_tokens=thought,
    )
    return found if found != Usage() else None
