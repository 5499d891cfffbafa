"""Checks a gateway's responses against its own OpenAPI document."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

import httpx2
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from tests.support.session_client import Frame


@dataclass
class Checked:
    """`answers` and `items` record what has been seen: operations with their status, and types of stream items."""

    document: dict[str, Any]
    answers: set[tuple[str, int]] = field(default_factory=set)
    items: set[str] = field(default_factory=set)

    async def response(self, response: httpx2.Response) -> None:
        """A hook of an HTTP client that checks every response."""
        method, path = response.request.method.lower(), response.request.url.path
        template = next((one for one in self.document["paths"] if _template(one).fullmatch(path)), None)
        assert template is not None, path
        operation = self.document["paths"][template][method]
        answers = operation["responses"]
        answer = answers.get(str(response.status_code)) or answers.get(f"{response.status_code // 100}XX")
        assert answer is not None, (method, path, response.status_code)
        self.answers.add((f"{method.upper()} {template}", response.status_code))
        content = answer.get("content", {})
        media_type = response.headers.get("content-type", "").partition(";")[0]
        if response.status_code == 204:
            return
        assert media_type in content or "*/*" in content, (method, path, media_type)
        if media_type.endswith("json"):
            self.fits(content[media_type]["schema"], json.loads(await response.aread()))

    def frame(self, frame: Frame) -> None:
        """Checks an item of a stream, and an item of a sub-agent's stream within it."""
        self.items.add(frame.type)
        shape = next(
            one
            for one in self.document["components"]["schemas"]["StreamItem"]["oneOf"]
            if one["properties"]["event"]["const"] == frame.type
        )
        assert ("id" in shape["required"]) == (frame.seq is not None)
        self.fits(shape["properties"]["data"]["contentSchema"], frame.data)
        if frame.type == "agent.event":
            inner = dict(frame.data["event"])
            live = "seq" not in inner or inner["type"] == "session.snapshot"
            kind = inner.pop("type") if live else inner["type"]
            self.frame(Frame(kind, None if live else inner["seq"], inner))

    def fits(self, schema: dict[str, Any], value: Any) -> None:
        whole = {**schema, "components": self.document["components"]}
        error = best_match(Draft202012Validator(whole).iter_errors(value))
        assert error is None, f"{error.json_path}: {error.message}\n{json.dumps(value)[:2000]}" if error else ""


def _template(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+\}", "[^/]+", path))
