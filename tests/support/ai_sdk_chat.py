"""Requests as the AI SDK sends them, and the chunks of what they are answered with."""

import json
from typing import Any

import httpx2


def user(text: str, message_id: str = "u1", *more: dict[str, Any]) -> dict[str, Any]:
    return {"id": message_id, "role": "user", "parts": [*more, {"type": "text", "text": text}]}


async def post(http: httpx2.AsyncClient, agent: str = "assistant", **body: Any) -> httpx2.Response:
    return await http.post(f"/v1/ai-sdk/{agent}", json=body)


def chunks(answer: httpx2.Response) -> list[dict[str, Any]]:
    """Those of a whole stream."""
    assert answer.status_code == 200, answer.text
    lines = [line.removeprefix("data: ") for line in answer.text.split("\n") if line.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


def text(made: list[dict[str, Any]]) -> str:
    return "".join(chunk["delta"] for chunk in made if chunk["type"] == "text-delta")


async def messages(http: httpx2.AsyncClient, chat: str, agent: str = "assistant") -> list[dict[str, Any]]:
    answer = await http.get(f"/v1/ai-sdk/{agent}/{chat}/messages")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found
