"""Turns as messages of Anthropic's API: content blocks for text, calls, results and media. Pure.

Rule 1: a block that the server made goes back as it came: thinking, with its signature where the server gives one, and blocks
of types that this version does not know.
Rule 2: no text is blank and no message is empty, for the API refuses both.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from pydantic import JsonValue

from perdure.activities.models.missing_members import with_thought
from perdure.activities.models.provider_turns import (
    AssistantTurn,
    Call,
    Content,
    Media,
    Result,
    Turn,
    UserTurn,
    as_text,
    text_of,
)
from perdure.workflows.definition.providers.dialect import Dialect, FilesDialect
from perdure.workflows.vocabulary.parts import Reasoning, Text

Block = dict[str, JsonValue]

#: Types of blocks that a model thinks with. A message must not consist of them alone.
THOUGHT: Final = ("thinking", "redacted_thinking")
#: Stands for an answer of which nothing may be sent back.
NOTHING: Final[Block] = {"type": "text", "text": "(no answer)"}
#: Of a title. More is refused.
_TITLE: Final = 200


def messages(turns: Iterable[Turn], dialect: Dialect) -> list[JsonValue]:
    turns = tuple(turns)
    asked = max((at for at, turn in enumerate(turns) if isinstance(turn, UserTurn) and turn.content), default=-1)
    made: list[JsonValue] = []
    names: dict[str, str] = {}
    for at, turn in enumerate(turns):
        match turn:
            case UserTurn():
                made.append({"role": "user", "content": [*_said(turn, names, dialect.files)]})
            case AssistantTurn():
                names = {part.id: part.part.name for part in turn.parts if isinstance(part, Call)}
                back = dialect.reasoning_back
                thinks = back == "always" or (back == "loop" and at > asked)
                blocks = [*_answered(turn, thinks=thinks)]
                said = any(block.get("type") not in THOUGHT for block in blocks)
                content: JsonValue = [*blocks] if said else [NOTHING]
                made.append(
                    {"role": "assistant", "content": with_thought(content) if dialect.reasoning_key else content}
                )
    return made


def _said(turn: UserTurn, names: dict[str, str], files: FilesDialect) -> Iterator[JsonValue]:
    behind: list[Content] = []
    for result in turn.results:
        media = [part for part in result.content if isinstance(part, Media) and _source(part, files)]
        if media and not files.in_results:
            behind += [Text(text=f"[From the result of the tool {names.get(result.id, '')}:]"), *media]
            media = []
        yield _result(result, files, has_media=bool(media))
    for part in (*behind, *turn.content):
        yield _block(part, files)


def _result(result: Result, files: FilesDialect, *, has_media: bool) -> JsonValue:
    content: JsonValue = as_text(result.content)
    if has_media:
        content = [_block(part, files) for part in result.content if isinstance(part, Media) or text_of(part).strip()]
    return {"type": "tool_result", "tool_use_id": result.id, "content": content, "is_error": result.is_error}


def _block(part: Content, files: FilesDialect) -> JsonValue:
    source = _source(part, files) if isinstance(part, Media) else None
    if not isinstance(part, Media) or source is None:
        return {"type": "text", "text": text_of(part)}
    title: Block = {"title": part.name[:_TITLE]} if part.kind == "document" and part.name.strip() else {}
    return {"type": part.kind, "source": source, **title}


def _source(media: Media, files: FilesDialect) -> Block | None:
    """Where the model finds `media`. None: it does not take them."""
    taken = {"image": files.images, "document": files.documents}.get(media.kind, frozenset())
    if media.media_type not in taken:
        return None
    if media.data is not None:
        return {"type": "base64", "media_type": media.media_type, "data": media.data}
    return {"type": "url", "url": media.url} if media.url is not None and files.fetches_urls else None


def _answered(turn: AssistantTurn, *, thinks: bool) -> Iterator[Block]:
    for part in turn.parts:
        match part:
            case Text():
                own = part.native.block if part.native else {}
                yield (
                    own
                    if own.get("type") == "text" and own.get("text") == part.text
                    else {"type": "text", "text": part.text}
                )
            case Reasoning():
                block = part.native.block if part.native else {}
                # Earlier versions kept an empty signature for thinking that has none.
                if block and block.get("signature") != "" and (thinks or block.get("type") not in THOUGHT):
                    yield block
            case Call():
                native = part.part.native.block if part.part.native else {}
                name = part.part.name if native else re.sub(r"[^A-Za-z0-9_-]", "_", part.part.name)[:128]
                yield native | {"type": "tool_use", "id": part.id, "name": name, "input": part.part.args}


def without(body: Block, *types: str, known: tuple[str, ...] = ()) -> Block:
    """`body` without blocks of these types in its answers, or, with `known`, without those of any other type. The very same
    body where there are none."""
    changed = False
    made: list[JsonValue] = []
    history = body.get("messages")
    for message in history if isinstance(history, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(message, dict) and message.get("role") == "assistant" and isinstance(content, list):
            kept = [block for block in content if _type(block) not in types and (not known or _type(block) in known)]
            if len(kept) < len(content):
                changed = True
                message = message | {"content": kept or [NOTHING]}
        made.append(message)
    return body | {"messages": made} if changed else body


def _type(block: JsonValue) -> JsonValue:
    return block.get("type") if isinstance(block, dict) else None
