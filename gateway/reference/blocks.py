"""Blocks of the guide that the code writes: references made from the records themselves, so they cannot drift.

In a page, a block stands between `<!-- NAME: … -->` and `<!-- end -->`.
"""

import re
from collections.abc import Callable
from typing import Final

from perdure.gateway.guide.pages import PAGES
from perdure.gateway.reference import calls, definition, events, problems, routes, scopes, settings

BLOCKS: Final[dict[str, Callable[[], str]]] = {
    "calls": calls.reference,
    "definition": definition.reference,
    "events": events.reference,
    "problems": problems.reference,
    "routes": routes.reference,
    "scopes": scopes.reference,
    "settings": settings.reference,
}
_BLOCK: Final = re.compile(r"^(<!-- (?P<name>\w+): .*? -->\n).*?^(<!-- end -->\n)", re.MULTILINE | re.DOTALL)


def with_blocks(text: str) -> str:
    """The page `text` with each of its blocks as the code has it now."""
    return _BLOCK.sub(lambda found: f"{found[1]}\n{BLOCKS[found['name']]().strip()}\n\n{found[3]}", text)


def write() -> list[str]:
    """Writes all blocks anew. Returns the names of the pages that changed."""
    changed = []
    for page in PAGES:
        before = page.file.read_text(encoding="utf-8")
        after = with_blocks(before)
        if after != before:
            page.file.write_text(after, encoding="utf-8")
            changed.append(page.name)
    return changed
