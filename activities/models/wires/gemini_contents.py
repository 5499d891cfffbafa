"""A transcript as the Gemini API takes it: `contents`. Pure.

Rule 1: what the asked server made goes back as it came, with its signatures. A summary of thoughts bears none and stays here.
Rule 2: a result bears its call's name and, where the call has one, its id.
Rule 3: where a model requires a signature with the first call of an answer, a call that another model made gets the word by
which Google lets it pass.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import JsonValue

from perdure.activities.models.missing_members import UNSIGNED
from perdure.activities.models.provider_turns import (
    Asked,
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
from perdure.activities.models.wires.gemini_parts import member
from perdure.workflows.definition.providers.dialect import Dialect
from perdure.workflows.vocabulary.parts import Reasoning, Text

Object = dict[str, JsonValue]


def contents(turns: Iterable[Turn], asked: Asked) -> list[JsonValue]:
    """What the model is shown of `turns`, in the same order."""
    made: list[JsonValue] = []
    calls: dict[str, Call] = {}
    for turn in turns:
        if isinstance(turn, AssistantTurn):
            calls = {part.id: part for part in turn.parts if isinstance(part, Call)}
            parts = _answered(turn, asked.dialect)
            made += [{"role": "model", "parts": [*parts]}] if parts else []
        else:
            made += _said(turn, calls, asked.dialect)
    return made


def media(part: Content, dialect: Dialect) -> Object:
    """The part for a picture, document or sound. Empty: it is none that the model takes."""
    if not isinstance(part, Media):
        return {}
    files = dialect.files
    taken = {"image": files.images, "document": files.documents, "audio": files.audio}[part.kind]
    if part.media_type not in taken:
        return {}
    if part.data is not None:
        return {"inlineData": {"mimeType": part.media_type, "data": part.data}}
    return {"fileData": {"mimeType": part.media_type, "fileUri": part.url}}


def _said(turn: UserTurn, calls: dict[str, Call], dialect: Dialect) -> list[Object]:
    made: list[Object] = []
    rest: list[Content] = []
    if turn.results:
        # All results of one answer in one content, and nothing else in it.
        made.append(
            {"role": "user", "parts": [_result(result, calls.get(result.id), dialect) for result in turn.results]}
        )
        if not dialect.files.in_results:
            for result in turn.results:
                if shown := [part for part in result.content if media(part, dialect)]:
                    rest += [Text(text=f"[From the result of {_name(calls.get(result.id))}:]"), *shown]
    parts: list[JsonValue] = [media(part, dialect) or {"text": text_of(part)} for part in (*rest, *turn.content)]
    return [*made, {"role": "user", "parts": parts}] if parts else made


def _result(result: Result, call: Call | None, dialect: Dialect) -> Object:
    inside = [media(part, dialect) for part in result.content] if dialect.files.in_results else []
    told = [part for part, shown in zip(result.content, inside or [{}] * len(result.content), strict=True) if not shown]
    own = _function_call(call)
    response: Object = {"name": _name(call)} if own and not own.get("id") else {"id": result.id, "name": _name(call)}
    response["response"] = {"error" if result.is_error else "output": as_text(told)}
    if shown := [part for part in inside if part]:
        response["parts"] = [*shown]
    return {"functionResponse": response}


def _name(call: Call | None) -> str:
    return call.part.name if call else "unknown"


def _answered(turn: AssistantTurn, dialect: Dialect) -> list[Object]:
    made = [part for one in turn.parts for part in _part(one)]
    if dialect.signed_calls:
        first = next((at for at, part in enumerate(made) if "functionCall" in part or "function_call" in part), None)
        if first is not None and not member(made[first], "thoughtSignature"):
            made[first] = made[first] | {"thoughtSignature": UNSIGNED}
    return made


def _part(part: Text | Reasoning | Call) -> list[Object]:
    own = _blocks(part)
    match part:
        case Text():
            return own or [{"text": part.text}]
        case Reasoning():
            return [block for block in own if block.get("thought") is not True or member(block, "thoughtSignature")]
        case Call():
            return [_own_call(own[0], part) if _function_call(part) else {"functionCall": _foreign(part)}]


def _foreign(call: Call) -> Object:
    return {"id": call.id, "name": call.part.name, "args": call.part.args}


def _own_call(block: Object, call: Call) -> Object:
    """The part as it came, with the id that the call goes by in this request: servers repeat theirs."""
    key = "functionCall" if "functionCall" in block else "function_call"
    made: Any = block[key]
    if "id" in made and made["id"] != call.id:
        made = made | {"id": call.id}
    if call.part.args_raw is not None:
        # What is no object is refused.
        made = made | {"args": call.part.args}
    return block if made is block[key] else block | {key: made}


def _function_call(call: Call | None) -> Object:
    """The call as the asked server made it. Empty: another made it."""
    blocks = _blocks(call) if call else []
    found = member(blocks[0], "functionCall") if blocks else None
    return found if isinstance(found, dict) else {}


def _blocks(part: Text | Reasoning | Call) -> list[Object]:
    native = part.part.native if isinstance(part, Call) else part.native
    blocks = native.block.get("parts") if native else None
    return [block for block in blocks if isinstance(block, dict)] if isinstance(blocks, list) else []
