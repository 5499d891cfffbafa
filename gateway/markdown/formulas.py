"""LaTeX as MathML, which browsers draw themselves, and the brackets `\\(…\\)` and `\\[…\\]` that models put around it."""

from html import escape
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.dollarmath.index import math_inline_dollar

#: Characters. A longer formula is shown as it is written.
_LONGEST: Final = 2_000
#: Type of token, by what opens and what closes it.
_INLINE: Final = {"\\(": ("\\)", "math_inline"), "\\[": ("\\]", "math_inline_double")}


def formula(latex: str, *, block: bool) -> str:
    """MathML of `latex`; what is no LaTeX that can be drawn stays as it is written. `block`: on a line of its own."""
    latex = latex.strip()
    if len(latex) <= _LONGEST:
        # Most texts have no formula.
        from latex2mathml.converter import convert

        try:
            return str(convert(latex, display="block" if block else "inline"))
        except Exception:
            # The library has dozens of its own, and whichever it is, the formula stays as it is written.
            pass
    return f'<code class="formula">{escape(latex)}</code>'


def dollars(markdown: MarkdownIt) -> None:
    """A plugin: `$…$` and `$$…$$` make formulas, but not sums of money."""
    markdown.use(dollarmath_plugin, allow_space=False, allow_digits=False, allow_blank_lines=False)
    rule = math_inline_dollar(allow_space=False, allow_digits=False, allow_double=True)

    def inline(state: StateInline, silent: bool) -> bool:
        if state.pos:
            return rule(state, silent)
        # For what stands before the first character, the rule looks at the last one: `$x$ is 5` were no formula.
        text, state.src = state.src, f"{state.src} "
        try:
            return rule(state, silent)
        finally:
            state.src = text

    markdown.inline.ruler.at("math_inline", inline)


def bracketed(markdown: MarkdownIt) -> None:
    """A plugin: the brackets make formulas, wherever they stand."""
    markdown.inline.ruler.before("escape", "bracketed", _inline)
    markdown.block.ruler.before("fence", "bracketed", _block, {"alt": ["paragraph", "reference", "blockquote", "list"]})


def _inline(state: StateInline, silent: bool) -> bool:
    opens = state.src[state.pos : state.pos + 2]
    if opens not in _INLINE:
        return False
    closes, kind = _INLINE[opens]
    begins = state.pos + 2
    ends = state.src.find(closes, begins, min(begins + _LONGEST, state.posMax))
    if ends < 0 or not state.src[begins:ends].strip():
        return False
    if not silent:
        state.push(kind, "math", 0).content = state.src[begins:ends]
    state.pos = ends + 2
    return True


def _block(state: StateBlock, start: int, last: int, silent: bool) -> bool:
    begins = state.bMarks[start] + state.tShift[start]
    if state.is_code_block(start) or not state.src.startswith("\\[", begins):
        return False
    ends = state.src.find("\\]", begins + 2, min(begins + 2 + _LONGEST, state.eMarks[last - 1]))
    if ends < 0 or state.src[ends + 2 : _end_of_line(state.src, ends)].strip():
        return False
    if not silent:
        token = state.push("math_block", "math", 0)
        token.content = state.src[begins + 2 : ends]
        token.map = [start, start + state.src.count("\n", begins, ends) + 1]
    state.line = start + state.src.count("\n", begins, ends) + 1
    return True


def _end_of_line(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found
