"""The frame around a page of text: header, list of pages, outline, and ways onwards."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from perdure.gateway.guide.pages import PAGES, Page

if TYPE_CHECKING:
    from perdure.gateway.guide.markdown import Rendered

_TEMPLATE: Final = Path(__file__).parent / "page.html"


def framed(page: "Rendered", here: str, before: Page | None = None, after: Page | None = None) -> str:
    """A whole HTML page. `here` is its address."""
    contents = [(one.address, one.label) for one in PAGES]
    return _template().render(
        title=page.title,
        # The renderer lets no markup of the text through.
        body=Markup(page.html),
        headings=page.headings,
        contents=contents,
        here=here,
        before=before,
        after=after,
    )


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=False)
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
