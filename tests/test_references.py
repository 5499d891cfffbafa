"""References: what is read from disk, what is refused, what the digest covers, and what the tools answer."""

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from perdure.activities.shipped.passages import PassageIndex, passages
from perdure.activities.tools.document_reading import DocumentReading
from perdure.temporal.definitions.document_files import MAX_FILE_BYTES, MAX_FILES
from perdure.temporal.definitions.library import Document
from perdure.temporal.definitions.store import Definitions
from perdure.temporal.stores.blobs import LocalBlobs
from perdure.workflows.definition.documents import References
from perdure.workflows.definition.tools.documents import LISTED, PAGE, SPECS
from perdure.workflows.protocol.document_activities import ReadDocumentsInput

REFUNDS = """---
title: "Refunds: who and when"
description: What we pay back
---
# Refunds

Undelivered orders are refunded in full.

## Late orders

After ten days the shipping costs are paid back.
"""


def agent(folder: Path, more: str = "", name: str = "desk") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.yaml"
    file.write_text(f"name: {name}\nmodels: {{m: {{use: demo/x}}}}\nmodel: m\ninstructions: x\n{more}\n")
    return file


def write(file: Path, text: str | bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    stat = file.stat()
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000_000))
    return file


def definitions(tmp_path: Path, **options: Any) -> Definitions:
    return Definitions([tmp_path / "agents"], blobs=LocalBlobs(tmp_path / "blobs"), **options)


def references(found: Definitions, name: str = "desk") -> References | None:
    known = found.current(name)
    assert known is not None, found.problems
    return known.definition.references


async def use(tmp_path: Path, sha256: str, tool: str, **args: JsonValue) -> Any:
    """A call on a worker that has nothing but the blob store."""
    reading = DocumentReading(LocalBlobs(tmp_path / "blobs"))
    request = ReadDocumentsInput(documents=sha256, tool=tool, args=args)
    return (await ActivityEnvironment().run(reading.read_documents, request)).output


async def published(tmp_path: Path, more: str = "") -> str:
    agent(tmp_path / "agents", more)
    found = definitions(tmp_path)
    await found.publish()
    known = references(found)
    assert known is not None
    return known.sha256


async def test_the_folder_beside_the_definition_is_listed_searched_and_read(tmp_path: Path) -> None:
    folder = tmp_path / "agents" / "references"
    write(folder / "orders" / "refunds.md", REFUNDS)
    write(folder / "hours.md", "# Opening hours\n\nNine to five.\n")
    write(folder / ".draft.md", b"\xff")
    sha256 = await published(tmp_path)
    listed = await use(tmp_path, sha256, "list_references")
    assert [(one["reference"], one["title"], one.get("description")) for one in listed["references"]] == [
        ("hours.md", "Opening hours", None),
        ("orders/refunds.md", "Refunds: who and when", "What we pay back"),
    ]
    found = await use(tmp_path, sha256, "search_references", query="refund for a late order?")
    best = found["results"][0]
    assert (best["reference"], best["place"]) == ("orders/refunds.md", "Refunds > Late orders")
    assert "shipping costs" in best["snippet"]
    read = await use(tmp_path, sha256, "read_reference", reference="orders/refunds.md", offset=best["offset"])
    assert read["text"] == "## Late orders\n\nAfter ten days the shipping costs are paid back.\n"
    assert "next_offset" not in read


async def test_a_session_of_an_older_digest_reads_the_older_text_on_another_worker(tmp_path: Path) -> None:
    file = write(tmp_path / "agents" / "references" / "hours.md", "Nine to five.")
    agent(tmp_path / "agents")
    found = definitions(tmp_path)
    await found.publish()
    before = found.current("desk")
    assert before is not None
    write(file, "Ten to six.")
    assert await found.refresh()
    after = found.current("desk")
    assert after is not None
    assert after.digest != before.digest

    elsewhere = Definitions([tmp_path / "nothing"], blobs=LocalBlobs(tmp_path / "blobs"))
    texts = []
    for digest in (before.digest, after.digest):
        definition = await elsewhere.by_digest(digest)
        assert definition is not None
        assert definition.references is not None
        read = await use(tmp_path, definition.references.sha256, "read_reference", reference="hours.md")
        texts.append(read["text"])
    assert texts == ["Nine to five.", "Ten to six."]


async def test_a_file_that_is_added_or_removed_is_noticed(tmp_path: Path) -> None:
    agent(tmp_path / "agents")
    found = definitions(tmp_path)
    await found.publish()
    assert references(found) is None
    assert not await found.refresh()
    file = write(tmp_path / "agents" / "references" / "deep" / "hours.md", "Nine to five.")
    assert await found.refresh()
    assert references(found) is not None
    file.unlink()
    assert await found.refresh()
    assert references(found) is None


def test_a_definition_names_other_files_or_none(tmp_path: Path) -> None:
    agents = tmp_path / "agents"
    write(agents / "references" / "hours.md", "Nine to five.")
    write(agents / "support" / "refunds.md", REFUNDS)
    agent(agents, "references: [support, references/hours.md]", "both")
    agent(agents, "references: []", "none")
    agent(agents, "", "usual")
    found = definitions(tmp_path)
    assert found.problems == ()
    counts = {name: known.count if (known := references(found, name)) else 0 for name in found.names()}
    assert counts == {"both": 2, "none": 0, "usual": 1}


@pytest.mark.parametrize(
    ("path", "content", "line", "said"),
    [
        ("references/bad.md", b"fine\nand \xff", 2, "references: is not UTF-8 text"),
        ("references/big.md", b"x" * (MAX_FILE_BYTES + 1), 1, f"references: is larger than {MAX_FILE_BYTES} bytes"),
        ("references/empty.md", b"---\ntitle: x\n---\n \n", 1, "references: is empty"),
        ("references/colon.md", b"---\ntitle: Refunds: all\n---\nx", 2, "the front matter is not valid YAML"),
        ("references/list.md", b"---\n- x\n---\nx", 2, "the front matter is a mapping"),
        ("references/long.md", b"---\ntitle: " + b"x" * 201 + b"\n---\nx", 1, "title: has 201 characters"),
    ],
)
def test_a_bad_file_refuses_the_definition_by_name(
    tmp_path: Path, path: str, content: bytes, line: int, said: str
) -> None:
    agent(tmp_path / "agents")
    file = write(tmp_path / "agents" / path, content)
    found = definitions(tmp_path)
    assert found.names() == ()
    (problem,) = found.problems
    assert (problem.file, problem.line) == (file, line)
    assert said in str(problem)


def test_too_many_files_and_links_that_lead_out_are_refused(tmp_path: Path) -> None:
    agent(tmp_path / "many" / "agents")
    for number in range(MAX_FILES + 1):
        write(tmp_path / "many" / "agents" / "references" / f"{number}.md", "x")
    (problem,) = definitions(tmp_path / "many").problems
    assert f"at most {MAX_FILES} files" in str(problem)

    outside = write(tmp_path / "secret.md", "x")
    agent(tmp_path / "link" / "agents")
    (tmp_path / "link" / "agents" / "references").mkdir()
    (tmp_path / "link" / "agents" / "references" / "out.md").symlink_to(outside)
    (problem,) = definitions(tmp_path / "link").problems
    assert "references/out.md" in str(problem)
    assert "is a link to a place outside of the definition's folder" in str(problem)


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("references: handbook", "references: is a list of files and folders"),
        ("references: [handbok]", "references[0]: there is no file or folder"),
        ("references: [..]", "references[0]: must lie in the folder of this file, or below it"),
        ("references: {sha256: x, count: 1}", "references: is a list of files and folders"),
    ],
)
def test_a_wrong_field_is_refused_at_its_place(tmp_path: Path, field: str, said: str) -> None:
    file = agent(tmp_path / "agents", field)
    (problem,) = definitions(tmp_path).problems
    assert (problem.file, problem.line) == (file, 5)
    assert said in str(problem)


def test_files_that_are_no_markdown_and_names_that_are_taken(tmp_path: Path) -> None:
    agents = tmp_path / "agents"
    agent(agents, "tools: [{search_references: {task_queue: q, description: d, input: {type: object}}}]")
    write(agents / "references" / "hours.md", "Nine to five.")
    write(agents / "references" / "prices.pdf", b"\xff")
    found = definitions(tmp_path)
    (problem,) = found.problems
    assert "'search_references' is the name of a tool that the agent has because of its documents" in str(problem)
    (warning,) = found.warnings
    assert "prices.pdf" in str(warning)
    assert "is not a Markdown file (.md), so the agent does not have it" in str(warning)


async def test_pages_are_bounded_and_go_on_where_they_end(tmp_path: Path) -> None:
    text = "".join(f"Line {number}: ä word.\n" for number in range(3000))
    folder = tmp_path / "agents" / "references"
    write(folder / "a.md", text)
    for number in range(LISTED):
        write(folder / f"b{number}.md", f"Number {number}")
    sha256 = await published(tmp_path)
    pieces, offset = [], 0
    while True:
        page = await use(tmp_path, sha256, "read_reference", reference="a.md", offset=offset)
        assert len(page["text"]) <= PAGE
        pieces.append(page["text"])
        if "next_offset" not in page:
            break
        offset = page["next_offset"]
    assert "".join(pieces) == text
    first = await use(tmp_path, sha256, "list_references")
    second = await use(tmp_path, sha256, "list_references", offset=first["next_offset"])
    assert len(first["references"]) + len(second["references"]) == LISTED + 1 == first["total"]


@pytest.mark.parametrize(
    ("tool", "args", "kind", "said"),
    [
        ("read_reference", {"reference": "hour.md"}, "unknown_document", "did you mean 'hours.md'?"),
        ("read_reference", {"reference": "../x"}, "unknown_document", "list_references names those that there are"),
        ("read_reference", {"reference": "hours.md", "offset": 99}, "invalid_arguments", "has 13 characters"),
        ("search_references", {"query": "?!"}, "invalid_arguments", "holds no word"),
        ("search_references", {"query": "x", "limit": 21}, "invalid_arguments", "limit"),
    ],
)
async def test_errors_say_what_to_do(
    tmp_path: Path, tool: str, args: dict[str, JsonValue], kind: str, said: str
) -> None:
    write(tmp_path / "agents" / "references" / "hours.md", "Nine to five.")
    sha256 = await published(tmp_path)
    with pytest.raises(ApplicationError) as caught:
        await use(tmp_path, sha256, tool, **args)
    assert (caught.value.type, caught.value.non_retryable) == (kind, True)
    assert said in caught.value.message


async def test_documents_that_are_lost_are_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(ApplicationError) as caught:
        await use(tmp_path, "0" * 64, "list_references")
    assert (caught.value.type, caught.value.non_retryable) == ("documents_missing", False)


def test_passages_are_the_whole_text_and_find_any_language() -> None:
    text = (
        "Intro.\n\n# One\n\n```\n# no heading\n```\n"
        + "word " * 1000
        + "\n\n## Two\n\n返品は十日以内です。 Rückgabe möglich."
    )
    document = Document(path="a.md", title="A", text=text)
    cut = list(passages(document))
    assert "".join(one.text for one in cut) == text
    assert all(document.text and document.text[one.offset :].startswith(one.text) for one in cut)
    assert {one.headings for one in cut} == {(), ("One",), ("One", "Two")}
    index = PassageIndex((document,))
    for query in ("返品", "ruckgabe", "RÜCKGA", '"moglich" OR ('):
        (found,) = index.search(query, 5)
        assert found.passage.headings == ("One", "Two"), query
        assert "\u200b" not in found.snippet
    assert index.search("nothing-of-this-kind", 5) == []


def test_the_specs_are_what_the_tools_take() -> None:
    assert set(SPECS) == {"list_references", "search_references", "read_reference", "read_skill"}
    assert all(spec.input["additionalProperties"] is False for spec in SPECS.values())
