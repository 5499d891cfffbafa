"""The guide's pages: their order, and each of them as HTML, rendered once for a process."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from perdure.gateway.guide.markdown import Rendered

FOLDER: Final = Path(__file__).parent
#: What `python -m perdure.gateway.reference` writes stands between two such lines, which readers are not shown.
MARKER: Final = re.compile(r"^<!-- .*? -->\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Page:
    #: Of its file, and of its address below `/guide`.
    name: str
    #: In the list of pages.
    label: str

    @property
    def file(self) -> Path:
        return FOLDER / f"{self.name}.md"

    @property
    def address(self) -> str:
        return "/guide" if self is PAGES[0] else f"/guide/{self.name}"


PAGES: Final = (
    Page("start", "Start"),
    Page("tutorial", "Tutorial"),
    Page("concepts", "Concepts"),
    Page("definition", "Agent definition"),
    Page("models", "Models"),
    Page("tools", "Tools"),
    Page("knowledge", "References and skills"),
    Page("budgets", "Budgets"),
    Page("chat", "Chat page and inspector"),
    Page("workers", "Run once"),
    Page("http", "HTTP"),
    Page("events", "Events"),
    Page("openai", "OpenAI's clients"),
    Page("programs", "JavaScript and Python"),
    Page("clients", "Clients"),
    Page("ag-ui", "AG-UI"),
    Page("testing", "Testing"),
    Page("deployment", "Deployment"),
    Page("operations", "Operations"),
    Page("settings", "Settings"),
    Page("access", "Who may do what"),
    Page("security", "Security"),
)


def page_of(name: str) -> Page | None:
    return next((one for one in PAGES if one.name == name), None)


@cache
def rendered(one: Page) -> "Rendered":
    """The page as HTML."""
    # Imported here: the libraries cost a tenth of a second, and most processes never show the guide.
    from perdure.gateway.guide.markdown import render

    text = MARKER.sub("", one.file.read_text(encoding="utf-8"))
    return render(text, folder=FOLDER, resolve=resolve)


def resolve(target: str) -> str:
    """`tools.md#approvals`, as a page writes it, → `/guide/tools#approvals`."""
    file, hash_, fragment = target.partition("#")
    known = page_of(file.removesuffix(".md")) if file.endswith(".md") else None
    return target if known is None else f"{known.address}{hash_}{fragment}"
