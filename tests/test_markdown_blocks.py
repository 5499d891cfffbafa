"""Markdown as HTML: GitHub's dialect, formulas, and no markup of the text's own."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.gateway.markdown.blocks import LONGEST, blocks

PIECES = (
    "# Title\n",
    "A line *of* text\n",
    "and `code` on\n",
    "\n",
    "- one\n",
    "  more\n",
    "1. first\n",
    "   - below\n",
    "- [x] done\n",
    "> quoted\n",
    "| a | b |\n|---|--:|\n| 1 | 2 |\n",
    "```python\nx = 1\n```\n",
    "~~~\nplain\n",
    "\\[\nx = y\n\\]\n",
    "$$\nz\n$$\n",
    "***\n",
    "    indented\n",
    "---\n",
)
TAG = re.compile(r"<\s*/?\s*([a-z0-9]+)", re.IGNORECASE)


def html(text: str) -> str:
    return "".join(block.html for block in blocks(text))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("# a", '<h3 dir="auto">a</h3>'),
        ("a\nb", "a<br>\nb"),
        ("~~a~~ **b** *c*", "<s>a</s> <strong>b</strong> <em>c</em>"),
        ("- a\n  - b\n    - c", "<ul>\n<li"),
        ("- [x] a", 'aria-label="Done" checked'),
        ("- [ ] a", 'aria-label="To do">'),
        ("|a|\n|-:|\n|1|", '<td dir="auto" class="right">1</td>'),
        (
            "see https://a.example/b.",
            '<a href="https://a.example/b" rel="noopener noreferrer">https://a.example/b</a>.',
        ),
        (
            "![a plan](https://a.example/p.png)",
            '<a href="https://a.example/p.png" rel="noopener noreferrer">a plan</a>',
        ),
        ("&amp; &copy;", "&amp; ©"),
        ("> [!NOTE]\n> b", "markdown-alert-note"),
        ("```py\nif x:\n```", '<span class="k">if</span>'),
        ("```nosuch\nif x:\n```", ">if x:</code>"),
        ("$a^2$ and \\(b^2\\)", "<msup><mi>b</mi><mn>2</mn></msup>"),
        ("so \\[ c \\] it is", '<span class="formula" tabindex="0"><math display="block">'),
        ("$\\frac{$", '<code class="formula">\\frac{</code>'),
        ("$a$ is 5", '<p dir="auto"><math'),
        ("$$a$$ costs $5", '<p dir="auto"><span class="formula" tabindex="0"><math'),
        ("it costs $5 and $10", "it costs $5 and $10"),
        ("$5 and $6", '<p dir="auto">$5 and $6</p>'),
        ("a[^1]\n\n[^1]: b", 'class="footnotes"'),
        ("\\(a", "(a"),
    ],
)
def test_what_is_written_is_drawn(text: str, part: str) -> None:
    assert part in html(text)


def test_lists_go_three_levels_deep_and_hold_code() -> None:
    drawn = html("- a\n  - b\n    - c\n\n      ```\n      code\n      ```\n")
    assert drawn.count("<ul>") == 3
    assert drawn.index(">c<") < drawn.index("<pre") < drawn.index("</ul>")


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        '<img src=x onerror="alert(1)">',
        "[a](javascript:alert(1))",
        "[a](  JAVASCRIPT:alert(1))",
        "![a](javascript:alert(1))",
        "![a](data:text/html;base64,AA==)",
        "<javascript:alert(1)>",
        "```html\n<script>alert(1)</script>\n```",
        "$<script>alert(1)</script>$",
        "$\\href{javascript:alert(1)}{a}$",
        '```"><script>alert(1)</script>\na\n```',
        '[a](https://a.example/"onmouseover="alert(1))',
        "[a]: javascript:alert(1)\n\n[a]",
        "[^<script>]: x\n\n[^<script>]",
    ],
)
def test_markup_stays_text(text: str) -> None:
    drawn = html(text)
    assert not {"script", "img", "iframe", "style"} & {tag.lower() for tag in TAG.findall(drawn)}
    assert re.search(r"<[^>]*\son\w+=", drawn) is None
    assert re.search(r'href="\s*(javascript|data):', drawn, re.IGNORECASE) is None


@pytest.mark.parametrize("piece", ["*", "[", "`", "> ", "a](", "_a_ ", "|a", "<", "![a", "\\(", "\\[", "$x$ ", "&#1"])
def test_no_text_takes_long(piece: str) -> None:
    text = (piece * LONGEST)[:LONGEST]
    assert blocks(text)


@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_of_a_text_that_grows_only_the_last_block_changes(pieces: list[str]) -> None:
    text = "".join(pieces)
    before = blocks("".join(pieces[:-1]))
    lines = text.splitlines(keepends=True)
    start = before[-1].line if before else 0
    rest = [(block.line + start, block.html) for block in blocks("".join(lines[start:]))]
    kept = [(block.line, block.html) for block in before[:-1]]
    assert kept + rest == [(block.line, block.html) for block in blocks(text)]
