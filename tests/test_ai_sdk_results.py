"""What is in the results of calls for people, as the AI SDK's clients are told: files, and pages that are linked to."""

from typing import Any

import pytest

from perdure.gateway.projections import ai_sdk_results
from perdure.workflows.vocabulary.parts import ToolResult
from tests.support.ai_sdk_story import Story, chunks_of, kept, loaded, told

SHA = "0a" * 32
PICTURE = {"type": "image", "uri": f"default/chat/{SHA}", "media_type": "image/png", "bytes": 9}
FILE = {"type": "file", "url": f"/v1/sessions/chat/files/{SHA}", "mediaType": "image/png"}
LINK = {"type": "resource_link", "uri": "https://example.com/a", "name": "a.html", "title": "On lamps"}


def beside(output: Any) -> list[dict[str, Any]]:
    """What is told after the call's output."""
    story = Story().begin().calls("look").starts("t1.s1.c1", "look").ends("t1.s1.c1", "look", output)
    made = chunks_of(story.items, ends=False)
    place = next(place for place, chunk in enumerate(made) if chunk["type"].startswith("tool-output"))
    assert kept(chunks_of(story.finish().items)) == loaded(story)[-1]
    return made[place + 1 :]


@pytest.mark.parametrize(
    "output",
    [
        PICTURE,
        [PICTURE, "text", PICTURE],
        {"structured": {"charts": [PICTURE]}, "content": [PICTURE]},
        {"deep": [{"er": {"and": [PICTURE]}}]},
    ],
)
def test_a_file_is_told_once_wherever_it_is(output: Any) -> None:
    assert beside(output) == [FILE]


def test_a_file_of_a_sub_agent_is_in_its_session() -> None:
    (told_of,) = beside({**PICTURE, "uri": f"default/chat~t1.s1.c1/{SHA}", "media_type": None})
    expected = {"url": f"/v1/sessions/chat~t1.s1.c1/files/{SHA}", "mediaType": "application/octet-stream"}
    assert told_of == {"type": "file", **expected}


def test_what_a_call_that_failed_gave() -> None:
    output = {"type": "failed", "message": "No paper", "retryable": False, "content": [PICTURE]}
    result = ToolResult(call_id="t1.s1.c1", name="look", output=output, is_error=True)
    assert ai_sdk_results.beside("t1.s1.c1", result) == [FILE]
    assert ai_sdk_results.beside("t1.s1.c1", result.model_copy(update={"output": "No paper"})) == []


def test_a_link_is_a_source() -> None:
    plain = {"type": "resource_link", "uri": "http://example.com/b"}
    assert beside([LINK, PICTURE, plain]) == [
        {"type": "source-url", "sourceId": "t1.s1.c1.0", "url": "https://example.com/a", "title": "On lamps"},
        FILE,
        {"type": "source-url", "sourceId": "t1.s1.c1.2", "url": "http://example.com/b"},
    ]


@pytest.mark.parametrize(
    "entry",
    [
        {**LINK, "uri": "javascript:alert(1)"},
        {**LINK, "uri": "https://example.com/a b"},
        {**LINK, "uri": None},
        {**LINK, "type": "link"},
        {**PICTURE, "type": "text"},
        {**PICTURE, "uri": f"default/../{SHA}"},
        {**PICTURE, "uri": f"default/a/s/{SHA}"},
        {**PICTURE, "uri": f"default/chat/{SHA}\n"},
        {**PICTURE, "uri": f"https://x.example/{SHA}"},
        {**PICTURE, "type": ["image"]},
        "text",
        None,
    ],
)
def test_what_is_neither(entry: Any) -> None:
    assert beside([entry]) == []


def test_a_result_that_is_deep_or_long() -> None:
    deep: Any = PICTURE
    for _ in range(8):
        deep = [deep]
    assert beside(deep) == []
    assert len(beside([{**LINK, "uri": f"https://example.com/{n}"} for n in range(60)])) == 50


def test_the_step_goes_on_behind_a_file() -> None:
    """Clients look for what is to be answered in the last step only: a file opens none before it."""
    story = Story().begin().calls("draw", "pay").asks("t1.s1.c1", "draw").asks("t1.s1.c2", "pay")
    story.resolves("t1.s1.c1", approved=True).starts("t1.s1.c1", "draw").ends("t1.s1.c1", "draw", PICTURE)
    made = chunks_of(story.items)
    assert told(made)[-3:] == ["tool-output-available t1.s1.c1", "file", "finish tool-calls"]
    parts = loaded(story)[-1]["parts"]
    assert [part["type"] for part in parts] == ["step-start", "dynamic-tool", "dynamic-tool", "file"]
    assert [part.get("state") for part in parts[1:3]] == ["output-available", "approval-requested"]
