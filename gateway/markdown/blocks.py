"""Answers as HTML, block by block: GitHub's Markdown, highlighted code, formulas, footnotes.

Rule 1: markup in a text is shown, never passed through; what goes out is cleaned once more by a list of what may.
Rule 2: nothing is loaded from other hosts, so a picture is a link.
Rule 3: as a text grows, only its last block changes. So a page that has the blocks before it asks for the rest alone.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from html import escape
from typing import Any, Final

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from mdit_py_plugins.gfm import gfm_plugin

from perdure.gateway.markdown.formulas import bracketed, dollars, formula
from perdure.gateway.markdown.highlighting import highlighted
from perdure.gateway.markdown.tables import SCROLLING

#: As the library writes the box of a task.
_BOX: Final = '<input class="task-list-item-checkbox" disabled="" type="checkbox"'
#: By how many levels headings are lowered: the page has its own of the first two.
_LOWERED: Final = 2
#: Blocks whose direction follows what is written in them.
_DIRECTED: Final = frozenset(
    ["paragraph_open", "heading_open", "list_item_open", "blockquote_open", "td_open", "th_open"]
)
#: Each may open a link, and each has all behind it read.
_MOST_BRACKETS: Final = 4_000
#: Characters of a text.
LONGEST: Final = 100_000
_ALIGNED: Final = "text-align:"


@dataclass(frozen=True, slots=True)
class Block:
    #: Where it begins in the text, from 0.
    line: int
    html: str


@lru_cache(maxsize=256)
def blocks(text: str) -> tuple[Block, ...]:
    """The blocks of `text`, in order. One that would take long to read, for its brackets, is a block as it is written."""
    if text.count("[") > _MOST_BRACKETS:
        return (Block(0, f'<p dir="auto">{escape(text)}</p>'),)
    markdown = _parser()
    env: dict[str, Any] = {"docId": hashlib.sha256(text.encode()).hexdigest()[:10]}
    tokens = markdown.parse(text, env)
    found: list[Block] = []
    for group in _groups(tokens):
        for token in group:
            _adapt(token)
        html = _CLEANER.clean(_labelled(markdown.renderer.render(group, markdown.options, env)))
        place = group[0].map
        if place is None and found:
            # Footnotes have no place of their own.
            found[-1] = Block(found[-1].line, found[-1].html + html)
        else:
            found.append(Block(place[0] if place is not None else 0, html))
    return tuple(found)


def _groups(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """The tokens of each block that stands within no other."""
    group: list[Token] = []
    depth = 0
    for token in tokens:
        group.append(token)
        depth += token.nesting
        if depth == 0:
            yield group
            group = []


def _labelled(html: str) -> str:
    """With a word for each box of a task list, for those who do not see it. No text can look like one, for it is escaped."""
    return html.replace(f"{_BOX} checked", f'{_BOX} aria-label="Done" checked').replace(
        f"{_BOX}>", f'{_BOX} aria-label="To do">'
    )


def _adapt(token: Token) -> None:
    if token.type in _DIRECTED:
        token.attrSet("dir", "auto")
    if token.type in ("heading_open", "heading_close"):
        token.tag = f"h{min(int(token.tag[1]) + _LOWERED, 6)}"
    style = str(token.attrGet("style") or "")
    if style.startswith(_ALIGNED):
        token.attrs.pop("style")
        token.attrJoin("class", style.removeprefix(_ALIGNED))


@cache
def _parser() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "breaks": True})
    markdown.use(gfm_plugin)
    markdown.use(dollars)
    markdown.use(bracketed)
    for name, rule in _RULES.items():
        markdown.add_render_rule(name, rule)
    return markdown


def _fence(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: dict[str, Any]) -> str:
    token = tokens[index]
    language = token.info.split()[0] if token.info.strip() else ""
    label = escape(language, quote=True)
    named = f"Code, {label}" if label else "Code"
    code = highlighted(token.content, language.lower()).removesuffix("\n")
    return f'<pre tabindex="0" aria-label="{named}" data-language="{label}"><code class="code">{code}</code></pre>\n'


def _image(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: dict[str, Any]) -> str:
    token = tokens[index]
    source = escape(str(token.attrGet("src")), quote=True)
    return f'<a href="{source}">{escape(token.content) or source}</a>'


def _formula(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: dict[str, Any]) -> str:
    return formula(tokens[index].content, block=False)


def _formula_line(
    self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: dict[str, Any]
) -> str:
    return f'<span class="formula" tabindex="0">{formula(tokens[index].content, block=True)}</span>'


def _formula_block(
    self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: dict[str, Any]
) -> str:
    return f'<div class="formula" tabindex="0">{formula(tokens[index].content, block=True)}</div>\n'


_RULES: Final[dict[str, Any]] = {
    "fence": _fence,
    "code_block": _fence,
    "image": _image,
    "math_inline": _formula,
    "math_inline_double": _formula_line,
    "math_block": _formula_block,
    "math_block_label": _formula_block,
    **SCROLLING,
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: What may go out: tags, and the attributes of MathML.
_MATHML: Final = _words(
    """
    math mrow mi mn mo mtext mspace ms mfrac msqrt mroot mstyle merror mpadded mphantom menclose msub msup msubsup munder
    mover munderover mmultiscripts mtable mtr mtd
    """
)
_TAGS: Final = _MATHML | _words(
    "p h3 h4 h5 h6 ul ol li blockquote pre code em strong s a br hr table thead tbody tr th td div span sup section input"
)
_OF_MATH: Final = _words(
    """
    display mathvariant stretchy fence separator form lspace rspace minsize maxsize accent linethickness columnalign
    rowspacing columnspacing width height depth scriptlevel displaystyle notation
    """
)
_ATTRIBUTES: Final = {
    "*": {"class", "dir", "id", "tabindex", "aria-label"},
    "a": {"href"},
    "ol": {"start"},
    "pre": {"data-language"},
    "input": {"checked", "disabled"},
    **{tag: set(_OF_MATH) for tag in _MATHML},
}
_CLEANER: Final = nh3.Cleaner(
    tags=set(_TAGS),
    attributes=_ATTRIBUTES,
    tag_attribute_values={"input": {"type": {"checkbox"}}},
    url_schemes={"http", "https", "mailto"},
    link_rel="noopener noreferrer",
)
