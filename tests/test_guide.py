"""The guide: its generated parts match the code, its links resolve, and no markup passes through."""

import re
from html.parser import HTMLParser

import pytest

from perdure.gateway.app import create_routes
from perdure.gateway.guide.markdown import render, slug
from perdure.gateway.guide.pages import FOLDER, PAGES, Page, rendered, resolve
from perdure.gateway.openapi.reference import reference
from perdure.gateway.reference.blocks import BLOCKS, with_blocks


class _Links(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.targets: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if found := given.get("id"):
            assert found not in self.ids, f"two elements have the id {found}"
            self.ids.add(found)
        if tag == "a" and (target := given.get("href")):
            self.targets.append(target)


def html_by_address() -> dict[str, str]:
    docs = render(reference(create_routes().openapi()), folder=FOLDER, resolve=resolve)
    return {**{page.address: rendered(page).html for page in PAGES}, "/docs": docs.html}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_generated_parts_are_what_the_code_says(page: Page) -> None:
    text = page.file.read_text(encoding="utf-8")
    assert text == with_blocks(text), "write them anew with: python -m perdure.gateway.reference"


def test_every_generated_part_stands_in_a_page() -> None:
    texts = "".join(page.file.read_text(encoding="utf-8") for page in PAGES)
    assert set(re.findall(r"^<!-- (\w+): ", texts, re.MULTILINE)) == set(BLOCKS)


def test_the_pages_are_the_files() -> None:
    assert {page.name for page in PAGES} == {file.stem for file in FOLDER.glob("*.md")}
    for page in PAGES:
        assert rendered(page).title


def test_every_link_leads_somewhere() -> None:
    pages = {address: _Links(html) for address, html in html_by_address().items()}
    others = {"/", "/openapi.json"}
    dead = []
    for address, links in pages.items():
        for target in links.targets:
            place, _, fragment = target.partition("#")
            known = pages.get(place or address)
            if (known is None and place not in others) or (
                known is not None and fragment and fragment not in known.ids
            ):
                dead.append((address, target))
    assert dead == []


def test_markup_in_the_text_is_shown_and_not_passed_through() -> None:
    text = "# A\n\n<script>x</script> <b>y</b>\n\n```sh\n</code><i>\n```\n\n| <u> |\n|---|\n| [a](javascript:b) |"
    html = render(text, folder=FOLDER).html
    assert not re.search(r"<(script|b|i|u)\b", html)
    assert 'href="javascript' not in html


def test_headings_have_addresses_of_their_own() -> None:
    page = render("# Title\n\n## A `b` c\n\n### A b c\n\n##### Too deep", folder=FOLDER)
    assert page.title == "Title"
    assert [(heading.level, heading.id, heading.text) for heading in page.headings] == [
        (2, "a-b-c", "A b c"),
        (3, "a-b-c-1", "A b c"),
    ]
    assert 'aria-label="Link to A b c"' in page.html


@pytest.mark.parametrize(
    ("heading", "fragment"),
    [("POST /v1/sessions/{id}", "post-v1-sessions-id"), ("step.finished", "step-finished"), ("no_worker", "no_worker")],
)
def test_fragments(heading: str, fragment: str) -> None:
    assert slug(heading) == fragment


@pytest.mark.parametrize(
    ("target", "address"),
    [
        ("tools.md#approvals", "/guide/tools#approvals"),
        ("start.md", "/guide"),
        ("#words", "#words"),
        ("/docs", "/docs"),
        ("https://example.com/a.md", "https://example.com/a.md"),
    ],
)
def test_links_between_pages(target: str, address: str) -> None:
    assert resolve(target) == address
