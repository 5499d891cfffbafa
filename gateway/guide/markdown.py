"""The guide's Markdown as HTML: headings that link to themselves, highlighted code, tables that scroll, drawings inline.

Markup in the text is shown, never passed through, so nothing that a page quotes can become a tag.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from mdit_py_plugins.anchors import anchors_plugin

from perdure.gateway.markdown.highlighting import highlighted
from perdure.gateway.markdown.tables import SCROLLING

#: From a link's target as a page writes it to the address that the gateway serves.
Resolve = Callable[[str], str]

#: Headings down to this level can be linked to.
_DEEPEST: Final = 4
_BETWEEN: Final = re.compile(r"[^a-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    #: The fragment of its address.
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Rendered:
    #: The text of the first heading of level 1; empty where there is none.
    title: str
    html: str
    #: All but the title, in order.
    headings: tuple[Heading, ...]


def render(text: str, *, folder: Path, resolve: Resolve = str) -> Rendered:
    """Renders one page. SVG images are read from `folder` and put inline, so that they follow the page's colours."""
    markdown = _parser()
    tokens = markdown.parse(text)
    headings = tuple(_headings(tokens))
    html = markdown.renderer.render(tokens, markdown.options, {"folder": folder, "resolve": resolve})
    title = next((heading.text for heading in headings if heading.level == 1), "")
    return Rendered(title, html, tuple(heading for heading in headings if heading.level > 1))


def render_inline(text: str) -> str:
    """One line of Markdown, without a paragraph around it."""
    return str(_parser().renderInline(text, {"folder": Path(), "resolve": str}))


def slug(text: str) -> str:
    """A heading's fragment: `POST /v1/sessions` → `post-v1-sessions`."""
    return _BETWEEN.sub("-", text.lower()).strip("-")


def _parser() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    markdown.use(anchors_plugin, max_level=_DEEPEST, slug_func=slug)
    for name, rule in _RULES.items():
        markdown.add_render_rule(name, rule)
    return markdown


def _headings(tokens: Sequence[Token]) -> list[Heading]:
    return [
        Heading(int(token.tag[1]), str(token.attrGet("id") or ""), _plain(tokens[index + 1]))
        for index, token in enumerate(tokens)
        if token.type == "heading_open" and int(token.tag[1]) <= _DEEPEST
    ]


def _plain(inline: Token) -> str:
    return "".join(token.content for token in inline.children or () if token.type in ("text", "code_inline"))


def _heading_close(
    self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: dict[str, Any]
) -> str:
    opening = tokens[index - 2]
    fragment = opening.attrGet("id")
    level = int(opening.tag[1])
    if fragment is None or level == 1:
        return f"</{opening.tag}>\n"
    label = escape(f"Link to {_plain(tokens[index - 1])}", quote=True)
    return f' <a class="anchor" href="#{fragment}" aria-label="{label}">#</a></{opening.tag}>\n'


def _link_open(
    self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: dict[str, Any]
) -> str:
    token = tokens[index]
    target = env["resolve"](str(token.attrGet("href")))
    token.attrSet("href", target)
    if "://" in target:
        token.attrSet("rel", "noopener")
    return self.renderToken(tokens, index, options, env)


def _image(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: dict[str, Any]) -> str:
    token = tokens[index]
    source = str(token.attrGet("src"))
    return f'<span class="drawing" tabindex="0">{(env["folder"] / source).read_text(encoding="utf-8").strip()}</span>'


def _fence(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: dict[str, Any]) -> str:
    token = tokens[index]
    language = token.info.split()[0] if token.info.strip() else ""
    return f'<pre tabindex="0"><code class="code">{highlighted(token.content, language)}</code></pre>\n'


_RULES: Final[dict[str, Any]] = {
    "heading_close": _heading_close,
    "link_open": _link_open,
    "image": _image,
    "fence": _fence,
    **SCROLLING,
}
