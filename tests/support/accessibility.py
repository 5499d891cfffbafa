"""Runs axe, which checks pages for people who use a keyboard, a screen reader or high contrast."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from playwright.async_api import Page

from tests.support.needs import missing

AXE: Final = Path(__file__).parent.parent / "clients" / "node_modules" / "axe-core" / "axe.min.js"
_SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
_FIND: Final = """
async (rules) => {
  const only = rules === null ? {} : { runOnly: { type: 'rule', values: rules } };
  const { violations } = await axe.run(document, { resultTypes: ['violations'], ...only });
  const told = ({ target, failureSummary }) => `${target}: ${failureSummary.replaceAll(/\\s+/g, ' ')}`;
  // Which levels of headings an answer has is up to whoever wrote it.
  const written = ({ id }, { target }) => id === 'heading-order' && document.querySelector(target.at(-1))?.closest('.answer');
  return violations.flatMap((rule) =>
    rule.nodes.filter((node) => !written(rule, node)).map((node) => `${rule.id} (${rule.impact}) at ${told(node)}`),
  );
}
"""


async def faults_of(page: Page, state: str, rules: Sequence[str] | None = None) -> list[str]:
    """All that axe finds on the page as it is; `state` says what is open there. `rules`: these alone, by axe's names."""
    if not await page.evaluate("'axe' in globalThis"):
        # By the devtools protocol, which the page's content security policy does not bind.
        await page.evaluate(AXE.read_text(encoding="utf-8"))
    return [f"{state}: {fault}" for fault in await page.evaluate(_FIND, rules)]


async def grave_faults(page: Page, state: str) -> list[str]:
    """What axe finds there of serious or critical impact, in light and in dark, for tests of states without a picture."""
    if not AXE.exists():
        missing("axe-core")
    found: list[str] = []
    for scheme in _SCHEMES:
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found += await faults_of(page, f"{state}, {scheme}")
    await page.emulate_media(color_scheme="light", reduced_motion="no-preference")
    return [fault for fault in found if "(serious)" in fault or "(critical)" in fault]
