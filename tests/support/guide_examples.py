"""The guide's examples: its fenced blocks, by page and language."""

import re
import shlex
from dataclasses import dataclass

from perdure.gateway.guide.pages import PAGES

_FENCE = re.compile(r"^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    page: str
    #: The line of the block's start in the page's file.
    line: int
    language: str
    code: str

    @property
    def place(self) -> str:
        return f"{self.page}.md:{self.line}"


def examples(*languages: str) -> list[Example]:
    """All blocks in these languages, page by page, in order."""
    found = []
    for page in PAGES:
        text = page.file.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(Example(page.name, line, match["language"], match["code"]))
    return [example for example in found if example.language in languages]


def commands(program: str) -> list[tuple[str, list[str]]]:
    """(place, words) of each command line that runs `program`, in shell blocks and in the text, without any variables
    set before it."""
    found = []
    for page in PAGES:
        for number, text in enumerate(page.file.read_text(encoding="utf-8").splitlines(), 1):
            for code in re.findall(rf"`{program} ([^`]*)`", text):
                # Tables show alternatives and optional parts.
                if not set(code) & {"|", "["}:
                    found.append((f"{page.name}.md:{number}", shlex.split(code)))
    for example in examples("sh"):
        for line in example.code.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words.pop(0)
            if words and words[0] == program:
                found.append((example.place, words[1:]))
    return found
