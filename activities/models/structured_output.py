"""How a model is asked for an answer of a form (`Prompt.output`): by the provider's own means, or in words. Pure.

Rule 1: the provider's own means are used only where they are known to work (`Dialect.structured_output`). A server that
merely speaks an API may ignore them, or may no longer call tools.
Rule 2: a server that refuses them is told the form in words from then on (`InWords`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import JsonValue

from perdure.activities.models.adaptation import Body, Path, edited, value_at, without
from perdure.activities.models.refusal import Refusal
from perdure.activities.models.schemas import Fitted, fit_output
from perdure.workflows.definition.providers.dialect import Dialect
from perdure.workflows.protocol.steps import Prompt

#: The name that some APIs want for a schema.
NAME: Final = "answer"
#: Where each API has the schema: Chat Completions, Responses, Messages, Gemini.
_CHAT: Final = ("response_format", "json_schema", "schema")
_RESPONSES: Final = ("text", "format", "schema")
_MESSAGES: Final = ("output_config", "format", "schema")
_GEMINI: Final = ("generationConfig", "responseJsonSchema")
_PLACES: Final[tuple[Path, ...]] = (_CHAT, _RESPONSES, _MESSAGES, _GEMINI)
#: What of the body goes with the schema, and the words by which servers refuse it.
_MEMBERS: Final[dict[Path, tuple[Path, ...]]] = {
    _CHAT: (("response_format",),),
    _RESPONSES: (("text", "format"),),
    _MESSAGES: (("output_config", "format"),),
    _GEMINI: (_GEMINI, ("generationConfig", "responseMimeType")),
}
_NAMED: Final = (
    *("response_format", "response format", "responseformat", "json_schema", "text.format", "output_config.format"),
    *("output_format", "output format", "structured output", "structured_output", "json mode", "json schema"),
    *("response mime type", "response_mime_type", "responsemimetype", "responsejsonschema", "response_json_schema"),
    *("custom grammar", "guided_json"),
)


def native_form(prompt: Prompt, dialect: Dialect) -> Fitted | None:
    """The schema as the request has it by the provider's own means; None: it has none, or is told in words."""
    able = dialect.structured_output and (dialect.structured_with_tools or not prompt.tools)
    return fit_output(prompt.output, dialect) if able and prompt.output is not None else None


def told(prompt: Prompt, dialect: Dialect) -> Prompt:
    """`prompt`, with the form in its instructions where the provider's own means do not say it."""
    if prompt.output is None or native_form(prompt, dialect) is not None:
        return prompt
    return prompt.model_copy(update={"system": _joined(prompt.system, in_words(prompt.output))})


def in_words(schema: Mapping[str, JsonValue]) -> str:
    return (
        "Your final answer, the one with which you call no tool, has to be one JSON object that is valid against this JSON "
        f"Schema, and nothing else: no words around it, no code fence.\n{json.dumps(schema, ensure_ascii=False)}"
    )


@dataclass(frozen=True, slots=True)
class InWords:
    """The form of the answer goes from its own member of the body into the instructions."""

    #: Where the schema is.
    place: Path

    @property
    def path(self) -> Path:
        return _MEMBERS[self.place][0]

    @property
    def words(self) -> str:
        return f"{'.'.join(self.path)}: in words"

    def apply(self, body: Body) -> Body:
        schema = value_at(body, self.place)
        if not isinstance(schema, dict):
            return body
        for member in _MEMBERS[self.place]:
            body = edited(body, member, without)
        return _instructed(body, self.place, in_words(schema))


def form_cures(refusal: Refusal, body: Body) -> list[InWords]:
    """The form in words, where the server refuses the member that says it."""
    place = next((one for one in _PLACES if value_at(body, one) is not None), None)
    if place is None:
        return []
    pointed = any(_is_within(where, member) for where in refusal.places for member in _MEMBERS[place])
    return [InWords(place)] if pointed or any(word in refusal.lower for word in _NAMED) else []


def _is_within(place: Path, member: Path) -> bool:
    """Whether a refusal points to the member or into it; its ancestors also hold other things."""
    plain = tuple(step.replace("_", "").lower() for step in place)
    wanted = tuple(step.replace("_", "").lower() for step in member)
    return plain[: len(wanted)] == wanted


def _instructed(body: Body, place: Path, text: str) -> Body:
    """`body` with `text` at the end of its instructions."""
    match place:
        case ("response_format", *_):
            return _in_messages(body, "messages", text)
        case ("text", *_):
            if isinstance(body.get("instructions"), str) or not isinstance(body.get("input"), list):
                return body | {"instructions": _joined(body.get("instructions"), text)}
            return _in_messages(body, "input", text)
        case ("output_config", *_):
            system = body.get("system")
            if isinstance(system, list):
                return body | {"system": [*system, {"type": "text", "text": text}]}
            return body | {"system": _joined(system, text)}
        case _:
            given = body.get("systemInstruction")
            parts = given.get("parts") if isinstance(given, dict) else None
            return body | {
                "systemInstruction": {"parts": [*(parts if isinstance(parts, list) else ()), {"text": text}]}
            }


def _in_messages(body: Body, name: str, text: str) -> Body:
    """In the instructions that come first, or, where there are none, before what the user says first."""
    messages: Any = body.get(name)
    first = messages[0] if isinstance(messages, list) and messages and isinstance(messages[0], dict) else {}
    if first.get("role") in ("system", "developer"):
        content = first.get("content")
        more: Any = [*content, {"type": "text", "text": text}] if isinstance(content, list) else _joined(content, text)
        return body | {name: [{**first, "content": more}, *messages[1:]]}
    return body | {name: [{"role": "system", "content": text}, *(messages or ())]}


def _joined(before: object, text: str) -> str:
    return f"{before.rstrip()}\n\n{text}" if isinstance(before, str) and before.strip() else text
