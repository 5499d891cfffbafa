"""Runs axe, which checks pages for people who use a keyboard, a screen reader or high contrast."""

from pathlib import Path
from typing import Final, Literal

from playwright.async_api import Page

from tests.support.needs import missing

_AXE: Final = Path(__file__).parent.parent / "clients" / "node_modules" / "axe-core" / "axe.min.js"
_SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
_GRAVE: Final = """
async () => {
  const { violations } = await axe.run(document, { resultTypes: ['violations'] });
  const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  return grave.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id} at ${target}: ${failureSummary}`));
}
"""


async def grave_faults(page: Page, state: str) -> list[str]:
    """What axe finds on the page of serious or critical impact, in light and in dark; `state` says what is open there."""
    if not _AXE.exists():
        missing("axe-core")
    # By the devtools protocol, which the page's content security policy does not bind.
    await page.evaluate(_AXE.read_text(encoding="utf-8"))
    found: list[str] = []
    for scheme in _SCHEMES:
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found += [f"{state}, {scheme}: {fault}" for fault in await page.evaluate(_GRAVE)]
    await page.emulate_media(color_scheme="light", reduced_motion="no-preference")
    return found
