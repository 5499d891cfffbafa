"""To what a response is the response: `input_items` of OpenAI's Responses API. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from perdure.gateway.projections.openai_calls import approval_id, is_function
from perdure.temporal.sessions.json_bytes import to_json
from perdure.workflows.vocabulary.parts import Data, File, Message, Text
from perdure.workflows.vocabulary.questions import Question


def message_item(mark: str, message: Message) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    for part in message.parts:
        match part:
            case Text():
                content.append({"type": "input_text", "text": part.text})
            case File() if part.media_type.startswith("image/"):
                content.append({"type": "input_image", "image_url": part.uri, "detail": "auto"})
            case File():
                content.append({"type": "input_file", "file_url": part.uri, "filename": part.name})
            case Data():
                content.append({"type": "input_text", "text": to_json({part.name: part.value}).decode()})
            case _:
                pass
    return {
        "type": "message",
        "id": f"msg_{mark}_{message.id}",
        "role": "user",
        "status": "completed",
        "content": content,
    }


def answer_items(
    mark: str, asked: Sequence[Question], answers: Mapping[str, JsonValue], results: Mapping[str, JsonValue]
) -> list[dict[str, Any]]:
    """What was answered of `asked`; `answers` by question id, `results` by call id."""
    found: list[dict[str, Any]] = []
    for one in asked:
        if is_function(one) and one.call_id is not None and one.call_id in results:
            result = results[one.call_id]
            text = result if isinstance(result, str) else to_json(result).decode()
            item = {"type": "function_call_output", "call_id": one.call_id, "output": text, "status": "completed"}
            found.append({**item, "id": f"fco_{mark}_{one.call_id}"})
        elif one.kind == "approval" and one.question_id in answers:
            asks = approval_id(mark, one.question_id)
            item = {"type": "mcp_approval_response", "approval_request_id": asks}
            found.append({**item, "approve": answers[one.question_id] is True, "id": f"mcpa_{mark}_{one.question_id}"})
    return found
