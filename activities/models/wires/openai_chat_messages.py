"""The messages of a Chat Completions request. Pure.

Rule 1: what a server alone understands goes back to it as it came: members of messages and calls always, reasoning with
messages that called tools. Servers ask for it only there, and some refuse it elsewhere.
Rule 2: results stand right behind their calls. Pictures that tools gave follow in a user message, for most servers take none
in a result.
"""

from collections.abc import Iterator, Sequence

from pydantic import JsonValue

from perdure.activities.encoding.compact_json import compact
from perdure.activities.models.missing_members import NO_THOUGHT, with_signature
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
from perdure.activities.models.wires.openai_chat_call import MESSAGE, function_call
from perdure.activities.models.wires.openai_chat_content import content, takes
from perdure.activities.models.wires.openai_chat_rewrites import NOTED
from perdure.workflows.definition.providers.dialect import Dialect
from perdure.workflows.vocabulary.parts import Native, Reasoning, Text


def messages(system: str, turns: Sequence[Turn], dialect: Dialect) -> list[JsonValue]:
    """The instructions, if they are not blank, and the turns."""
    return list(_Messages(system, turns, dialect).all())


class _Messages:
    def __init__(self, system: str, turns: Sequence[Turn], dialect: Dialect) -> None:
        self._system = system if system.strip() else ""
        self._turns = turns
        self._dialect = dialect
        asked = [number for number, turn in enumerate(turns) if isinstance(turn, UserTurn) and turn.content]
        #: The turn after which the tool loop, if one is open, began.
        self._asked = asked[-1] if asked else -1
        #: Names of the calls of the last assistant turn, by id.
        self._names: dict[str, str] = {}

    def all(self) -> Iterator[JsonValue]:
        if self._system and self._dialect.system_role != "user":
            yield {"role": self._dialect.system_role, "content": self._system}
            self._system = ""
        for number, turn in enumerate(self._turns):
            match turn:
                case UserTurn():
                    yield from self._user(turn)
                case AssistantTurn():
                    yield self._assistant(turn, in_loop=number > self._asked)

    def _user(self, turn: UserTurn) -> Iterator[JsonValue]:
        said: list[Content] = []
        for result in turn.results:
            yield self._result(result, said)
        said += turn.content
        if self._system:
            # Of a model that knows no instructions, they are a part of what it is first told.
            said.insert(0, Text(text=self._system))
            self._system = ""
        if not said:
            return
        if turn.results and self._dialect.answers_results:
            yield {"role": "assistant", "content": NOTED}
        yield {"role": "user", "content": content(said, self._dialect.files)}

    def _result(self, result: Result, behind: list[Content]) -> JsonValue:
        """The message of a result. What it cannot hold itself is put into `behind`."""
        files = self._dialect.files
        name = self._names.get(result.id, "")
        # The API has no flag for it.
        parts: list[Content] = [Text(text="Error:")] if result.is_error else []
        moved: list[Content] = []
        for part in result.content:
            if isinstance(part, Media) and takes(part, files) and not files.in_results:
                moved.append(part)
                parts.append(Text(text=f"{text_of(part)[:-1]}, shown below]"))
            else:
                parts.append(part)
        if moved:
            behind += [Text(text=f"[From the result of the tool {name}:]"), *moved]
        if result.is_error and not any(isinstance(part, Media) for part in parts):
            shown: JsonValue = f"Error: {as_text(parts[1:])}"
        else:
            shown = content(parts, files)
        named: dict[str, JsonValue] = {"name": name} if self._dialect.named_results and name else {}
        return {"role": "tool", "tool_call_id": result.id, **named, "content": shown}

    def _assistant(self, turn: AssistantTurn, *, in_loop: bool) -> JsonValue:
        calls = [part for part in turn.parts if isinstance(part, Call)]
        self._names = {call.id: call.part.name for call in calls}
        text = "\n\n".join(part.text for part in turn.parts if isinstance(part, Text))
        blank = None if self._dialect.null_content else ""
        message: dict[str, JsonValue] = {"role": "assistant", "content": text or (blank if calls else "(no answer)")}
        for part in turn.parts:
            if not isinstance(part, Reasoning):
                message |= _others(part.part.native if isinstance(part, Call) else part.native)
        back = self._dialect.reasoning_back
        if calls and (back == "always" or (back == "loop" and in_loop)):
            for part in turn.parts:
                if isinstance(part, Reasoning):
                    _put_back(part, message)
            if self._dialect.reasoning_key:
                message.setdefault(self._dialect.reasoning_key, NO_THOUGHT)
        if not calls:
            return message
        message["tool_calls"] = [_call(call) for call in calls]
        return with_signature(message) if self._dialect.signed_calls else message


def _others(native: Native | None) -> dict[str, JsonValue]:
    """Members of the message that a native block holds."""
    members = native.block.get(MESSAGE) if native else None
    return members if isinstance(members, dict) else {}


def _put_back(reasoning: Reasoning, message: dict[str, JsonValue]) -> None:
    for name, value in (reasoning.native.block if reasoning.native else {}).items():
        if name == "content":
            message[name] = _with_thought(value, reasoning.text, message[name])
            continue
        new = reasoning.text if value is None else value
        old = message.get(name)
        if isinstance(old, str) and isinstance(new, str):
            new = f"{old}\n\n{new}"
        elif isinstance(old, list) and isinstance(new, list):
            new = [*old, *new]
        message[name] = new


def _with_thought(form: JsonValue, thought: str, before: JsonValue) -> JsonValue:
    """The content of a message with reasoning in front of it: between tags, or as a part of its own."""
    if isinstance(form, list):
        between = "".join(thought if piece is None else str(piece) for piece in form)
        return between + before if isinstance(before, str) else between
    parts: list[JsonValue] = [_filled(form, thought)]
    if isinstance(before, list):
        return parts + before
    return [*parts, {"type": "text", "text": before}] if before else parts


def _filled(value: JsonValue, text: str) -> JsonValue:
    """`value` with `text` in the place of null."""
    match value:
        case None:
            return text
        case dict():
            return {key: _filled(inner, text) for key, inner in value.items()}
        case list():
            return [_filled(inner, text) for inner in value]
        case _:
            return value


def _call(call: Call) -> JsonValue:
    native = call.part.native
    if native is None:
        return function_call(call.id, call.part.name, compact(call.part.args))
    block = {name: value for name, value in native.block.items() if name != MESSAGE}
    function = block.get("function")
    if call.part.args_raw is not None or not isinstance(function, dict):
        # Servers parse the arguments again, so what was not JSON cannot be sent.
        own = function if isinstance(function, dict) else {}
        block["function"] = {**own, "name": call.part.name, "arguments": compact(call.part.args)}
    return {"type": "function", **block, "id": call.id}
