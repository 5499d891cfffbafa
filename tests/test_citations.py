"""What code, comments and documents cite is in the repository: a reader has nothing else."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("workflows", "activities", "gateway", "temporal")
TEXTS = {".py", ".js", ".css", ".html", ".svg", ".md", ".yaml", ".yml", ".toml", ".sh"}
#: Papers of the project's planning, which are not published. Written apart, so that this file does not name them.
UNPUBLISHED = re.compile(r"\b({})\b".format("|".join(("DESIGN", "CONTRACT", "WALLS", "STYLE"))))
DOCUMENT = re.compile(r"(?<![\w/.])[\w./-]*\w\.md\b")


@cache
def files() -> tuple[Path, ...]:
    inside = [file for room in (*ROOMS, "tests", ".ci") for file in (ROOT / room).rglob("*")]
    found = [file for file in [*ROOT.iterdir(), *inside] if file.is_file() and file.suffix in TEXTS]
    return tuple(file for file in found if "node_modules" not in file.parts)


def said(file: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of what a file says to its readers: its comments and docstrings, or all of it if it is no code."""
    text = file.read_text(encoding="utf-8")
    if file.suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring:
                yield getattr(node, "lineno", 1), docstring


@cache
def documents() -> frozenset[str]:
    return frozenset(file.name for file in files() if file.suffix == ".md")


def problems(file: Path) -> list[str]:
    whole = file.read_text(encoding="utf-8")
    if UNPUBLISHED.search(whole) is None and DOCUMENT.search(whole) is None:
        # Most code is not worth taking apart.
        return []
    return [
        f"{file.relative_to(ROOT) if file.is_relative_to(ROOT) else file.name}:{line}: {match[0]}"
        for line, text in said(file)
        for match in [*UNPUBLISHED.finditer(text), *DOCUMENT.finditer(text)]
        if not match[0].endswith(".md") or Path(match[0]).name not in documents()
    ]


def test_nothing_cites_a_document_that_is_not_here() -> None:
    # A definition may keep its instructions in a file beside it, and references; the guide and the changelog show such names.
    shown = re.compile(r": support\.md$|/knowledge\.md:\d+: ")
    found = [problem for file in files() for problem in problems(file)]
    assert [problem for problem in found if not shown.search(problem)] == []


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        ("# as NOTES.md says\n", ["NOTES.md"]),
        (f'"""The events of {"CON" "TRACT"} section 1."""\n', ["CON" "TRACT"]),
        ("x = 'NOTES.md'\n", []),
        ("# see README.md\n", []),
    ],
)  # fmt: skip
def test_what_counts_as_a_citation(tmp_path: Path, text: str, cited: list[str]) -> None:
    (tmp_path / "module.py").write_text(text)
    assert [problem.rpartition(" ")[2] for problem in problems(tmp_path / "module.py")] == cited
